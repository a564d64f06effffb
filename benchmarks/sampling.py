"""Where the time goes, by line of source: every millisecond a second thread notes which line the others are on.

Nearly every line of a layer is one array operation, so this is a profile of the operations, and the code that is
profiled needs no change. NumPy lets other threads run while it computes, so samples fall inside its operations too.
"""

import linecache
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

INTERVAL = 1e-3
SWITCH_INTERVAL = 1e-4  # how long Python code may keep the sampling thread waiting; Python's default is 5 ms


def measure(run: Callable[[], object], folder: Path) -> list[dict]:
    """Call ``run`` and count how often each thread was on which line; the innermost line within ``folder`` counts.

    Returns one row per line, the most frequent first: file, line, source, and its share of all samples.
    """
    counts: Counter[tuple[str, int]] = Counter()
    finished = threading.Event()
    watcher = threading.Thread(target=_watch, args=(counts, finished, str(folder.resolve())), daemon=True)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    watcher.start()
    try:
        run()
    finally:
        finished.set()
        watcher.join()
        sys.setswitchinterval(interval)
    total = sum(counts.values())
    return [
        {
            "file": str(Path(file).relative_to(folder.resolve())),
            "line": line,
            "source": linecache.getline(file, line).strip(),
            "share": count / total,
        }
        for (file, line), count in counts.most_common()
    ]


def _watch(counts: Counter, finished: threading.Event, folder: str) -> None:
    me = threading.get_ident()
    while not finished.is_set():
        for thread, innermost in sys._current_frames().items():
            frame = None if thread == me else innermost
            while frame and not frame.f_code.co_filename.startswith(folder):
                frame = frame.f_back
            if frame and frame.f_lineno:
                counts[frame.f_code.co_filename, frame.f_lineno] += 1
        time.sleep(INTERVAL)
