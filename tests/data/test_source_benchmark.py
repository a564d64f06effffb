"""The benchmark of the batch source runs, and its figures are those of the things that it names."""

import re

from benchmarks import source
from tests.data.conftest import write_pictures
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources.files import FolderSource


def test_it_prints_a_line_for_each_set(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(source, "SIDES", {16: 40})
    monkeypatch.setattr(source, "SECONDS", 0.01)
    monkeypatch.setattr(source, "BATCH", 2)
    monkeypatch.setattr(source, "ITERATIONS", 1)
    source.main(["--device", "cpu"])
    prepare(FolderSource(write_pictures(tmp_path / "photos", 20)), PackOptions("folder", (16, 16)), tmp_path / "set", 1)
    source.main(["--device", "cpu", "--data-dir", str(tmp_path / "set")])
    lines = [line for line in capsys.readouterr().out.splitlines() if "source" in line]
    assert [line.split(":")[0] for line in lines] == ["16x16", "set"]
    for line in lines:
        plain, _, training, ratio, _ = (float(text.replace(",", "")) for text in re.findall(r"[\d,]+\.?\d*", line)[-5:])
        assert abs(ratio - plain / training) <= 1 + 0.01 * ratio


def test_a_rate_is_images_by_seconds(monkeypatch):
    ticks = iter([10.0, 14.0])
    monkeypatch.setattr(source.time, "perf_counter", lambda: next(ticks))
    backend = source.open_backend("cpu")
    assert source.rate(lambda k: source.np.zeros(1), backend, 8) == 8 * 32 / 4.0
