"""Progress bars: tqdm's, with a lock within this process.

The lock that tqdm makes itself is a named semaphore, which may stay in /dev/shm when the process is killed.
"""

import threading

from tqdm import tqdm

__all__ = ["tqdm"]

tqdm.set_lock(threading.RLock())
