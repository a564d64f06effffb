"""A training as a film: its sample grids one after another, the same codes each time."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinygan.bars import tqdm
from tinygan.data.transform import to_rgb
from tinygan.errors import TinyganError
from tinygan.files import TEMPORARY_SUFFIX, replace
from tinygan.images import enlarged, save_gif
from tinygan.report.pictures import evenly, numbered, read_picture
from tinygan.text import say
from tinygan.training.runfolder import RunFolder

MILLISECONDS = 80  # a frame
LAST_MILLISECONDS = 2000  # the last one, before the film begins again
MOST_FRAMES = 240  # 19 seconds
MOST_PIXELS = 100_000_000  # of all frames together: a film is made in memory
VIDEOS = ("mp4", "webm")  # by ffmpeg, where it is installed


def make_film(path: Path) -> list[Path]:
    """Write ``film-<last iteration>.gif`` of the run folder ``path`` into its evaluation folder, videos beside it.

    Small grids are enlarged to about 256 pixels. Of a long run the film shows grids at equal distances. Returns the
    paths of what was written; raises TinyganError for no run folder, no sample grids, or one that cannot be read.
    """
    folder = RunFolder.existing(path)
    grids = numbered(folder.samples)
    if not grids:
        raise TinyganError(f"{path} has no sample grids in samples/ yet: train.py --sample-every makes them")
    size = _frame(grids[-1][1]).shape
    chosen = evenly(grids, max(2, min(MOST_FRAMES, MOST_PIXELS // (size[0] * size[1]))))
    folder.evaluation.mkdir(exist_ok=True)
    film = folder.evaluation / f"film-{grids[-1][0]:06d}.gif"
    paths = [grid for _, grid in chosen]
    durations = [MILLISECONDS] * (len(paths) - 1) + [LAST_MILLISECONDS]
    save_gif(film, _frames(paths, size, film.name), durations)
    return [film, *_write_videos(film, paths, size)]


def _write_videos(film: Path, paths: list[Path], size: tuple[int, ...]) -> Iterator[Path]:
    """The film as ffmpeg encodes it; nothing where there is no ffmpeg, a line where it cannot make the format."""
    program = shutil.which("ffmpeg")
    for kind in VIDEOS if program else ():
        video = film.with_suffix(f".{kind}")
        temporary = video.with_name(video.name + TEMPORARY_SUFFIX)
        source = f"-f rawvideo -pix_fmt rgb24 -s {size[1]}x{size[0]} -r {1000 / MILLISECONDS:g} -i -"
        target = f"-vf pad=ceil(iw/2)*2:ceil(ih/2)*2 -pix_fmt yuv420p -f {kind}"  # the encoders take even sides
        command = [program, "-loglevel", "error", "-y", *source.split(), *target.split(), str(temporary)]
        shown = paths + paths[-1:] * (LAST_MILLISECONDS // MILLISECONDS)
        try:
            frames = b"".join(_frames(shown, size, video.name))
            done = subprocess.run(command, input=frames, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            if done.returncode:
                *_, complaint = done.stderr.decode(errors="replace").strip().split("\n")
                say(f"ffmpeg made no {video.name}: {complaint or f'exit code {done.returncode}'}", file=sys.stderr)
            else:
                replace(temporary, video)
                yield video
        finally:
            temporary.unlink(missing_ok=True)


def _frames(paths: list[Path], size: tuple[int, ...], name: str) -> Iterator[np.ndarray]:
    """The grids, uint8 (H, W, 3), read one by one."""
    for path in tqdm(paths, unit="frame", desc=name, disable=None):
        frame = _frame(path)
        if frame.shape != size:
            raise TinyganError(f"{path} has another size than the last grid: move it out of the folder")
        yield frame


def _frame(path: Path) -> np.ndarray:
    return np.ascontiguousarray(enlarged(np.asarray(to_rgb(read_picture(path)[0]))))
