import numpy as np
import pytest

from tinygan.data.cifar10_batches import parse_binary, parse_python
from tinygan.errors import TinyganError

RECORDS = 4


def test_binary(tiny):
    images, labels = parse_binary(tiny.binary["data_batch_1.bin"], "batch")
    assert np.array_equal(images, tiny.images[:RECORDS])
    assert np.array_equal(labels, tiny.labels[:RECORDS])
    assert labels.dtype == np.int64


def test_python(tiny):
    images, labels = parse_python(tiny.python["test_batch"], "batch")
    assert np.array_equal(images, tiny.images[-RECORDS:])
    assert np.array_equal(labels, tiny.labels[-RECORDS:])
    assert labels.dtype == np.int64


def test_planes_are_red_green_blue_row_by_row(tiny):
    record = bytearray(1 + 3072)
    record[0] = 7
    record[1 + 1024 + 32 * 5 + 9] = 200  # second plane, row 5, column 9
    images, labels = parse_binary(bytes(record) * RECORDS, "batch")
    assert images[2, 5, 9].tolist() == [0, 200, 0]
    assert images[2].sum() == 200
    assert labels.tolist() == [7] * RECORDS


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: b""])
def test_binary_of_the_wrong_size(tiny, change):
    content = change(tiny.binary["data_batch_1.bin"])
    with pytest.raises(TinyganError, match=f"^batch has {len(content)} bytes, not 12292; "):
        parse_binary(content, "batch")


def test_binary_label_out_of_range(tiny):
    content = bytearray(tiny.binary["data_batch_1.bin"])
    content[2 * 3073] = 10
    with pytest.raises(TinyganError, match=r"^batch: the label of image 2 is outside 0 to 9"):
        parse_binary(bytes(content), "batch")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"data": None}, "'data' must be uint8"),
        ({b"data": b"x" * 3072 * RECORDS}, "'data' must be uint8 .* not bytes"),
        ({b"data": np.zeros((RECORDS, 3071), np.uint8)}, r"not uint8 \(4, 3071\)"),
        ({b"data": np.zeros((RECORDS - 1, 3072), np.uint8)}, r"not uint8 \(3, 3072\)"),
        ({b"data": np.zeros((RECORDS, 32, 32, 3), np.uint8)}, "'data' must be uint8"),
        ({b"data": np.zeros((RECORDS, 3072), np.int8)}, "'u1'"),
        ({b"labels": None}, "'labels' must be a list of 4 integers"),
        ({b"labels": [1, 2, 3]}, "'labels' must be a list of 4 integers"),
        ({b"labels": [1, 2, 3, 4.0]}, "'labels' must be a list of 4 integers"),
        ({b"labels": [1, 2, 3, True]}, "'labels' must be a list of 4 integers"),
        ({b"labels": [1, 10, 3, 4]}, "label of image 1 is outside"),
        ({b"labels": [1, 2, -1, 4]}, "label of image 2 is outside"),
        ({b"labels": [1, 2, 3, 10**100]}, "label of image 3 is outside"),
    ],
)
def test_python_with_a_wrong_entry(tiny, pickled, change, message):
    batch = {b"data": np.zeros((RECORDS, 3072), np.uint8), b"labels": [1, 2, 3, 4]}
    parse_python(pickled(batch), "batch")
    with pytest.raises(TinyganError, match=f"^batch.*{message}"):
        parse_python(pickled(batch | change), "batch")


@pytest.mark.parametrize("key", [b"data", b"labels"])
def test_python_without_an_entry(tiny, pickled, key):
    batch = {b"data": np.zeros((RECORDS, 3072), np.uint8), b"labels": [1, 2, 3, 4]}
    del batch[key]
    with pytest.raises(TinyganError, match=f"'{key.decode()}' must be"):
        parse_python(pickled(batch), "batch")
