"""Processes side by side: they wait for each other, they agree, and none is left behind."""

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests.liverun import assert_ended, runs
from tinygan.device import open_backend
from tinygan.errors import TinyganError
from tinygan.runtime import collectives, sharedmemory, threads
from tinygan.runtime.collectives import split_evenly
from tinygan.runtime.sharedmemory import shared_zeros
from tinygan.runtime.workers import FEWEST_IMAGES, WorkerGroup, worker_count
from tinygan.signals import ENDING

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.fixture(params=[2, 3])
def size(request):
    return request.param


@pytest.fixture
def make(size):
    """A function from a context to a worker group of ``size`` that is closed after the test."""
    groups = []

    def build(context=None):
        groups.append(WorkerGroup(context, size))
        return groups[-1]

    yield build
    for workers in groups:
        workers.close()
        for helper in workers.helpers:
            helper.close(at_once=True)


# What the ranks do; a process finds a function by its name.


def describe(context, argument):
    return context, argument, os.getpid(), collectives.rank(), collectives.size()


def barrier():
    collectives.all_gather(np.zeros(1))


def write_and_read(board, rounds):
    """Write, wait, read what all wrote, wait; a rank that runs ahead or lags behind would see another round's."""
    seen = []
    for number in range(rounds):
        time.sleep(0.0005 * ((number + collectives.rank()) % 3))
        board[collectives.rank()] = number
        barrier()
        seen.append(board.copy())
        barrier()
    return seen


def exchange(_, rounds):
    seen = []
    for number in range(rounds):
        time.sleep(0.0005 * ((number + collectives.rank()) % 3))
        seen.append(collectives.all_gather(np.array([collectives.rank(), number], np.float32)))
    return np.array(seen)


def fail_in(_, where, how):
    if collectives.rank() == where:
        if how == "raise":
            raise ValueError("no good")
        os.kill(os.getpid(), signal.SIGKILL)
    barrier()  # for one that has exited


def gather_many(_, count):
    return collectives.all_gather(np.arange(count) + 0.5 * collectives.rank())


def handlers(_):
    return [signal.getsignal(number) for number in ENDING], threads.thread_count()


def open_files(_):
    return [int(name) for name in os.listdir("/proc/self/fd")]


def test_every_rank_gets_the_context_and_its_arguments(make, size):
    workers = make({"kept": 1})
    answers = workers.run(describe, [(k,) for k in range(size)])
    assert [answer[:2] for answer in answers] == [({"kept": 1}, k) for k in range(size)]
    assert answers[0][2] == os.getpid()
    assert len({answer[2] for answer in answers}) == size
    assert [answer[3:] for answer in answers] == [(k, size) for k in range(size)]
    assert (collectives.rank(), collectives.size()) == (0, 1)  # outside of it this process is alone again


def test_fewer_arguments_than_ranks(make, size):
    assert len(make().run(describe, [(0,)] * (size - 1))) == size - 1


def test_all_wait_for_all(make, size):
    board = shared_zeros(size, np.float64)
    for seen in make(board).run(write_and_read, [(30,)] * size):
        np.testing.assert_array_equal(seen, np.repeat(np.arange(30)[:, None], size, axis=1))


def test_all_get_what_all_gave_in_the_order_of_ranks(make, size):
    expected = [[(rank, number) for rank in range(size)] for number in range(30)]
    for seen in make().run(exchange, [(30,)] * size):
        np.testing.assert_array_equal(seen, expected)


def test_what_all_gave_is_there_until_the_slowest_has_read_it(make, size, monkeypatch):
    wait = sharedmemory.Collective.barrier

    def linger(self):
        wait(self)
        time.sleep(0.005 * self.rank)  # before it reads; the others are at the next round already

    monkeypatch.setattr(sharedmemory.Collective, "barrier", linger)
    expected = [[(rank, number) for rank in range(size)] for number in range(10)]
    for seen in make().run(exchange, [(10,)] * size):
        np.testing.assert_array_equal(seen, expected)


def test_alone_everything_returns_at_once():
    np.testing.assert_array_equal(collectives.all_gather(np.array([1.5, 2])), [[1.5, 2]])
    assert collectives.own_part(7) == slice(0, 7)
    assert WorkerGroup("context", 1).run(describe, [("argument",)]) == [("context", "argument", os.getpid(), 0, 1)]


