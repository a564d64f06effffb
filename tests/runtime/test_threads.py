"""Tasks on threads: each runs once, errors arrive, scratch memory is a thread's own."""

import threading
import time

import numpy as np
import pytest

from tinygan.runtime import threads
from tinygan.runtime.threads import (
    batched_tasks,
    core_count,
    release_scratch,
    run,
    scratch,
    thread_count,
    use_all_cores,
)


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


def test_scratch_is_the_tasks_own(thread_number):
    together = threading.Barrier(thread_number, timeout=10)
    sums = []

    def work(value):
        first, second = scratch((100,), np.float32), scratch((3, 50), np.float64)
        first[:], second[:] = value, -value
        together.wait()
        sums.append((value, float(first.sum()), float(second.sum())))

    run([lambda value=value: work(value) for value in range(1, thread_number + 1)])
    assert sorted(sums) == [(value, 100.0 * value, -150.0 * value) for value in range(1, thread_number + 1)]


def test_scratch_grows_without_losing_what_was_handed_out():
    def work():
        small = scratch((10,), np.float32)
        small[:] = 7
        scratch((threads._scratch.block.size + 1000,), np.uint8)[:] = 1
        assert (small == 7).all()

    run([work] * 3)


def test_scratch_is_aligned_and_used_again():
    addresses = []

    def work():
        scratch((3,), np.uint8)
        addresses.append(scratch((5, 4), np.float32).ctypes.data)

    release_scratch()
    run([work] * 3, alone=True)
    assert threads._scratch.block.size == 64 + 80
    assert addresses[1] == addresses[2]
    assert (addresses[1] - threads._scratch.block.ctypes.data) % 64 == 0


def test_released_scratch_is_given_back():
    def work():
        scratch((10**6,), np.uint8)

    run([work] * 2, alone=True)
    assert threads._scratch.block.size >= 10**6
    release_scratch()
    run([lambda: None], alone=True)
    assert threads._scratch.block.size == 0


def test_the_environment_limits_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    allowed = core_count()
    assert allowed >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert core_count() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "many")  # OpenMP itself ignores what is no number
    assert core_count() == allowed
