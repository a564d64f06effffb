"""evaluate.py reconstruct RUN --image FILE."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import encoded, picture, write_pictures
from tinygan.data import shapes
from tinygan.data.transform import fit
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources.files import FolderSource
from tinygan.errors import TinyganError
from tinygan.evaluation.finaltest import reconstruction_test
from tinygan.evaluation.ownimages import read_own, reconstruct_own
from tinygan.evaluation.trained import open_run
from tinygan.reconstruction import Search

SEARCH = Search(steps=5)


@pytest.fixture
def run(trained):
    return open_run(trained, "best", "cpu")


def with_options(run, **options):
    return dataclasses.replace(run, options=dataclasses.replace(run.options, **options))


def test_two_images_of_any_size_give_figures_codes_and_a_picture(trained, call, tmp_path):
    write_pictures(tmp_path, 1, height=40, width=90)
    picture(1, 7, 5).convert("L").save(tmp_path / "my photo.bmp")
    code, out, _ = call(
        "reconstruct", trained, "--image", tmp_path / "my photo.bmp", tmp_path / "000.png", "--steps", 5
    )
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{tmp_path}/my photo.bmp: 5x7, centre 5x5 taken, scaled to 32x32; grey: repeated in R, G and B"
    assert lines[1] == f"{tmp_path}/000.png: 90x40, centre 40x40 taken, scaled to 32x32"
    (file,) = (trained / "evaluation").glob("own-my_photo-*.json")
    assert lines[4:] == [str(file), str(file.with_suffix(".png"))]
    result = json.loads(file.read_text())
    assert (result["steps"], result["checkpoint"], result["iteration"]) == (5, "best", open_run(trained).iteration)
    first, second = result["images"]
    assert first["file"] == f"{tmp_path}/my photo.bmp"
    assert f"{second['file']}: loss {second['loss']:.6f}, psnr {second['psnr']:.2f} dB" in lines[3]
    assert second["psnr"] == pytest.approx(-10 * np.log10(second["loss"]))
    assert second["z2"] == pytest.approx(np.square(second["code"]).mean())

    run = open_run(trained, "best", "cpu")
    drawn = run.generate(np.array([first["code"], second["code"]], np.float32))
    target = np.asarray(fit(picture(0, 40, 90), (32, 32)))
    assert second["loss"] == pytest.approx(np.square(target / 255 - drawn[1] / 255).mean(), rel=0.02)  # rounded pixels
    with Image.open(file.with_suffix(".png")) as grid:
        shown = np.asarray(grid)
    assert shown.shape == (2 * 258 + 2, 2 * 258 + 2, 3)  # each 32x32 at 256 pixels, unsmoothed
    assert np.array_equal(shown[2 + 258 : 258 + 258 : 8, 2:258:8], target)
    assert np.array_equal(shown[2 + 258 + 7 : 258 + 258 : 8, 2 + 258 + 7 :: 8][:32, :32], drawn[1])


def test_a_test_image_from_a_file_loses_what_it_loses_in_the_test(run, few_shapes, tmp_path):
    test = json.loads(reconstruction_test(run, "final", SEARCH, 8).read_text())
    rows = few_shapes.split.final[:3]
    for number, row in enumerate(rows):
        Image.fromarray(few_shapes.images[row]).save(tmp_path / f"{number}.png")
    images = [read_own(tmp_path / f"{number}.png", run) for number in range(3)]
    assert [image.how for image in images] == ["32x32"] * 3
    found = json.loads(reconstruct_own(run, images, SEARCH).read_text())
    np.testing.assert_allclose([image["loss"] for image in found["images"]], test["losses"][:3], rtol=1e-5)


def test_fitted_as_the_data_is(run, tmp_path):
    picture(1, 218, 178).save(tmp_path / "1.png")
    run = with_options(run, crop_size=(160, 160))
    image = read_own(tmp_path / "1.png", run)
    assert np.array_equal(image.pixels, fit(picture(1, 218, 178), (32, 32), (160, 160)))
    assert image.how == "178x218, centre 160x160 taken, scaled to 32x32"
    picture(2, 100, 80).save(tmp_path / "2.png")  # smaller than the crop
    image = read_own(tmp_path / "2.png", run)
    assert np.array_equal(image.pixels, fit(picture(2, 100, 80), (32, 32), (80, 80)))
    assert image.how == "80x100, centre 80x80 taken, scaled to 32x32"
    image = read_own(tmp_path / "2.png", with_options(run, crop_size=(200, 100)))  # of the crop's shape
    assert np.array_equal(image.pixels, fit(picture(2, 100, 80), (32, 32), (100, 50)))


def test_of_a_run_on_windows_the_centre_of_the_datas_size_is_taken(run, tmp_path):
    write_pictures(tmp_path / "photos", 20, height=50, width=40)
    prepare(FolderSource(tmp_path / "photos"), PackOptions("folder", (40, 36)), tmp_path / "set", 1)
    options = {"dataset": "folder", "data_dir": str(tmp_path / "set"), "augment": "crop"}
    run = with_options(run, **options)
    run = dataclasses.replace(run, fingerprint=run_images(run).fingerprint())
    image = read_own(tmp_path / "photos" / "007.png", run)
    assert image.how == "40x50, centre 40x44 taken, scaled to 36x40, centre 32x32 of that"
    assert np.array_equal(image.pixels, run.load_images().take([7])[0])


def run_images(run):
    from tinygan.training.session import load_images

    return load_images(run.options)


def test_a_turned_photograph_stands_upright(run, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "1.jpg").write_bytes(encoded(picture(1, 32, 48), "JPEG", exif=exif))
    image = read_own(tmp_path / "1.jpg", run)
    assert image.how == "32x48, centre 32x32 taken; EXIF orientation: turned upright"


def test_other_images_or_searches_do_not_take_a_results_place(run, tmp_path):
    files = set()
    for k, search in ((0, SEARCH), (1, SEARCH), (1, Search(steps=4)), (1, Search(steps=5, restarts=1))):
        picture(k, 32, 32).save(tmp_path / "a.png")
        files.add(reconstruct_own(run, [read_own(tmp_path / "a.png", run)], search))
    assert len(files) == 4
    again = reconstruct_own(run, [read_own(tmp_path / "a.png", run)], Search(steps=5, restarts=1))
    assert again in files


def test_restarts_find_what_lies_far_from_code_0(run, tmp_path):
    far = run.generate(3 * np.random.default_rng(0).standard_normal((4, run.options.code_size)).astype(np.float32))
    for k, pixels in enumerate(far):
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
    images = [read_own(tmp_path / f"{k}.png", run) for k in range(4)]

    def losses(restarts):
        file = reconstruct_own(run, images, Search(steps=2, restarts=restarts))
        return np.array([image["loss"] for image in json.loads(file.read_text())["images"]])

    once, often = losses(0), losses(6)
    assert (often <= once).all()
    assert (often < once).any()


def test_progress_counts_every_step(run, tmp_path, monkeypatch):
    seen = []

    class Bar:
        def __init__(self, total, **options):
            seen.append(total)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def update(self):
            seen.append(1)

    monkeypatch.setattr("tinygan.evaluation.ownimages.tqdm", Bar)
    write_pictures(tmp_path, 5)
    images = [read_own(path, run) for path in sorted(tmp_path.glob("*.png"))]
    reconstruct_own(run, images, Search(steps=3, restarts=1), batch_size=2)
    assert seen[0] == sum(seen[1:]) == 3 * 2 * 3


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("gone.png", None, "No such file or directory"),
        ("empty.png", b"", "the file is empty"),
        ("page.png", b"<html>", "no readable JPEG, PNG, WebP or BMP"),
        ("cut.png", encoded(picture(1, 64, 64), "PNG")[:-2000], "truncated"),
    ],
)
def test_what_is_no_image_is_one_line(trained, call, tmp_path, name, content, why):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = set(trained.rglob("*"))
    code, out, err = call("reconstruct", trained, "--image", tmp_path / name, "--steps", 1)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"{name} cannot be used: " in err
    assert why in err
    assert set(trained.rglob("*")) == before


def test_a_count_is_of_a_set(trained, call, tmp_path):
    write_pictures(tmp_path, 1)
    code, _, err = call("reconstruct", trained, "--image", tmp_path / "000.png", "--count", 3)
    assert (code, "--count is of a held-out set" in err) == (2, True)
    with pytest.raises(TinyganError, match="Is a directory"):
        read_own(tmp_path, open_run(trained))


def test_the_data_itself_is_not_needed(trained, call, tmp_path, monkeypatch):
    monkeypatch.setattr(shapes, "load", lambda: 1 / 0)
    write_pictures(tmp_path, 1)
    assert call("reconstruct", trained, "--image", tmp_path / "000.png", "--steps", 1)[0] == 0
