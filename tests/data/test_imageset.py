import numpy as np
import pytest

from tinygan.data.imageset import ImageSet

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), np.uint8)


def make(images=PIXELS, labels=None, source="made here"):
    return ImageSet("test", images, labels, source)


def test_fingerprint_depends_on_pixels_shape_and_order_only():
    fingerprint = make().fingerprint()
    assert fingerprint.startswith("sha256:")
    assert len(fingerprint) == len("sha256:") + 64
    assert make(PIXELS.copy(), np.arange(6), "elsewhere").fingerprint() == fingerprint
    other = PIXELS.copy()
    other[5, 3, 4, 2] ^= 1
    assert make(other).fingerprint() != fingerprint
    assert make(PIXELS[::-1]).fingerprint() != fingerprint
    assert make(PIXELS.reshape(6, 5, 4, 3)).fingerprint() != fingerprint


def test_fingerprint_is_of_the_values_not_of_the_memory():
    view = np.ascontiguousarray(PIXELS.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert not view.flags.c_contiguous
    assert make(view).fingerprint() == make().fingerprint()


def test_fingerprint_covers_every_block():
    images = np.zeros((2001, 1, 1, 3), np.uint8)
    fingerprints = set()
    for k in (None, 0, 999, 1000, 2000):
        changed = images.copy()
        if k is not None:
            changed[k] = 1
        fingerprints.add(make(changed).fingerprint())
    assert len(fingerprints) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": PIXELS.astype(np.float32)},
        {"images": PIXELS[..., :1]},
        {"images": PIXELS[0]},
        {"images": PIXELS[:0]},
        {"labels": np.arange(5)},
        {"labels": np.arange(6, dtype=np.int32)},
        {"labels": np.zeros((6, 1), np.int64)},
        {"source": "two\nlines"},
    ],
)
def test_refuses_what_no_loader_should_make(wrong):
    with pytest.raises(ValueError, match="must be"):
        make(**wrong)
