"""One source for two devices: the whole of train.py keeps host and device arrays apart, and gives the same run."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.gpu import emulator
from tests.training.conftest import TINY_RESNET
from tinygan.cli import train
from tinygan.device import open_backend
from tinygan.errors import TinyganError, UsageError, run_script
from tinygan.models.norms import NORMS
from tinygan.ops.cuda import cublas
from tinygan.training import checkpoint
from tinygan.training.options import Options, flag, show


def arguments(options: Options, **changes):
    values = vars(options) | changes
    return [text for name, value in values.items() if value not in (None, "") for text in (flag(name), show(value))]


# Every pair of a model, a norm and a schedule; the step of all three together: tests/gpu/test_parity.py.
@pytest.mark.parametrize(
    ("model", "norm", "schedule"),
    [
        (model, norm, ("alternating", "shared")[(m + n) % 2])
        for m, model in enumerate(("dcgan", "resnet"))
        for n, norm in enumerate(NORMS)
    ],
)
def test_the_same_run_on_the_pretended_gpu(tiny_options, tmp_path, model, norm, schedule, request, capsys):
    reason = emulator.why_no_compiler()
    if reason:
        pytest.skip(reason)
    sizes = TINY_RESNET if model == "resnet" else {}
    options = tiny_options(norm=norm, schedule=schedule, precision="float64", iterations=7, keep_every=5, **sizes)
    assert run_script(train.main, arguments(options)) == 0
    request.getfixturevalue("fake_cupy")
    assert run_script(train.main, arguments(options, device="gpu")) == 0
    assert "pretended GPU" in capsys.readouterr().out
    title = f"shapes-resnet-{norm}" if sizes else f"shapes-{norm}"
    cpu, gpu = (checkpoint.load(tmp_path / f"runs/0000{n}-{title}/checkpoints/last.safetensors") for n in (0, 1))
    for name, tensor in cpu.tensors.items():
        # The kernels against the CPU's cores: the same sums in another order.
        np.testing.assert_allclose(gpu.tensors[name], tensor, rtol=1e-8, atol=1e-12, err_msg=name)
    # Resumed on the other device: the checkpoint belongs to neither.
    resume = ["--resume", str(cpu.path), "--iterations", "9", "--device", "gpu"]
    assert run_script(train.main, resume) == 0


def test_the_stand_in_is_as_strict_as_cupy(fake_cupy):
    device = fake_cupy.ones(3)
    for mistake in (
        lambda: np.asarray(device),
        lambda: device + np.ones(3),
        lambda: fake_cupy.exp(np.ones(3)),
        lambda: device.__setitem__(slice(None), np.ones(3)),
        lambda: float(np.ones(3) @ device),
    ):
        with pytest.raises(TypeError):
            mistake()
    assert isinstance((device * 2).get(), np.ndarray)


def test_auto_takes_the_gpu_if_there_is_one(fake_cupy, monkeypatch):
    assert open_backend("auto").device == "gpu"
    assert open_backend("auto", "tf32").dtype == np.float32
    for capability, precision in (("90", "tf32"), ("75", "float32")):
        fake_cupy.cuda.Device = lambda capability=capability: SimpleNamespace(id=0, compute_capability=capability)
        backend = open_backend("gpu", "auto")
        assert backend.description == f"pretended GPU, 1 GiB, {precision}"
        assert cublas.tf32 == (precision == "tf32")
    open_backend("gpu", "float32")
    assert not cublas.tf32
    fake_cupy.cuda.runtime.getDeviceCount = lambda: 0
    assert open_backend("auto").device == "cpu"
    with pytest.raises(TinyganError, match=r"^device gpu: .*no device.*CUDA_VISIBLE_DEVICES.*device cpu"):
        open_backend("gpu")
    fake_cupy.cuda.runtime.driverGetVersion = lambda: 0
    with pytest.raises(TinyganError, match=r"no NVIDIA driver.*nvidia-smi"):
        open_backend("gpu")
    with pytest.raises(UsageError, match="tf32 needs a GPU"):
        open_backend("cpu", "tf32")
    assert open_backend("cpu", "auto").dtype == np.float32


def test_without_cupy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TinyganError, match=r"CuPy is not installed: .*cuda13.*device cpu"):
        open_backend("gpu")
    assert open_backend("auto").device == "cpu"
