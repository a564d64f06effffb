"""Trained generators as functions: out of a run's folder, out of a file, and the one that tinygan brings."""

import copy
import shutil

import numpy as np
import pytest
import safetensors.numpy

from tinygan import load_generator, rng_for
from tinygan.errors import InputError, TinyganError, UsageError
from tinygan.evaluation import generator as module


def test_the_stored_generator_draws_images():
    generator = load_generator("cifar10-wn")
    assert (generator.code_size, generator.iteration, generator.options.norm) == (128, 9000, "wn")
    assert generator.options.data_dir is None
    codes = rng_for(0, "my codes").standard_normal((16, 128))
    images = generator(codes)
    assert images.shape == (16, 32, 32, 3)
    assert images.dtype == np.float32
    assert 0 <= images.min() < images.max() <= 1
    assert images.std(axis=0).mean() > 0.1  # sixteen different images: 0.24 when this was written
    np.testing.assert_allclose(generator(codes[3:4])[0], images[3], atol=1e-5)


def test_the_stored_generator_is_small_finite_and_has_its_card():
    files = sorted(module.STORED.glob("*.safetensors"))
    assert [file.stem for file in files] == ["cifar10-wn"]
    for file in files:
        assert file.stat().st_size < 3e6
        assert file.with_suffix(".md").read_text().startswith(f"# Model card: {file.stem}\n")
        for name, tensor in safetensors.numpy.load_file(file).items():
            assert tensor.dtype == np.float16
            assert np.isfinite(tensor).all(), name


def test_it_can_be_named_like_a_file_too():
    file = module.STORED / "cifar10-wn.safetensors"
    codes = np.ones((1, 128))
    assert np.array_equal(load_generator(file)(codes), load_generator("cifar10-wn")(codes))


@pytest.mark.parametrize("shape", [(128,), (2, 127), (0, 128)])
def test_codes_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"expected codes \(N, 128\), N at least 1; found"):
        load_generator("cifar10-wn")(np.zeros(shape))


def test_a_name_that_nothing_has_is_one_line_that_says_what_there_is():
    with pytest.raises(TinyganError, match=r"cifar10-xy is no run folder.*cifar10-wn"):
        load_generator("cifar10-xy")


def test_a_run_is_named_as_everywhere_and_a_checkpoint_by_its_number(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TinyganError, match="latest: no run in runs has a checkpoint"):
        load_generator("latest")
    shutil.copytree(trained, tmp_path / "runs" / "00003-shapes-wn")
    assert load_generator("latest", 8).iteration == load_generator(trained, "8").iteration == 8
    with pytest.raises(TinyganError, match=r"has no checkpoint '000007'; there are: 000008, best, last$"):
        load_generator("latest", 7)
    (tmp_path / "runs/00003-shapes-wn/checkpoints/best.safetensors").unlink()
    with pytest.raises(TinyganError, match="until then take last"):
        load_generator("latest")


def test_a_checkpoint_is_named_by_its_run(trained):
    with pytest.raises(TinyganError, match=r"last\.safetensors is .*: name a run's folder, or a file that experiments"):
        load_generator(trained / "checkpoints/last.safetensors")


def test_a_stored_generator_has_no_checkpoints():
    for stored in ("cifar10-wn", module.STORED / "cifar10-wn.safetensors"):
        with pytest.raises(
            UsageError, match=r"is one generator, stored at its run's best: there is no checkpoint last$"
        ):
            load_generator(stored, "last")


@pytest.mark.parametrize("damage", ["short", "foreign", "tensor missing", "shape", "metadata"])
def test_a_damaged_file_is_one_line(tmp_path, damage):
    whole = (module.STORED / "cifar10-wn.safetensors").read_bytes()
    file = tmp_path / "damaged.safetensors"
    tensors = safetensors.numpy.load(whole)
    with module.safe_open(module.STORED / "cifar10-wn.safetensors", framework="numpy") as stored:
        metadata = stored.metadata()
    if damage == "short":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "foreign":
        file.write_bytes(safetensors.numpy.save({"x": np.zeros(3)}))
    else:
        if damage == "tensor missing":
            del tensors["up0.w"]
        elif damage == "shape":
            tensors["up0.w"] = tensors["up0.w"][:2].copy()
        else:
            metadata = {module.METADATA_KEY: "[]"}
        file.write_bytes(safetensors.numpy.save(tensors, metadata))
    with pytest.raises(TinyganError, match="is damaged or no stored generator"):
        load_generator(file)
    with pytest.raises(TinyganError, match="there is no generator"):
        load_generator(tmp_path / "none.safetensors")


def test_many_codes_are_drawn_in_parts(monkeypatch):
    generator, codes = load_generator("cifar10-wn"), rng_for(0, "many codes").standard_normal((7, 128))
    whole = generator(codes)
    monkeypatch.setattr(module, "SAMPLE_BATCH", 3)
    np.testing.assert_allclose(generator(codes), whole, rtol=0, atol=1e-6)
    assert generator(codes).dtype == np.float32
    again = copy.deepcopy(generator)
    np.testing.assert_array_equal(again(codes), generator(codes))
