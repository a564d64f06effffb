"""A run's log and pictures as TensorBoard's event file, written by TensorBoard's own library.

Everything comes from the run's folder, so that it can be written while the run trains, or at any time after.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from PIL import Image

from tinygan.errors import TinyganError
from tinygan.files import FolderLock
from tinygan.report.pictures import numbered
from tinygan.text import how_to_install
from tinygan.training.runfolder import RunFolder

try:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ImportError as error:
    raise TinyganError(f"TensorBoard is not installed: {how_to_install('tensorboard')}") from error

FIRST_PICTURES = {"reals": "samples", "targets": "reconstructions"}  # pictures without an iteration -> their folder


class EventFile:
    """The event file in ``tensorboard/`` of a run's folder, begun anew by the first :meth:`catch_up`.

    Earlier ones there are deleted: they hold the same, and after a resume also what was trained again since. The writer
    has a thread, so it begins only then: training has forked its processes by that time.

    Tags: ``loss/d_real``, ``loss/d_fake``, ``loss/g``, ``speed/images_per_second``; of the running test
    ``reconstruction/loss``, ``std``, ``psnr`` and ``z2``; the pictures ``samples``, ``reconstructions``, ``reals`` and
    ``targets``. Steps are iterations, times are the run's.
    """

    def __init__(self, folder: RunFolder):
        self.folder = RunFolder.existing(folder.path)
        self.path = folder.path / "tensorboard"
        self._lock = FolderLock(self.path)
        self._writer: EventFileWriter | None = None
        self._logged = 0
        self._shown: set[Path] = set()
        try:
            # From which iteration each session went on, and when; a run has had one at least.
            first, *rest = folder.read_config()["sessions"]
            starts = [datetime.fromisoformat(session["started"]).timestamp() for session in (first, *rest)]
            self._starts = list(zip((int(one.get("from_iteration", 0)) for one in (first, *rest)), starts, strict=True))
        except (ValueError, LookupError, TypeError) as error:
            raise TinyganError(f"{folder.config} is damaged ({error!r}): put back what train.py wrote") from error

    def catch_up(self) -> None:
        """Write what the folder has got since the last call."""
        if self._writer is None:
            self.path.mkdir(exist_ok=True)
            self._lock.acquire(f"{self.path} is written by a training that goes on: look at it as it is")
            for old in self.path.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = EventFileWriter(str(self.path))
        entries = self.folder.read_log()
        began = [(first, at - _seconds_at(first, entries)) for first, at in self._starts]  # each as if the only session
        for entry in entries[self._logged :]:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(entry)]
            at = next((at for first, at in reversed(began) if first < entry["iteration"]), began[0][1])
            self._add(values, entry["iteration"], at + entry["seconds"])
        self._logged = len(entries)
        for path, tag, iteration in pictures(self.folder):
            if path not in self._shown:
                self._shown.add(path)
                self._add([Summary.Value(tag=tag, image=as_image(path))], iteration, path.stat().st_mtime)
        self._writer.flush()

    def close(self) -> None:
        """Write the rest and end the file."""
        self.catch_up()
        self._writer.close()
        self._lock.release()

    def _add(self, values: list[Summary.Value], step: int, time: float) -> None:
        self._writer.add_event(Event(step=step, wall_time=time, summary=Summary(value=values)))


def _seconds_at(iteration: int, entries: list[dict]) -> float:
    return max((entry["seconds"] for entry in entries if entry["iteration"] <= iteration), default=0.0)


def scalars(entry: dict) -> Iterator[tuple[str, float]]:
    """(tag, value) of each figure in a line of the log."""
    if "reconstruction" in entry:
        yield from ((f"reconstruction/{name}", value) for name, value in entry["reconstruction"].items())
        return
    yield from ((f"loss/{name}", entry[name]) for name in ("d_real", "d_fake", "g"))
    yield "speed/images_per_second", entry["images_per_second"]


def pictures(folder: RunFolder) -> Iterator[tuple[Path, str, int]]:
    """(path, tag, iteration) of each picture."""
    for name, place in FIRST_PICTURES.items():
        path = folder.path / place / f"{name}.png"
        if path.exists():
            yield path, name, 0
    for parent in (folder.samples, folder.reconstructions):
        yield from ((path, parent.name, iteration) for iteration, path in numbered(parent))


def as_image(path: Path) -> Summary.Image:
    """The picture's own bytes."""
    with Image.open(path) as opened:
        width, height = opened.size
    return Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=path.read_bytes())
