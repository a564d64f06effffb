"""A run's folder, in which everything that the run writes lies, so that it explains itself.

runs/<number>-<dataset>-<norm>/
  config.json        options, versions, device, data, command line, commit; one entry per session
  log.jsonl          one JSON object per log interval, and one per running test
  samples/           reals.png, then <iteration>.png: the same preview codes each time
  reconstructions/   targets.png, then <iteration>.png: the running test's images as G can draw them
  checkpoints/       last.safetensors, best.safetensors, and <iteration>.safetensors to keep
  evaluation/        what evaluate.py wrote
"""

import json
import re
from contextlib import suppress
from pathlib import Path

from tinygan.errors import TinyganError
from tinygan.files import FolderLock, cannot_write, remove_temporary_files, write_atomically
from tinygan.jsonfile import parse_json, read_bytes, read_json

LAST = "last.safetensors"
LARGEST_LOG = 1 << 30  # bytes
# What these files must be, see jsonfile.py.
CONFIG = {
    "options": {"norm": str},
    "data?": {"source?": str, "fingerprint?": str, "images?": dict[str, int]},
    "sessions?": list[dict],
}
LOG_LINE = {"iteration": int, "reconstruction?": dict}
LARGEST_NUMBER = 99_999  # a run's folder begins with five digits
LATEST = "latest"  # is taken in place of a path
RUNS = Path("runs")  # where runs are made unless --out says otherwise


class RunFolder:
    """The paths of a run and its log."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.log = self.path / "log.jsonl"
        self.samples = self.path / "samples"
        self.reconstructions = self.path / "reconstructions"
        self.checkpoints = self.path / "checkpoints"
        self.last = self.checkpoints / LAST
        self.best = self.checkpoints / "best.safetensors"
        self.evaluation = self.path / "evaluation"
        self._lock = FolderLock(self.path)

    @classmethod
    def create(cls, out: Path, title: str) -> "RunFolder":
        """Make and lock ``out/<next number>-<title>`` with its sub-folders; TinyganError where that cannot be done."""
        try:
            out.mkdir(parents=True, exist_ok=True)
            first = max(map(_number, out.iterdir()), default=-1) + 1
            for number in range(first, LARGEST_NUMBER + 1):
                run = cls(out / f"{number:05d}-{title}")
                with suppress(FileExistsError):  # another run started at this moment
                    run.path.mkdir()
                    break
            else:
                raise TinyganError(f"--out {out} holds a run {LARGEST_NUMBER} already: rename it, or choose another")
            for folder in (run.samples, run.reconstructions, run.checkpoints):
                folder.mkdir()
        except OSError as error:
            raise TinyganError(
                f"--out {out}: cannot create a run there ({error.strerror}); choose another folder"
            ) from error
        run.lock()
        return run

    @classmethod
    def existing(cls, path: Path) -> "RunFolder":
        """The folder of a run that exists; TinyganError where there is none."""
        folder = cls(path)
        if (Path(__file__).parents[1] / "pretrained" / f"{path}.safetensors").exists() and not folder.path.exists():
            raise TinyganError(f"{path} is a generator that tinygan brings, not a run: only explore and export take it")
        if not folder.config.is_file():
            raise TinyganError(f"{path} is no run folder (it has no config.json): give one like runs/00000-cifar10-wn")
        return folder

    def lock(self) -> None:
        """Keep other processes from training here until :meth:`unlock` or this one's end; TinyganError if one does."""
        self._lock.acquire(
            f"{self.path} is being trained by another process, or a trainer of this one: wait for it or stop it"
        )

    def unlock(self) -> None:
        """Let others train here; does nothing where there is no lock."""
        self._lock.release()

    def clean(self) -> None:
        """Remove what killed writers left behind."""
        for folder in (self.path, self.samples, self.reconstructions, self.checkpoints, self.evaluation):
            remove_temporary_files(folder)

    def write_log(self, entries: list[dict]) -> None:
        """Replace the log."""
        write_atomically(self.log, "".join(json.dumps(entry) + "\n" for entry in entries).encode())

    def read_log(self, notes: list[str] | None = None) -> list[dict]:
        """The log's lines; a last one that was cut off, by a crash or while it is written, is left out.

        ``notes`` gets a line that says so. Raises TinyganError, naming the line, where one is damaged.
        """
        try:
            lines = read_bytes(self.log, LARGEST_LOG).split(b"\n")
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise TinyganError(f"{self.log} is no log ({error}): restore it from a copy, or move it away") from error
        entries, reached = [], {}
        for number, line in enumerate(lines, start=1):
            try:
                entry = parse_json(line, LOG_LINE)
                test, iteration = "reconstruction" in entry, entry["iteration"]
                if iteration <= reached.get(test, -1):
                    raise ValueError(f"iteration {iteration} comes after {reached[test]}: lines of two runs?")
                reached[test] = iteration
                entries.append(entry)
            except ValueError as error:
                if number < len(lines):
                    raise self.damaged_line(number, error) from error
                if line and notes is not None:
                    notes.append(f"{self.log}: its last line was cut off and is left out")
        return entries

    def damaged_line(self, number: int, what: object) -> TinyganError:
        """The error of a line of the log, counted from 1."""
        return TinyganError(f"{self.log}, line {number} is damaged: repair or delete this line ({what})")

    def append_log(self, entry: dict) -> None:
        """Add one line to the log."""
        try:
            with open(self.log, "ab") as file:
                file.write(json.dumps(entry).encode() + b"\n")
        except OSError as error:
            raise cannot_write(self.log, error) from error

    def read_config(self, else_: str = "move it away: the run then goes on in a new folder") -> dict:
        """``config.json``; FileNotFoundError where there is none.

        Raises TinyganError where it is damaged; ``else_`` is what helps without a copy of it.
        """
        return read_json(self.config, CONFIG, f"restore it from a copy, or {else_}")

    def describe(self, facts: dict, session: dict) -> None:
        """Write ``config.json``: the run's ``facts`` as they are now, and ``session`` after the earlier ones."""
        sessions = self.read_config().get("sessions", []) if self.config.exists() else []
        write_atomically(self.config, json.dumps({**facts, "sessions": [*sessions, session]}, indent=2).encode())


def find_checkpoint(resume: str, out: Path) -> Path:
    """The checkpoint that ``--resume`` means: a file, or the last one of a run's folder, with ``latest`` in ``out``."""
    path = run_called(resume, out)
    return RunFolder(path).last if path.is_dir() else path


def run_called(name: str | Path, out: Path = RUNS) -> Path:
    """The folder of the run ``name``: its path, or of ``latest`` the one in ``out`` with the highest number.

    Only those with a checkpoint count; TinyganError if none has.
    """
    if Path(name) != Path(LATEST):
        return Path(name)
    runs = [path for path in out.iterdir() if _number(path) >= 0] if out.is_dir() else []
    for path in sorted(runs, key=_number, reverse=True):
        if RunFolder(path).last.exists():
            return path
    raise TinyganError(f"{LATEST}: no run in {out} has a checkpoint; name a run folder")


def _number(path: Path) -> int:
    """The number of a run's folder; −1 for any other, such as 20261126-backup."""
    match = re.match(r"([0-9]{5})-", path.name)
    return int(match[1]) if match else -1
