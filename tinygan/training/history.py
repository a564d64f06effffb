"""The past of a run that is resumed, read and understood as a whole before anything is written."""

from pathlib import Path

from tinygan.errors import TinyganError
from tinygan.files import write_atomically
from tinygan.runtime.launched import launched
from tinygan.training.checkpoint import Checkpoint, Progress, load
from tinygan.training.runfolder import LAST, RunFolder


def folder_to_go_on_in(stored: Checkpoint, out: Path, title: str, notes: list[str]) -> RunFolder:
    """The run's own folder after its last checkpoint; a new one, with the log so far, after an older checkpoint.

    A new one is made in ``out``, its name a number and ``title``. ``notes`` gets a line for everything that was left
    out. Raises TinyganError where the log or ``config.json`` is damaged, or another process trains in the folder.
    """
    # A run's checkpoints may lie on another disk, with a link in their place.
    own = RunFolder(stored.path.absolute().parent.parent)
    if not own.config.exists():
        own = RunFolder(stored.path.resolve().parent.parent)
    goes_on = stored.path.name == LAST and own.config.exists()
    folder = own
    if goes_on:
        own.lock()
    try:
        if goes_on and load(stored.path).progress.iteration != stored.progress.iteration:
            raise TinyganError(f"{own.path} was trained further by another process just now: resume it again")
        config = own.read_config() if goes_on else {}
        # Log lines after the checkpoint, and losses of an interval that was cut short, will be written again.
        iteration = stored.progress.iteration
        logged = iteration - len(stored.progress.pending_losses)
        log = [e for e in own.read_log(notes) if e["iteration"] <= (iteration if "reconstruction" in e else logged)]
        last = max((e["iteration"] for e in log if "reconstruction" not in e), default=0)
        if last < logged:
            notes.append(f"{own.log}: its lines of iterations {last + 1} to {logged} are missing")
        if not _best_is_there(stored.progress, own, notes):
            stored.progress.best = None
        if not goes_on:
            folder = RunFolder.create(out, title)
            if stored.progress.best:
                write_atomically(folder.best, own.best.read_bytes())
        elif sessions := config.get("sessions"):
            before, now = sessions[-1].get("ranks", 1), launched()[1]
            if before != now:
                changed = f"the run was trained by {before} ranks, and goes on with {now}"
                notes.append(f"{changed}: the same to rounding, not to the bit")
        folder.clean()
        folder.write_log(log)
        return folder
    except BaseException:
        folder.unlock()
        raise


def _best_is_there(progress: Progress, own: RunFolder, notes: list[str]) -> bool:
    """Whether the best checkpoint so far is still there: a later one may have replaced it, or it is damaged."""
    if progress.best is None or not own.best.exists():
        return False
    try:
        return load(own.best).progress.iteration == progress.best.iteration
    except TinyganError:
        notes.append(f"{own.best} is damaged; the next running test writes a new one")
        return False
