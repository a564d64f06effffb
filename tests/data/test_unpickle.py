import contextlib
import os
import pickle
import random
import subprocess
import tracemalloc

import numpy as np
import pytest

from tinygan.data.unpickle import unpickle
from tinygan.errors import TinyganError

PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6)


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_reads_what_python_2_wrote(pickled):
    batch = unpickle(pickled({b"data": PIXELS, b"labels": [3, 1], b"batch_label": b"one"}), "batch")
    assert np.array_equal(batch.pop(b"data"), PIXELS)
    assert batch == {b"labels": [3, 1], b"batch_label": b"one"}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_reads_what_python_3_wrote(protocol):
    batch = unpickle(pickle.dumps({b"data": PIXELS, b"labels": [3, 1]}, protocol), "batch")
    assert np.array_equal(batch[b"data"], PIXELS)
    assert batch[b"labels"] == [3, 1]


def test_column_order_is_kept():
    batch = unpickle(pickle.dumps({b"data": np.asfortranarray(PIXELS)}, 2), "batch")
    assert np.array_equal(batch[b"data"], PIXELS)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("inside", [lambda call: call, lambda call: {b"data": PIXELS, b"labels": [call]}])
def test_runs_nothing(tmp_path, protocol, inside):
    marker = tmp_path / "it-ran"
    hostile = pickle.dumps(inside(Call(os.system, f"echo > '{marker}'")), protocol)
    with pytest.raises(TinyganError, match=r"path/batch is a pickle that asks for \w+\.system, .* nothing was run"):
        unpickle(hostile, "path/batch")
    assert not marker.exists()
    pickle.loads(hostile)  # the attack itself is real
    assert marker.exists()


@pytest.mark.parametrize(
    "function", [eval, exec, getattr, __import__, open, subprocess.Popen, np.load, np.fromfile, pickle.loads, bytearray]
)
def test_refuses_every_other_name(function):
    with pytest.raises(TinyganError, match="asks for"):
        unpickle(pickle.dumps(Call(function, "argument"), 2), "batch")


def test_allowed_names_are_no_way_to_others():
    """From protocol 4 on a name may have dots, which the plain unpickler would follow."""
    for name in ("dtype.__class__", "ndarray.__init__.__globals__"):
        hostile = b"\x80\x04\x8c\x05numpy\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
        with pytest.raises(TinyganError, match="asks for"):
            unpickle(hostile, "batch")


def test_refuses_other_types_of_array():
    for array in (PIXELS.astype(np.float32), np.array([None, "x"], object)):
        with pytest.raises(TinyganError, match="'u1'"):
            unpickle(pickle.dumps({b"data": array}, 2), "batch")


def test_every_truncation_is_one_line(pickled):
    whole = pickled({b"data": PIXELS, b"labels": [3, 1]})
    for length in range(len(whole)):
        with pytest.raises(TinyganError, match=r"^batch is ") as caught:
            unpickle(whole[:length], "batch")
        assert "\n" not in " ".join(str(caught.value).split())


def test_damage_of_any_kind_is_a_tinygan_error(pickled):
    whole = pickled({b"data": PIXELS, b"labels": list(range(10)), b"batch_label": b"one"})
    rng, refused = random.Random(0), 0
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            unpickle(bytes(damaged), "batch")
        except TinyganError:
            refused += 1
    assert refused > 1000


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02}r" + (2**27).to_bytes(4, "little"),  # memo number
        b"\x80\x05\x96" + (2**31).to_bytes(8, "little"),  # byte array
        b"\x80\x04\x8e" + (2**31).to_bytes(8, "little"),  # bytes
        b"\x80\x04\x8d" + (2**31).to_bytes(8, "little"),  # string
        b"\x80\x04\x95" + (2**31).to_bytes(8, "little"),  # frame
    ],
)
def test_a_few_bytes_cannot_fill_the_memory(program):
    tracemalloc.start()
    with contextlib.suppress(TinyganError):
        unpickle(program + b".", "batch")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6


@pytest.mark.parametrize("value", [[1, 2], b"data", None, PIXELS])
def test_holds_no_dictionary(pickled, value):
    with pytest.raises(TinyganError, match="not a dictionary"):
        unpickle(pickled(value), "batch")
