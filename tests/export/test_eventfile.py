"""Event files, read back by TensorBoard's own reader."""

import io
import json
import sys
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from tinygan.cli import evaluate, train
from tinygan.errors import TinyganError, run_script
from tinygan.training.runfolder import RunFolder

reader = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="TensorBoard is not installed: pip install -e '.[tensorboard]'",
)

from tinygan.export.eventfile import EventFile  # noqa: E402  needs tensorboard

EVERYTHING = {"scalars": 0, "images": 0}
TINY = "--features 4 --code-size 6 --batch-size 8 --log-every 2 --sample-every 4 --test-every 4 --device cpu"


def read(folder):
    """(tag -> [(step, value)], tag -> [(step, picture's bytes)], the times of the first tag)."""
    events = reader.EventAccumulator(str(folder), EVERYTHING).Reload()
    tags = events.Tags()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    images = {tag: [(event.step, event.encoded_image_string) for event in events.Images(tag)] for tag in tags["images"]}
    return scalars, images, [event.wall_time for event in events.Scalars("loss/g")]


def assert_is_the_runs(folder):
    """Every figure of the log and every picture, once."""
    scalars, images, times = read(folder / "tensorboard")
    log = RunFolder(folder).read_log()
    lines = [entry for entry in log if "g" in entry]
    tests = [entry for entry in log if "reconstruction" in entry]
    expected = {f"loss/{name}": [(one["iteration"], one[name]) for one in lines] for name in ("d_real", "d_fake", "g")}
    expected["speed/images_per_second"] = [(one["iteration"], one["images_per_second"]) for one in lines]
    for name in ("loss", "std", "psnr", "z2"):
        expected[f"reconstruction/{name}"] = [(one["iteration"], one["reconstruction"][name]) for one in tests]
    assert set(scalars) == set(expected)
    for tag, pairs in expected.items():
        np.testing.assert_allclose(scalars[tag], pairs, rtol=1e-6)
    begun = json.loads((folder / "config.json").read_text())["sessions"][0]["started"]
    assert times[0] == pytest.approx(np.datetime64(begun.removesuffix("+00:00")).astype(float) + lines[0]["seconds"])
    for tag in ("samples", "reconstructions"):
        files = sorted(path for path in (folder / tag).glob("*.png") if path.stem.isdigit())
        assert images.pop(tag) == [(int(path.stem), path.read_bytes()) for path in files]
    assert images.pop("reals") == [(0, (folder / "samples" / "reals.png").read_bytes())]
    ((step, picture),) = images.pop("targets")
    assert (step, Image.open(io.BytesIO(picture)).format) == (0, "PNG")
    assert images == {}


def test_a_run_afterwards(trained, capsys):
    for _ in range(2):  # the second time in place of the first
        assert run_script(evaluate.main, ["tensorboard", str(trained)]) == 0
        assert f"tensorboard --logdir {trained}" in capsys.readouterr().out
        assert_is_the_runs(trained)


def test_while_training_and_after_a_resume(trained, tmp_path):  # trained: the shapes are 400
    run = tmp_path / "00000-shapes-wn"
    options = [*TINY.split(), "--out", str(tmp_path), "--tensorboard"]
    assert run_script(train.main, [*options, "--iterations", "7"]) == 0
    assert_is_the_runs(run)
    assert run_script(train.main, ["--resume", str(run), "--iterations", "12", "--tensorboard"]) == 0
    assert_is_the_runs(run)


def test_what_is_written_goes_on_while_the_log_grows(trained, tmp_path):
    folder = RunFolder(tmp_path)
    folder.config.write_text((trained / "config.json").read_text())
    events = EventFile(folder)
    entry = {"d_real": 0.5, "d_fake": 0.6, "g": 0.7, "images_per_second": 3.0, "seconds": 1.0}
    for iteration in (50, 100):
        folder.append_log({"iteration": iteration, **entry})
        events.catch_up()
        assert read(events.path)[0]["loss/g"][-1] == (iteration, pytest.approx(0.7))
    with pytest.raises(TinyganError, match="written by a training that goes on"):
        EventFile(folder).catch_up()
    events.close()
    assert len(read(events.path)[0]["loss/g"]) == 2


def test_times_are_those_of_the_sessions(trained, tmp_path):
    """A run that was interrupted for a day, and before that branched off another."""
    folder = RunFolder(tmp_path)
    config = json.loads((trained / "config.json").read_text())
    days = {100: "2026-01-02T00:00:00+00:00", 200: "2026-01-03T00:00:00+00:00"}
    config["sessions"] = [{"started": day, "from_iteration": first} for first, day in days.items()]
    folder.config.write_text(json.dumps(config))
    for iteration, seconds in ((50, 10.0), (100, 20.0), (150, 30.0), (200, 40.0), (250, 55.0)):
        entry = {"d_real": 0.5, "d_fake": 0.6, "g": 0.7, "images_per_second": 3.0, "seconds": seconds}
        folder.append_log({"iteration": iteration, **entry})
    EventFile(folder).close()
    first, second = (datetime.fromisoformat(day).timestamp() for day in days.values())
    assert read(tmp_path / "tensorboard")[2] == [first - 10, first, first + 10, first + 20, second + 15]


def test_mistakes_are_one_line(tmp_path, capsys, monkeypatch):
    assert run_script(evaluate.main, ["tensorboard", str(tmp_path)]) == 1
    assert "is no run folder" in capsys.readouterr().err
    for damaged in ("{}", '{"options": {"norm": "wn"}, "sessions": []}'):
        (tmp_path / "config.json").write_text(damaged)
        assert run_script(evaluate.main, ["tensorboard", str(tmp_path)]) == 1
        assert "is damaged" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "tinygan.export.eventfile")
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    out = tmp_path / "runs"
    for script, arguments in ((evaluate.main, [str(tmp_path)]), (train.main, ["--out", str(out)])):
        command = ["tensorboard", *arguments] if script is evaluate.main else ["--tensorboard", *arguments]
        assert run_script(script, command) == 1
        assert 'pip install -e ".[tensorboard]"' in capsys.readouterr().err
    assert not out.exists()
