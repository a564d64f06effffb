"""A recording does again what the work did, on what is in its arrays by then; what it cannot do again it refuses."""

import threading

import numpy as np
import pytest

from tinygan.runtime import recording
from tinygan.runtime.recording import Recording, Traced, whole

X = np.linspace(-1, 2, 24, dtype=np.float32).reshape(2, 3, 4)


def recorded(work, *values):
    """The recording, its inputs, and its result."""
    made = Recording()
    inputs = [made.new(np.asarray(value), np.float32) for value in values]
    result = made.make(work, *inputs)
    return made, made.plain(inputs), result


def in_place(x):
    y = np.empty(x.shape, x.dtype)
    y[:] = x
    y[0] += x[1]
    y[:, 1:] *= 2
    return y


def copies(x):
    padded = np.zeros((4, 4, 4), x.dtype)
    padded[1:3, :3] = x
    a, b, c = padded.strides
    windows = np.lib.stride_tricks.as_strided(padded, (2, 2, 3, 2, 4), (a, b, a, b, c))
    rows = windows.reshape(4, -1)
    return np.ascontiguousarray(rows.T) + rows.swapaxes(0, 1).copy()


WORKS = [
    lambda x: np.exp(-x) / (1 + x * x),
    lambda x: x.sum(axis=(0, 1)) + np.sum(x, axis=2).mean(),
    lambda x: x.mean() * x[0, 1, 2] + x.max(),
    lambda x: x.reshape(6, 4) @ x.reshape(4, 6),
    copies,
    lambda x: x.transpose(2, 0, 1).reshape(4, 6) @ x.reshape(6, 4),
    lambda x: np.concatenate([x, 2 * x], axis=1) + np.stack([x[:, 0], x[:, 1]]).sum(),
    lambda x: np.split(x, 2)[1] - np.clip(x[:1], 0, 1, out=np.empty_like(x[:1])),
    lambda x: np.einsum("abc,abc->c", x, x, out=np.empty(4, np.float32)),
    lambda x: np.tile(x[0, 0], 3) + np.concatenate([x[0, 1]] * 3) + np.repeat(x[1, 0], 3),
    lambda x: np.asarray(1 - x, np.float64) + np.asarray(x),
    lambda x: x.astype(np.float64).view(np.int64)[..., ::2].astype(np.float32),
    lambda x: whole(lambda y: np.where(y > 0, y, y * 2), x) + x,
    in_place,
]


@pytest.mark.parametrize("work", WORKS)
def test_runs_are_what_the_work_does_to_the_bit(work):
    made, (x,), result = recorded(work, X)
    assert type(result) is np.ndarray
    for factor in (1, -3, 0.5):
        np.testing.assert_array_equal(result, work(x), strict=not isinstance(work(x), np.generic))
        x[...] = factor * X[::-1]
        made.run()
    np.testing.assert_array_equal(result, work(x))


def test_arrays_from_elsewhere_are_changed_in_place():
    weights = np.ones(3, np.float32)

    def work(x):
        w = weights.view(Traced)
        y = x * w
        w -= x
        w[1:] = 0
        return y

    made, (x,), y = recorded(work, [1, 2, 3])
    np.testing.assert_array_equal(weights, [0, 0, 0])
    weights[:], x[:] = 5, 1
    made.run()
    np.testing.assert_array_equal(weights, [4, 0, 0])
    np.testing.assert_array_equal(y, [5, 5, 5])


def test_memory_is_used_again_within_a_recording():
    def work(x):
        for _ in range(50):
            x = x * 1.5
        return x

    made, (x,), y = recorded(work, np.ones((100, 100)))
    ends = [call.keywords["out"].ctypes.data + x.nbytes - made.arena.start for call in made.calls]
    assert max(ends) <= 4 * x.nbytes  # input, two in turn, and the result
    x[:] = 2
    made.run()
    assert y[0, 0] == np.float32(2) * np.prod(np.full(50, 1.5, np.float32))


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x if x[0] > 0 else -x,
        lambda x: float(x[0]),
        lambda x: x[x > 0],
        lambda x: x[np.array([0, 1])],
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.dot(x, x),
        lambda x: x.flatten(),
    ],
)
def test_what_would_go_unnoticed_is_refused_and_numpy_is_as_before(work):
    functions = np.empty, np.zeros, np.asarray, np.ascontiguousarray, np.lib.stride_tricks.as_strided
    with pytest.raises(TypeError, match="cannot be recorded"):
        recorded(work, [1, 2, 3])
    assert not recording.active()
    assert functions == (np.empty, np.zeros, np.asarray, np.ascontiguousarray, np.lib.stride_tricks.as_strided)


def test_other_threads_make_arrays_of_their_own():
    found = []

    def work(x):
        thread = threading.Thread(
            target=lambda: found.extend([np.empty(3), np.zeros((2,), order="F"), np.asarray([1])])
        )
        thread.start()
        thread.join()
        return x + np.zeros(3)

    recorded(work, [1, 2, 3])
    assert [type(one) for one in found] == [np.ndarray] * 3


def test_a_whole_call_decides_anew():
    calls = []
    made, (x,), _ = recorded(lambda x: whole(calls.append, x), [1, 2])
    x[:] = 3
    made.run()
    assert [type(one) for one in calls] == [np.ndarray] * 2
    assert whole(max, 1, 2) == 2  # outside a recording it is just called
