"""The figures of a packed set's pixels against NumPy's."""

import numpy as np
import pytest

from tinygan.data.imageset import ImageSet
from tinygan.data.packed import HEADER_BYTES
from tinygan.dataprep.measurepixels import ROWS, measure_pixels


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 2), (3, 2, 2), (5, ROWS // 2 - 1, 3)])
def test_mean_and_deviation_are_those_of_all_pixels(tmp_path, shape):
    images = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    (tmp_path / "images.npy").write_bytes(bytes(HEADER_BYTES) + images.tobytes())
    found = measure_pixels(tmp_path / "images.npy", shape[0], shape[1:])
    values = images.reshape(-1, 3) / 255
    np.testing.assert_allclose(found.mean, values.mean(axis=0), atol=6e-7)
    np.testing.assert_allclose(found.std, values.std(axis=0), atol=6e-7)
    assert found.checksum == ImageSet("folder", images, None, "x").fingerprint()
