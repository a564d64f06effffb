"""A page that keeps up with runs: written again whenever their folders change, until Ctrl-C."""

import time
from contextlib import suppress
from pathlib import Path

from tinygan.evaluation.runsummary import NoTestsError, read_run
from tinygan.report import write_report
from tinygan.text import say
from tinygan.training.runfolder import RunFolder

PAUSE = 2.0  # seconds between two looks
SHARE = 10  # a page that took a second to write is not written again for ten


def follow(paths: list[Path], page: Path) -> None:
    """Write ``page`` about those ``paths`` that have a running test, now and after each change, until Ctrl-C."""
    seen = None
    while True:
        began, now = time.monotonic(), [_state(RunFolder(path)) for path in paths]
        if now != seen:
            runs = []
            for path in paths:
                with suppress(NoTestsError):
                    runs.append(read_run(path))
            if runs:
                write_report(runs, page)
            say(f"{page}: {len(runs)} of {len(paths)} runs with a running test")
            seen = now
        time.sleep(max(PAUSE, SHARE * (time.monotonic() - began)))


def _state(folder: RunFolder) -> list[tuple[str, int, int]]:
    """What changes when a run or one of its results does: each file of the page with its size and time."""
    files = [folder.config, folder.log, *folder.evaluation.glob("*.json")]
    files += [picture for pictures in (folder.samples, folder.reconstructions) for picture in pictures.glob("*.png")]
    stats = [(file, file.stat()) for file in files if file.exists()]
    return sorted((str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats)
