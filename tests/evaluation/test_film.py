"""evaluate.py film RUN, with a stand-in for ffmpeg that writes down what it is given."""

import stat
import sys

import numpy as np
import pytest
from PIL import Image

from tinygan.data import decode
from tinygan.images import enlarged
from tinygan.report import film

FFMPEG = """#!{python}
import os, sys
arguments = sys.argv[1:]
frames = sys.stdin.buffer.read()
kind = arguments[arguments.index("-f", arguments.index("-i")) + 1]
width, height = map(int, arguments[arguments.index("-s") + 1].split("x"))
open(arguments[-1], "wb").write(b"%s %d " % (kind.encode(), len(frames) // (3 * width * height)) + frames[-3:])
if kind in {broken!r}:
    sys.exit("first line\\nUnknown encoder 'libvpx'\\n")
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run's folder with five grids, each of one grey; no ffmpeg."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    folder = tmp_path / "00000-shapes-wn"
    (folder / "samples").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    for k in range(5):
        Image.new("RGB", (36, 24), (50 * k,) * 3).save(folder / "samples" / f"{100 * k:06d}.png")
    Image.new("RGB", (360, 20)).save(folder / "samples" / "reals.png")
    return folder


def install_ffmpeg(tmp_path, broken=()):
    program = tmp_path / "bin" / "ffmpeg"
    program.write_text(FFMPEG.format(python=sys.executable, broken=broken))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def frames_of(path):
    with Image.open(path) as image:
        for frame in range(image.n_frames):
            image.seek(frame)
            yield np.asarray(image.convert("RGB")), image.info["duration"]


def test_a_gif_of_all_grids_in_order_enlarged_and_without_smoothing(run, call):
    code, out, err = call("film", run)
    path = run / "evaluation" / "film-000400.gif"
    assert (code, out, err) == (0, f"{path}\n", "")
    frames = list(frames_of(path))
    assert [picture.shape for picture, _ in frames] == [(264, 396, 3)] * 5  # 24x36 eleven times
    assert [int(picture[0, 0, 0]) for picture, _ in frames] == [0, 50, 100, 150, 200]
    assert [duration for _, duration in frames] == [80, 80, 80, 80, 2000]
    assert not list((run / "evaluation").glob("*.part"))


def test_ffmpeg_gets_every_frame_and_the_last_one_for_two_seconds(run, call, tmp_path):
    install_ffmpeg(tmp_path)
    code, out, err = call("film", run)
    paths = [run / "evaluation" / f"film-000400.{kind}" for kind in ("gif", "mp4", "webm")]
    assert (code, out.splitlines(), err) == (0, list(map(str, paths)), "")
    for path in paths[1:]:
        assert path.read_bytes() == f"{path.suffix[1:]} {5 + 25} ".encode() + bytes([200] * 3)


def test_a_format_that_ffmpeg_cannot_make_is_said_and_the_others_are_there(run, call, tmp_path):
    install_ffmpeg(tmp_path, broken=("webm",))
    code, out, err = call("film", run)
    assert (code, len(out.splitlines())) == (0, 2)
    assert err == "ffmpeg made no film-000400.webm: Unknown encoder 'libvpx'\n"
    assert sorted(path.suffix for path in (run / "evaluation").iterdir()) == [".gif", ".mp4"]


def test_an_ffmpeg_that_ends_at_once_or_says_nothing(run, call, tmp_path):
    program = tmp_path / "bin" / "ffmpeg"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    for k in range(5):  # more than a pipe holds
        Image.new("RGB", (900, 900), (50 * k,) * 3).save(run / "samples" / f"{100 * k:06d}.png")
    code, out, err = call("film", run)
    assert (code, len(out.splitlines())) == (0, 1)
    assert err.splitlines() == [f"ffmpeg made no film-000400.{kind}: exit code 7" for kind in ("mp4", "webm")]


def test_of_a_long_run_the_film_shows_grids_at_equal_distances(run, call, monkeypatch):
    monkeypatch.setattr(film, "MOST_FRAMES", 3)
    assert call("film", run)[0] == 0
    frames = list(frames_of(run / "evaluation" / "film-000400.gif"))
    assert [int(picture[0, 0, 0]) for picture, _ in frames] == [0, 100, 200]
    monkeypatch.setattr(film, "MOST_FRAMES", 240)
    monkeypatch.setattr(film, "MOST_PIXELS", 4 * 264 * 396)  # what fits into memory
    assert call("film", run)[0] == 0
    assert len(list(frames_of(run / "evaluation" / "film-000400.gif"))) == 4


def test_a_grid_may_be_larger_than_a_photograph(run, call, monkeypatch):
    monkeypatch.setattr(decode, "LARGEST_IMAGE", 36 * 24 - 1)
    assert call("film", run)[0] == 0


def test_films_of_a_real_run(trained, call):
    code, out, _ = call("film", trained, trained)
    assert code == 0
    path = trained / "evaluation" / "film-000012.gif"
    assert out.splitlines().count(str(path)) == 1  # named twice; with ffmpeg there are videos besides
    with Image.open(trained / "samples" / "000012.png") as last:
        grid = np.asarray(last.convert("RGB")).astype(int)
    shown, _ = list(frames_of(path))[-1]
    assert np.abs(shown - grid).mean() < 4  # 256 colours


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda run: (run / "config.json").unlink(), "is no run folder"),
        (lambda run: [path.unlink() for path in run.glob("samples/0*.png")], "has no sample grids in samples/ yet"),
        (lambda run: (run / "samples" / "000200.png").write_bytes(b"x"), "000200.png: delete it, and give"),
        (lambda run: Image.new("RGB", (36, 26)).save(run / "samples" / "000200.png"), "000200.png has another size"),
    ],
)
def test_what_makes_no_film_is_one_line_and_leaves_nothing(run, call, spoil, words):
    spoil(run)
    code, out, err = call("film", run)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert words in err
    assert not list(run.glob("evaluation/*"))


def test_enlarged_by_whole_factors_only():
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 40, 3)).astype(np.uint8)
    large = enlarged(images)
    assert large.shape == (2, 256, 320, 3)
    for y in range(8):
        assert np.array_equal(large[:, y::8, 7 - y :: 8], images)
    for side, factor in ((16, 16), (64, 4), (160, 2), (250, 1), (4000, 1)):
        assert enlarged(np.zeros((side, side, 3), np.uint8)).shape == (factor * side, factor * side, 3)
