"""The two file formats of CIFAR-10: a batch's bytes in, images and labels out.

Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version" and "Python version".
"""

import numpy as np

from tinygan.data.unpickle import unpickle
from tinygan.errors import TinyganError

RECORDS = 10_000  # images in each batch file
SIDE = 32
PIXEL_BYTES = 3 * SIDE * SIDE
CLASSES = 10
REMEDY = "unpack the archive again, or name no folder to have it downloaded"

Batch = tuple[np.ndarray, np.ndarray]  # images uint8 (R, H, W, 3), labels int64 (R,)


def parse_binary(content: bytes, name: str) -> Batch:
    """Binary version: per record one byte of label, then the planes R, G, B, each row by row.

    Raises:
        TinyganError: the size or a label is wrong, naming ``name``.
    """
    expected = RECORDS * (1 + PIXEL_BYTES)
    if len(content) != expected:
        raise TinyganError(f"{name} has {len(content)} bytes, not {expected}; {REMEDY}")
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, 1 + PIXEL_BYTES)
    return _nhwc(records[:, 1:]), _checked(records[:, 0].astype(np.int64), name)


def parse_python(content: bytes, name: str) -> Batch:
    """Python version: a pickled dictionary of ``data`` uint8 (R, 3072), planes as above, and a list ``labels``.

    Raises:
        TinyganError: it is no such pickle, or an entry has the wrong type, shape or range, naming ``name``.
    """
    batch = unpickle(content, name)
    data, labels = batch.get(b"data"), batch.get(b"labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (RECORDS, PIXEL_BYTES):
        found = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise TinyganError(f"{name}: 'data' must be uint8 ({RECORDS}, {PIXEL_BYTES}), not {found}; {REMEDY}")
    if not isinstance(labels, list) or len(labels) != RECORDS or not all(type(label) is int for label in labels):
        raise TinyganError(f"{name}: 'labels' must be a list of {RECORDS} integers; {REMEDY}")
    # Clamped before the conversion, or an integer of 100 digits would overflow int64 instead of being named.
    return _nhwc(data), _checked(np.array([min(max(label, -1), CLASSES) for label in labels], np.int64), name)


def _nhwc(rows: np.ndarray) -> np.ndarray:
    """(R, 3072) rows of planes as a view of shape (R, H, W, 3)."""
    return rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)


def _checked(labels: np.ndarray, name: str) -> np.ndarray:
    wrong = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if len(wrong):
        raise TinyganError(f"{name}: the label of image {wrong[0]} is outside 0 to {CLASSES - 1}; {REMEDY}")
    return labels
