"""What the scaling table counts and computes, against figures by hand."""

import numpy as np
import pytest

from benchmarks import scalingmodel
from benchmarks.scaling import BATCH
from benchmarks.scalingmodel import LINKS, RANKS, REQUEST, Counted, iteration_seconds, sent, stops_at
from tinygan.device import open_backend
from tinygan.runtime.collectives import joined
from tinygan.training.options import Options
from tinygan.training.session import build_game
from tinygan.training.step import SCHEDULES


@pytest.mark.parametrize("norm", ["wn", "bn"])
def test_a_step_is_counted(norm):
    options = Options(norm=norm, features=4, code_size=5, image_size=(16, 16))
    game = build_game(options, open_backend("cpu", "float64"))
    counted, rng = Counted(4), np.random.default_rng(0)
    with joined(counted):
        SCHEDULES["shared"].step(
            game._replace(share=0.25), rng.random((2, 16, 16, 3)), rng.standard_normal((1, 2, 5)), 0.0
        )
    sizes = [player.parameters.flat.nbytes for player in game[:2]]
    assert [call for call in counted.calls if call[0] != "gather"] == [
        ("parts", sizes[0]), ("share", sizes[0]), ("parts", sizes[1]), ("share", sizes[1]),
    ]  # fmt: skip
    assert any(kind == "gather" for kind, _ in counted.calls) == (norm == "bn")


def test_what_is_sent_by_hand():
    calls = [("gather", 80), ("parts", 4000), ("share", 4000)]
    assert sent(calls, 1) == {"messages": 0, "bytes": 0}
    assert sent(calls, 4) == {"messages": 1 + 2 + 3 + 3, "bytes": REQUEST + 3 * 80 + 2 * 3000}


def test_time_by_hand():
    link = next(iter(LINKS))
    latency, speed = LINKS[link]
    waiting = 2 * (latency + REQUEST / speed) + 3 * latency + 3000 / speed
    found = iteration_seconds(0.5, 0.25, 8, [("parts", 4000)], 4, link)
    assert found == pytest.approx({"fixed": 0.5 + 0.5 + waiting, "growing": 0.5 + 2 + waiting})
    assert iteration_seconds(0.5, 0.25, 2, [], 4, link)["fixed"] is None


def test_where_ranks_stop_paying():
    assert stops_at({1: 10.0, 2: 19.0, 4: 30.0, 8: 31.0}) == 4
    assert stops_at({1: 10.0, 2: 10.5}) == 1


def test_table_and_plot_hold_every_link():
    calls, link_times = [("parts", 4000)], {}
    for link in LINKS:
        link_times[link] = {ranks: iteration_seconds(0.1, 0.01, BATCH, calls, ranks, link) for ranks in RANKS}
    result = {
        "size": 32,
        "norm": "wn",
        "machine": {"load": (0.0,)},
        "measured": {ranks: {"images_per_second": 100.0 + ranks, "mib": 300.0} for ranks in (0, 1, 2)},
        "seconds": {"fixed": 0.1, "per_image": 0.01},
        "sent": {ranks: sent(calls, ranks) for ranks in RANKS},
        "computed": link_times,
    }
    text, picture = scalingmodel.table(result, BATCH), scalingmodel.plot(result, BATCH)
    assert all(link in text and link in picture for link in LINKS)
    assert picture.count("<polyline") == 2 * len(LINKS)
