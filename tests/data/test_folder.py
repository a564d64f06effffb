import os
import warnings

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import picture
from tests.data.test_bad_input import png
from tinygan.data import folder
from tinygan.data.transform import fit
from tinygan.errors import TinyganError, UsageError

SIZE = (8, 8)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def load(root, size=SIZE, crop=None):
    return folder.load(root, size, crop, "folder")


def test_flat_folder_in_order_of_the_names(tmp_path):
    for k in (3, 1, 2, 0):
        save(picture(k), tmp_path / f"{k:02d}.png")
    images = load(tmp_path)
    assert np.array_equal(images.images, [np.asarray(picture(k)) for k in range(4)])
    assert images.labels is None
    assert images.name == "folder"
    assert images.source == f"4 image files below {tmp_path}"


def test_more_files_than_one_thread_takes_stay_in_order(tmp_path):
    count = 2 * folder.BLOCK + 5
    for k in range(count):
        save(Image.new("RGB", SIZE, (k, 0, 255 - k)), tmp_path / f"{k:04d}.bmp")
    assert load(tmp_path).images[:, 4, 4, 0].tolist() == list(range(count))


def test_subfolders_every_format_and_capital_extensions(tmp_path):
    names = ["a/1.JPG", "a/2.jpeg", "b/1.png", "b/deep/x.WebP", "c.bmp"]
    for k, name in enumerate(names):
        save(Image.new("RGB", (12, 10), (40 * k, 100, 50)), tmp_path / name)
    images = load(tmp_path)
    assert images.images.shape == (5, 8, 8, 3)
    assert np.abs(images.images[:, 4, 4, 0] - 40.0 * np.arange(5)).max() < 4  # JPEG and WebP are not exact