def test_another_thread_of_a_rank_works_alone():
    """A network that it uses in training mode would else wait for the others in batch norm, and mix up their turns."""
    seen = []
    with collectives.joined(sharedmemory.Collective(2)):
        thread = threading.Thread(target=lambda: seen.append(collectives.size()))
        thread.start()
        thread.join()
        assert collectives.size() == 2
    assert seen == [1]


@pytest.mark.parametrize(("count", "parts"), [(0, 2), (1, 3), (7, 3), (32, 5)])
def test_shares_are_even_and_leave_nothing_out(count, parts):
    found = split_evenly(count, parts)
    sizes = [share.stop - share.start for share in found]
    assert [k for share in found for k in range(count)[share]] == list(range(count))
    assert len(found) == parts
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("where", [0, 1])
def test_an_error_anywhere_reaches_the_caller_and_ends_the_others(make, size, where, monkeypatch):
    monkeypatch.setattr(sharedmemory, "PATIENCE", 0.05)
    workers = make()
    pids = [helper.pid for helper in workers.helpers]
    with pytest.raises(ValueError if where == 0 else RuntimeError, match="no good"):
        workers.run(fail_in, [(where, "raise")] * size)
    assert not any(map(runs, pids))


def test_a_process_that_is_killed_is_one_clear_line(make, size, monkeypatch):
    monkeypatch.setattr(sharedmemory, "PATIENCE", 0.05)
    workers = make()
    pids = [helper.pid for helper in workers.helpers]
    with pytest.raises(TinyganError, match=r"ended \(by signal 9\).*memory.*--batch-size"):
        workers.run(fail_in, [(size - 1, "kill")] * size)
    assert not any(map(runs, pids))


def test_a_process_that_died_between_two_runs_is_noticed(make, size):
    workers = make()
    os.kill(workers.helpers[-1].pid, signal.SIGKILL)
    with pytest.raises(TinyganError, match="ended"):
        workers.run(describe, [(0,)] * size)


def test_no_room_for_a_process_is_one_clear_line(monkeypatch, size):
    fork, forked = os.fork, []

    def fork_once():
        if forked:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        forked.append(fork())
        return forked[0]

    if size == 2:
        forked.append(None)
    monkeypatch.setattr(os, "fork", fork_once)
    with pytest.raises(TinyganError, match=r"no further process .*temporarily unavailable.*OMP_NUM_THREADS=1"):
        WorkerGroup(None, size)
    assert not any(runs(pid) for pid in forked if pid)


def test_closing_ends_all(size):
    with WorkerGroup(None, size) as workers:
        pids = [helper.pid for helper in workers.helpers]
        assert all(map(runs, pids))
    assert not any(map(runs, pids))


def test_processes_ignore_signals_and_share_the_cores(make, size, monkeypatch):
    monkeypatch.setattr(threads, "core_count", lambda: 7)
    for found, thread_count in make().run(handlers, [()] * size)[1:]:
        assert found == [signal.SIG_IGN] * len(ENDING)
        assert thread_count == 7 // size


class Ended:
    """Part of a cycle, so that only the garbage collector ends it."""

    ended = 0

    def __init__(self):
        self.itself = self

    def __del__(self):
        Ended.ended += 1


def collect(_):
    gc.collect()
    return Ended.ended


def test_processes_do_not_end_what_the_first_left_behind(make, size, monkeypatch):
    """CUDA's graphs and events, say: a forked process must not touch the device."""
    gc.disable()
    try:
        Ended()
        monkeypatch.setattr(Ended, "ended", 0)
        assert make().run(collect, [()] * size)[1:] == [0] * (size - 1)
    finally:
        gc.enable()


def test_processes_hold_no_files_open(make, size, tmp_path):
    with open(tmp_path / "held", "w") as held:
        workers = make()
        for files in workers.run(open_files, [()] * size)[1:]:
            assert held.fileno() not in files


def test_only_what_is_open_is_closed(make, size, monkeypatch):
    """Not every number up to a limit that may be 2³⁰."""
    monkeypatch.setattr(os, "closerange", lambda first, last: os._exit(1))
    assert len(make().run(describe, [(0,)] * size)) == size


