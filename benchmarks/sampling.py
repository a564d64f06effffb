"""Where the time goes, by line of source: a second thread looks every millisecond at what the others are doing.

Nearly every line of a layer is one array operation, so this is a profile of the operations; it needs nothing from the
code that it looks at. NumPy lets other threads run while it computes, so the look falls inside the operations too.
"""

import linecache
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

INTERVAL = 1e-3
SWITCH_INTERVAL = 1e-4  # how long Python code may keep the watching thread waiting; 5 ms by default


def measure(run: Callable[[], object], folder: Path) -> list[dict]:
    """Call ``run`` and count, for every thread, the innermost line of a file in ``folder`` that it was on.

    Returns one row per line, the most frequent first: file, line, source, and its share of all that was counted.
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
