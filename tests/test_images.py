"""Sample grids."""

import numpy as np
import pytest
from PIL import Image

from tinygan.errors import InputError
from tinygan.images import grid, save_gif, save_grid, save_png_folder, to_uint8


def test_rounding_and_clipping():
    values = np.array([-1.0, 0.0, 0.4 / 255, 0.6 / 255, 1.0, 2.0])
    np.testing.assert_array_equal(to_uint8(values), [0, 0, 0, 1, 255, 255])


def test_a_grid_is_filled_row_by_row(tmp_path):
    images = np.full((5, 4, 6, 3), 0, np.uint8) + np.arange(1, 6, dtype=np.uint8)[:, None, None, None] * 50
    picture = grid(images, columns=3)
    assert picture.shape == (2 * 4 + 3 * 2, 3 * 6 + 4 * 2, 3)
    assert (picture[2:6, 2:8] == 50).all()
    assert (picture[2:6, 18:24] == 150).all()
    assert (picture[8:12, 10:16] == 250).all()
    assert (picture[8:12, 18:24] == 0).all()  # the sixth cell is empty
    assert picture.astype(int).sum() == 4 * 6 * 3 * 50 * (1 + 2 + 3 + 4 + 5)  # nothing else is drawn

    save_grid(tmp_path / "grid.png", images, columns=3)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "grid.png")), picture)


def test_paths_as_text_and_images_that_are_no_bytes(tmp_path):
    images = np.full((2, 4, 4, 3), 200, np.uint8)
    save_grid(str(tmp_path / "grid.png"), images)
    save_gif(str(tmp_path / "a.gif"), images, 100)
    save_png_folder(str(tmp_path / "pngs"), images)
    assert {file.name for file in tmp_path.rglob("*.*")} == {"grid.png", "a.gif", "000000.png", "000001.png"}
    with pytest.raises(InputError, match=r"expected images as bytes, .*; found float64: use to_uint8"):
        grid(images / 255, columns=2)
