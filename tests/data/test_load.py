import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import write_pictures
from tinygan import data
from tinygan.cli import data as data_prep
from tinygan.cli import evaluate, train
from tinygan.data import cifar10, shapes
from tinygan.errors import TinyganError, UsageError


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    monkeypatch.setattr(shapes, "IMAGES", 30)


def test_every_name_is_known_and_every_other_refused(tmp_path):
    assert data.DATASETS == ("cifar10", "celeba", "lsun", "folder", "shapes")
    known = "cifar10, celeba, lsun, folder, shapes"
    with pytest.raises(UsageError, match=f"unknown data set 'mnist'; choose one of {known}"):
        data.load("mnist", tmp_path, (32, 32), None)


def test_shapes_in_their_own_and_another_size():
    native = data.load("shapes", None, (32, 32), None)
    assert np.array_equal(native.images, shapes.draw(0, np.arange(30))[0])
    small = data.load("shapes", None, (16, 12), (24, 24))
    assert small.images.shape == (30, 16, 12, 3)
    assert np.array_equal(small.labels, native.labels)
    assert small.fingerprint() != native.fingerprint()


def test_cifar10(tiny, tmp_path):
    tiny.write(tmp_path / "cifar-10-batches-bin", tiny.binary)
    images = data.load("cifar10", tmp_path, (32, 32), None)
    assert np.array_equal(images.images, tiny.images)
    assert images.source == cifar10.load(tmp_path).source
    assert data.load("cifar10", tmp_path, (64, 64)).images.shape == (24, 64, 64, 3)


@pytest.mark.parametrize("dataset", ["celeba", "lsun", "folder"])
def test_folders(tmp_path, dataset):
    Image.new("RGB", (178, 218), (200, 0, 0)).save(tmp_path / "000001.png")
    images = data.load(dataset, tmp_path, (64, 64), (160, 160))
    assert images.name == dataset
    assert images.images.shape == (1, 64, 64, 3)
    assert images.images[0, 5, 5].tolist() == [200, 0, 0]


@pytest.mark.parametrize(
    ("dataset", "wanted"),
    [("celeba", "img_align_celeba"), ("lsun", "data_prep.py lsun"), ("folder", "image files")],
)
def test_folders_need_data_dir(dataset, wanted):
    with pytest.raises(UsageError, match=f"{dataset} needs --data-dir: .*{wanted}"):
        data.load(dataset, None, (64, 64), None)


@pytest.mark.parametrize("dataset", data.DATASETS)
def test_a_data_dir_that_is_not_there_is_named_with_its_option(tmp_path, monkeypatch, dataset):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(TinyganError, match=f"--data-dir photos does not exist in {tmp_path}/work: give --data-dir "):
        data.load(dataset, "photos", (32, 32))
    with pytest.raises(TinyganError, match=f"--data-dir {tmp_path}/photos does not exist: give --data-dir "):
        data.load(dataset, tmp_path / "photos", (32, 32))


@pytest.mark.parametrize("packed", [False, True])
def test_a_run_on_a_relative_data_dir_goes_on_elsewhere_once_it_is_given(tmp_path, monkeypatch, call_main, packed):
    def call(main, *arguments):
        return call_main(main, *arguments)[::2]

    write_pictures(tmp_path / "photos", 24)
    monkeypatch.chdir(tmp_path)
    if packed:
        assert call(data_prep.main, "folder", "--source", "photos", "--image-size", 8, "--out", "set")[0] == 0
    where = "set" if packed else "photos"
    network = "--features 4 --code-size 6 --batch-size 4 --iterations 2 --test-every 0 --device cpu --image-size 8"
    kind = "--dataset folder"
    assert call(train.main, *network.split(), *kind.split(), "--data-dir", where) == (0, "")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resume = train.main, "--resume", "../runs/00000-folder-wn", "--iterations", 3
    code, error = call(*resume)
    assert code == 1
    assert f"--data-dir {where} does not exist in {tmp_path}/elsewhere: give --data-dir" in error
    assert error.count("\n") == 1
    reconstruct = evaluate.main, "reconstruct", "../runs/00000-folder-wn", "--steps", 1, "--checkpoint", "last"
    assert f"--data-dir {where} does not exist in" in call(*reconstruct)[1]
    assert call(*resume, "--data-dir", f"../{where}") == (0, "")
    assert call(*reconstruct, "--data-dir", f"../{where}") == (0, "")


def test_an_lmdb_is_recognised(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"is an LMDB; prepare it once: data_prep.py lsun .*--image-size 64x64"):
        data.load("lsun", tmp_path, (64, 64), None)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("photo.jpg", "holds image files, add --dataset folder .*, or prepare them once: data_prep.py folder --source"),
        ("cats/photo.png", "holds image files, add --dataset folder"),
        ("cifar-10-binary.tar.gz", "holds CIFAR-10, add --dataset cifar10"),
        ("data_batch_1.bin", "holds CIFAR-10, add --dataset cifar10"),
        ("data.mdb", "holds an LMDB, prepare it once: data_prep.py lsun --source"),
        ("thesis.tex", "holds neither a packed set nor images, name the folder that does"),
    ],
)
def test_shapes_take_no_data_dir_and_say_what_may_be_meant(tmp_path, name, remedy):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=f"leave --data-dir out; or since --data-dir {tmp_path} {remedy}"):
        data.load("shapes", tmp_path, (32, 32), None)


@pytest.mark.parametrize(("size", "crop"), [((0, 32), None), ((32, -1), None), ((32, 32), (0, 5))])
def test_sizes_must_be_positive(size, crop):
    with pytest.raises(UsageError, match="must be positive"):
        data.load("shapes", None, size, crop)


def test_crop_larger_than_the_images():
    with pytest.raises(UsageError, match="crop of 40x40"):
        data.load("shapes", None, (32, 32), (40, 40))
