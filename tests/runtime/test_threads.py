"""Tasks on threads: each runs once, errors arrive, scratch memory is a thread's own."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from tinygan.errors import TinyganError
from tinygan.runtime import threads
from tinygan.runtime.threads import batched_tasks, run, thread_count, use_all_cores


@pytest.fixture(params=[1, 2, 3], autouse=True)
def thread_number(request):
    before = thread_count()
    use_all_cores(request.param)
    yield request.param
    use_all_cores(before)


def test_every_task_runs_once_and_all_are_done_at_the_return(thread_number):
    assert thread_count() == thread_number
    for count in (0, 1, 2, 50):
        done = np.zeros(count, int)

        def work(k, done=done):
            time.sleep(0.0002)
            done[k] += 1

        run([lambda k=k: work(k) for k in range(count)])
        np.testing.assert_array_equal(done, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_that_somebody_else_forks_has_no_threads_to_wait_for(thread_number):
    run([lambda: None] * 4)
    pid = os.fork()
    if pid == 0:
        done = []
        run([lambda: done.append(thread_count())] * 4)
        os._exit(done != [1] * 4)
    until = time.monotonic() + 10
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() < until:
        time.sleep(0.01)
    if ended[0] == 0:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert ended == (pid, 0)
    assert thread_count() == thread_number


def test_tasks_run_side_by_side(thread_number):
    together = threading.Barrier(thread_number, timeout=10)  # opens only when as many threads wait at it
    run([together.wait] * thread_number)


def test_pieces_of_work_run_together():
    order = []

    def piece(name: str, count: int):
        run([lambda: order.append(name)] * count)

    with batched_tasks():
        piece("first", 2)
        with batched_tasks():
            piece("second", 1)
        assert order == []
        piece("third", 2)
    assert sorted(order) == ["first", "first", "second", "third", "third"]
    piece("after", 1)
    assert order[-1] == "after"


def at_once(work):
    """``work`` in a thread of its own; what it returns."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(10)
    return results[0]


def test_another_threads_work_is_not_queued_with_this_ones():
    """It would get its results before they were computed."""
    done = []
    with batched_tasks():
        at_once(lambda: run([lambda: done.append("other")]))
        assert done == ["other"]
        run([lambda: done.append("own")])
        assert done == ["other"]
    assert done == ["other", "own"]


def test_two_threads_have_work_at_once(thread_number):
    """The second finds the workers busy, and does its work alone."""
    inside, outside, begun = [], threading.get_ident(), threading.Event()

    def work():
        if threading.get_ident() == outside:
            begun.set()
            at_once(lambda: run([lambda: (time.sleep(0.001), inside.append(threading.get_ident()))] * 3))
        begun.wait(10)  # on a busy machine the workers would have done all before this thread's turn comes

    run([work] * (2 * thread_number))
    assert len(inside) % 3 == 0
    assert len(inside) > 0
    assert all(len(set(inside[k : k + 3])) == 1 for k in range(0, len(inside), 3))
    run([work] * 2)  # and the workers are there again


def test_the_number_of_threads_changes_only_between_pieces_of_work():
    """A worker told to end while it worked would never say that it is done."""
    use_all_cores(2)
    begun, done = threading.Event(), []

    def work():
        begun.set()
        time.sleep(0.2)
        done.append(1)

    other = threading.Thread(target=lambda: run([work] * 2), daemon=True)
    other.start()
    begun.wait()
    use_all_cores(1)
    assert done == [1, 1]
    other.join(10)
    assert not other.is_alive()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to a thread")
def test_an_interrupt_waits_for_the_tasks_and_leaves_the_threads_free(thread_number):
    """In a notebook the next cell uses them again."""
    if thread_number == 1:
        pytest.skip("one thread waits for nobody")
    begun, other, done, main = threading.Event(), threading.Event(), [], threading.get_ident()

    def work():
        if threading.get_ident() == main:
            other.set()
            begun.wait(10)
            return
        begun.set()
        other.wait(10)  # the worker must not do both
        time.sleep(0.1)  # so that the main thread waits by now
        signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.2)
        done.append(1)

    with pytest.raises(KeyboardInterrupt):
        run([work] * 2)
    assert done == [1]
    changed = threading.Thread(target=use_all_cores, args=[thread_number], daemon=True)
    changed.start()
    changed.join(10)
    assert not changed.is_alive()
    test_every_task_runs_once_and_all_are_done_at_the_return(thread_number)


class Interrupted:
    """A lock during whose release an interrupt comes: Python raises it when the call has returned."""

    def __init__(self, lock):
        self.lock, self.acquire = lock, lock.acquire

    def release(self):
        self.lock.release()
        raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["start", "wait"])
def test_an_interrupt_at_the_start_or_before_the_wait_leaves_the_threads_free(thread_number, place, monkeypatch):
    if thread_number == 1:
        pytest.skip("one thread waits for nobody")
    worker, done = threads._workers[0], []

    def work():
        time.sleep(0.05)
        done.append(1)

    def interrupted():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if place == "start":
            patch.setattr(worker, "_begin", Interrupted(worker._begin))
        else:
            patch.setattr(worker, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run([work] * 2)
    changed = threading.Thread(target=use_all_cores, args=[thread_number], daemon=True)
    changed.start()
    changed.join(10)
    assert not changed.is_alive()
    test_every_task_runs_once_and_all_are_done_at_the_return(thread_number)
    assert len(done) == 2


def test_work_noted_before_an_error_is_dropped():
    def never():
        raise AssertionError("ran")

    def interrupted():
        with batched_tasks():
            run([never])
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    ran = []
    run([lambda: ran.append(1)])
    assert ran == [1]


def test_alone_stays_on_the_calling_thread():
    seen = []
    run([lambda: seen.append(threading.get_ident())] * 20, alone=True)
    assert set(seen) == {threading.get_ident()}


def test_an_error_is_raised_when_all_other_tasks_are_done(thread_number):
    done = []

    def fail():
        raise ValueError("task 3")

    tasks = [lambda k=k: (time.sleep(0.001), done.append(k)) for k in range(10)]
    with pytest.raises(ValueError, match="task 3"):
        run([*tasks[:3], fail, *tasks[3:]])
    finished = len(done)
    time.sleep(0.02)
    assert len(done) == finished  # nothing goes on behind the caller's back
    run(tasks)  # and the threads are there for the next work
    assert len(done) == finished + 10


def test_overflow_in_a_task_is_no_warning():
    run([lambda: np.exp(np.full(4, 1e4))] * 4)


def test_a_refused_thread_is_one_line_with_a_remedy(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(threads, "core_count", lambda: 8)
    with pytest.raises(TinyganError, match=r"refuses a further thread \(can't start.*OMP_NUM_THREADS=1.*ulimit -u"):
        use_all_cores(8)
    monkeypatch.setattr(threads, "core_count", lambda: 1)  # then fewer would be none
    with pytest.raises(TinyganError, match=r"further thread \(can't start new thread\): raise the limit"):
        use_all_cores(8)