def test_exit_codes_that_nobody_keeps(size, monkeypatch):
    """Where SIGCHLD is ignored the system forgets a process as soon as it exits."""
    monkeypatch.setattr(sharedmemory, "PATIENCE", 0.05)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with WorkerGroup(None, size) as workers:
            assert len(workers.run(describe, [(0,)] * size)) == size
        workers = WorkerGroup(None, size)
        with pytest.raises(TinyganError, match=r"ended \(nobody knows how\)"):
            workers.run(fail_in, [(1, "kill")] * size)
        with pytest.raises(ValueError, match="no good"):
            WorkerGroup(None, size).run(fail_in, [(0, "raise")] * size)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_an_interruption_of_a_process_that_has_just_begun_is_not_its_business(make, size, monkeypatch):
    """Ctrl-C goes to all of them; what it means is up to rank 0."""
    fork = os.fork

    def interrupted():
        pid = fork()
        if pid == 0:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                os._exit(1)
        return pid

    monkeypatch.setattr(os, "fork", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert len(make().run(describe, [(0,)] * size)) == size
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interruption_while_processes_start_leaves_none(size, monkeypatch):
    fork, pids = os.fork, []

    def interrupted():
        pids.append(fork())
        if pids[-1]:
            os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C, which goes to all
            os.kill(pids[-1], signal.SIGINT)
        return pids[-1]

    monkeypatch.setattr(os, "fork", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            WorkerGroup(None, size)
    finally:
        signal.signal(signal.SIGINT, before)
    assert_ended(*pids)


def test_a_thread_that_is_refused_in_another_process_is_told(make, size, monkeypatch):
    first = os.getpid()

    def refuse():
        if os.getpid() != first:
            raise TinyganError("the system refuses a further thread")

    monkeypatch.setattr(threads, "use_all_cores", refuse)
    with pytest.raises(TinyganError, match="refuses a further thread"):
        make().run(describe, [(0,)] * size)


def run_out(_, where):
    if collectives.rank() == where:
        raise MemoryError("8 TiB")
    barrier()


def test_expected_failures_are_raised_as_they_are(make, size, monkeypatch):
    monkeypatch.setattr(sharedmemory, "PATIENCE", 0.05)
    with pytest.raises(MemoryError, match="8 TiB"):
        make().run(run_out, [(size - 1,)] * size)


def test_no_semaphore_has_a_name(make, size, monkeypatch):
    """Named ones need /dev/shm, and stay there when all are killed."""

    def refuse(*arguments):
        raise AssertionError("a semaphore with a name")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    assert len(make().run(describe, [(0,)] * size)) == size


def test_more_than_the_buffer_holds_goes_in_parts(make, size, monkeypatch):
    monkeypatch.setattr(sharedmemory, "ROOM", 8)
    for count in (8, 9, 24, 30):
        expected = np.arange(count) + 0.5 * np.arange(size)[:, None]
        for answer in make().run(gather_many, [(count,)] * size):
            np.testing.assert_array_equal(answer, expected)


def test_a_backend_opened_meanwhile_leaves_the_division_of_the_cores(make, size, monkeypatch):
    monkeypatch.setattr(threads, "core_count", lambda: 2 * size)
    with make():
        open_backend("cpu")
        assert threads.thread_count() == 2
        with WorkerGroup(None, 2):
            assert threads.thread_count() == 1
        assert threads.thread_count() == 2
    assert threads.thread_count() == 2 * size
    monkeypatch.undo()
    threads.use_all_cores()


def test_processes_end_with_the_first_whatever_they_do():
    """Rank 0 is killed while another process is at work: that one must not stay."""
    work = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    code = f"import time; from tinygan.runtime.workers import WorkerGroup; workers = WorkerGroup({work!r}, 2); "
    code += "workers.helpers[0].send((exec, ())); time.sleep(60)"  # what is executed is the context
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as first:
        other = int(first.stdout.readline())
        assert runs(other)
        first.kill()
    assert_ended(other)


def test_how_many_processes_a_batch_is_shared_among(monkeypatch):
    monkeypatch.setattr(threads, "core_count", lambda: 4)
    assert worker_count(4 * FEWEST_IMAGES, "cpu") == 4
    assert worker_count(2 * FEWEST_IMAGES + 1, "cpu") == 2
    assert worker_count(1, "cpu") == 1
    assert worker_count(100, "gpu") == 1
    monkeypatch.setattr(sys, "platform", "darwin")
    assert worker_count(100, "cpu") == 1


@pytest.mark.parametrize("error", [OSError(errno.ENOMEM, "Cannot allocate memory"), OverflowError("too large")])
def test_too_little_shared_memory_is_too_little_memory(monkeypatch, error):
    """Then the line names what was typed."""

    def refuse(*_):
        raise error

    monkeypatch.setattr(sharedmemory.mmap, "mmap", refuse)
    with pytest.raises(MemoryError, match=r"memory|large"):
        shared_zeros(8, np.float32)
