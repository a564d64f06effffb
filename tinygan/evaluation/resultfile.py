"""Where results lie: a file's name says what its figures depend on, as far as that is not the usual."""

from pathlib import Path
from typing import TYPE_CHECKING

from tinygan.text import say

if TYPE_CHECKING:
    from tinygan.evaluation.trained import TrainedRun

USUAL_COUNTS = {"samples": 64, "modes": 16384, "measures": 2000}  # of images
SHORT = {"learning_rate": "lr", "optimiser": ""}


def result_file(
    run: "TrainedRun", name: str, given: dict[str, object], usual: dict[str, object], ending: str = ".json"
) -> Path:
    """``evaluation/<name>`` with each of ``given`` that differs from ``usual`` appended, as in ``modes-best-count500``.

    What lies there and is older than the checkpoint (``best`` moves on) will be replaced, and that is said.
    """
    run.folder.evaluation.mkdir(exist_ok=True)
    special = [f"-{SHORT.get(key, key)}{value}" for key, value in given.items() if value != usual[key]]
    file = run.folder.evaluation / f"{name}{''.join(special)}{ending}"
    checkpoint = run.folder.checkpoints / f"{run.checkpoint}.safetensors"
    if file.exists() and file.stat().st_mtime < checkpoint.stat().st_mtime:
        say(f"note: {file} is of an earlier iteration so far; it will be of {run.iteration}")
    return file