def test_leaves_out_hidden_foreign_and_other_files(tmp_path):
    save(picture(1), tmp_path / "1.png")
    for name in ("._1.png", ".hidden.png", ".folder/x.png", "__MACOSX/x.png", "a/__MACOSX/x.png"):
        save(picture(2), tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    assert len(load(tmp_path).images) == 1


def test_links_that_lead_out_are_left_out(tmp_path):
    secret = save(picture(2), tmp_path / "outside" / "2.png")
    root = tmp_path / "root"
    inside = save(picture(1), root / "1.png")
    (root / "0.png").symlink_to(secret)
    (root / "sub").symlink_to(secret.parent)
    (root / "3.png").symlink_to(inside)
    images = load(root)
    assert np.array_equal(images.images, [np.asarray(picture(1))] * 2)
    assert images.source == f"2 image files below {root} (left out: 2 symbolic links that lead out of it)"
    inside.unlink()
    with pytest.raises(TinyganError, match="2 symbolic links that lead out"):
        load(root)


def names_of(root, what="paths"):
    return [path.relative_to(root).as_posix() for path in getattr(folder.find_images(root), what)]


def test_linked_folders_that_stay_inside_are_read(tmp_path):
    for k in range(20):
        save(picture(k), tmp_path / ".store" / "deep" / f"{k:02d}.png")
    save(picture(20), tmp_path / "one.png")
    (tmp_path / "cats").symlink_to(".store")
    assert names_of(tmp_path) == [*(f"cats/deep/{k:02d}.png" for k in range(20)), "one.png"]
    images = load(tmp_path)
    assert len(images.images) == 21
    assert "left out" not in images.source


def test_a_folder_is_read_once_whatever_leads_to_it(tmp_path):
    for name in ("a/1.png", "a/b/2.png", ".store/3.png", ".store/c/4.png"):
        save(picture(1), tmp_path / name)
    (tmp_path / "0").symlink_to("a")  # a folder that is found without it
    (tmp_path / "a" / "b" / "up").symlink_to("..")
    (tmp_path / "a" / "root").symlink_to(tmp_path)
    (tmp_path / "c").symlink_to(".store/c")
    (tmp_path / "d").symlink_to(".store")
    (tmp_path / ".store" / "c" / "up").symlink_to("..")
    (tmp_path / "e").symlink_to("d")  # a link to a link
    assert names_of(tmp_path) == ["a/1.png", "a/b/2.png", "c/4.png", "d/3.png"]
    assert names_of(tmp_path, "repeated") == ["0", "a/b/up", "a/root", "c/up", "e"]


def test_links_to_themselves_and_in_circles_lead_nowhere(tmp_path):
    save(picture(1), tmp_path / "1.png")
    for name, target in (("2.png", "2.png"), ("3.png", "4.png"), ("4.png", "3.png"), ("loop", "loop"), ("gone", "no")):
        (tmp_path / name).symlink_to(target)
    assert names_of(tmp_path) == ["1.png"]
    assert names_of(tmp_path, "odd") == ["2.png", "3.png", "4.png", "gone", "loop"]
    assert load(tmp_path).source == f"1 image files below {tmp_path} (left out: 5 links to nowhere or pipes)"


def test_a_source_that_is_itself_a_link_and_links_out_of_it(tmp_path):
    save(picture(1), tmp_path / "real" / "1.png")
    save(picture(2), tmp_path / "other" / "2.png")
    (tmp_path / "real" / "out").symlink_to(tmp_path / "other")
    (tmp_path / "real" / "up").symlink_to("..")
    (tmp_path / "photos").symlink_to("real")
    root = tmp_path / "photos"
    assert (names_of(root), names_of(root, "links"), names_of(root, "repeated")) == (["1.png"], ["out", "up"], [])


def test_crop_and_size(tmp_path):
    save(picture(1, 30, 20), tmp_path / "1.png")
    images = load(tmp_path, (6, 4), (12, 8)).images
    assert np.array_equal(images[0], np.asarray(fit(picture(1, 30, 20), (6, 4), (12, 8))))


def test_a_broken_file_is_skipped_and_counted(tmp_path):
    """Whatever is wrong with it: see test_bad_input.py."""
    for k in range(120):
        save(Image.new("RGB", SIZE, (k, 0, 0)), tmp_path / f"{k:03d}.png")
    (tmp_path / "050.png").write_bytes(b"<html>quota exceeded</html>")
    images = load(tmp_path)
    assert images.images[:, 0, 0, 0].tolist() == [k for k in range(120) if k != 50]
    assert f"120 image files below {tmp_path}, 1 of them skipped, the first: {tmp_path}/050.png: " in images.source


def test_pillows_remarks_are_kept_off_the_screen(tmp_path):
    save(picture(1), tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(png(10_000, 10_000, 8, 2, bytes(1000)))  # a size that Pillow warns of
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(TinyganError, match=r"2.png: 10000x10000 pixels"):
            load(tmp_path)
    assert seen == []


def test_more_than_one_in_a_hundred_broken_stops(tmp_path):
    for k in range(199):
        save(picture(k), tmp_path / f"{k:03d}.png")
    for k in (30, 150):
        (tmp_path / f"{k:03d}.png").write_bytes(b"broken")
    with pytest.raises(TinyganError, match=r"more than 1 % .* the first: .*/030.png: no readable") as caught:
        load(tmp_path)
    assert not isinstance(caught.value, UsageError)
    save(picture(200), tmp_path / "200.png")
    assert len(load(tmp_path).images) == 198  # 2 of 200 are just 1 %


def test_crop_larger_than_the_images_is_a_usage_error(tmp_path):
    save(picture(1), tmp_path / "1.png")
    with pytest.raises(UsageError, match=r"1.png: the crop of 9x8 .* image of 8x8"):
        load(tmp_path, SIZE, (9, 8))


def test_no_folder_or_no_images(tmp_path):
    (tmp_path / "archive.tar").touch()
    with pytest.raises(TinyganError, match=r"archive\.tar is a file; unpack it"):
        load(tmp_path / "archive.tar")
    with pytest.raises(TinyganError, match=f"no images below {tmp_path}: looked for .*jpg.*png.*webp"):
        load(tmp_path)
    (tmp_path / "faces.zip").write_bytes(b"PK")
    with pytest.raises(TinyganError, match=r"faces.zip is a file; unpack it"):
        load(tmp_path / "faces.zip")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_with_an_images_name_does_not_hang(tmp_path):
    save(picture(1), tmp_path / "1.png")
    os.mkfifo(tmp_path / "2.png")
    assert len(load(tmp_path).images) == 1


def test_too_many_for_the_memory_is_one_line(tmp_path):
    save(picture(1), tmp_path / "1.png")
    with pytest.raises(TinyganError, match="GB of memory"):
        load(tmp_path, (10**8, 10**8))
