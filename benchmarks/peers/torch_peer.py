"""PyTorch's side, written as its own guides recommend for speed; the networks are those of the tests' oracle.

Followed are the Performance Tuning Guide, the channels_last tutorial, and the notes on CUDA semantics (TF32, CUDA
graphs): gradients set to None, ``cudnn.benchmark``, TF32 where the workload allows it, the foreach optimiser,
normalised weights computed once per step (what ``parametrize.cached`` does), ``torch.compile``, the whole step in one
CUDA graph. Real and generated images go through D apart: as one batch the step took longer on the CPU.
"""

import numpy as np
import torch

from benchmarks.peers import Unavailable
from benchmarks.workload import LEARNING_RATE, Inputs, Workload
from tests.oracle.make_pytorch_oracle import DCGAN, entropy, tensors
from tests.oracle.make_resnet_oracle import RESNET
from tinygan.device import PRECISIONS

WARM_UP_BEFORE_CAPTURE = 11  # as the notes on CUDA graphs advise for work that autotunes


class Player:
    """The trained tensors of one network and their optimiser."""

    def __init__(self, values: dict[str, np.ndarray], buffers: dict[str, np.ndarray], where: dict, on_gpu: bool):
        self.initial = values, buffers
        self.tensors = tensors(values, trained=True, **where)
        self.buffers = tensors(buffers, **where)
        self.leaves = list(self.tensors.values())
        self.slopes = [tensor for name, tensor in self.tensors.items() if name.endswith(".slope")]
        rate = torch.tensor(LEARNING_RATE, device=where["device"]) if on_gpu else LEARNING_RATE
        self.optimiser = torch.optim.RMSprop(self.leaves, lr=rate, alpha=0.9, eps=1e-6, foreach=True, capturable=on_gpu)

    def update(self) -> None:
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_clamp_min_(self.slopes, 0.0)
            torch._foreach_clamp_max_(self.slopes, 1.0)

    def set_rate(self, rate: float) -> None:
        """On a GPU in place, so that a captured step sees it."""
        group = self.optimiser.param_groups[0]
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate

    def start_again(self) -> None:
        """Back to the initial values, in place."""
        with torch.no_grad():
            for store, values in zip((self.tensors, self.buffers), self.initial, strict=True):
                for name, value in values.items():
                    store[name].copy_(torch.from_numpy(value))
            for state in self.optimiser.state.values():
                for value in state.values():
                    value.zero_()


class TorchStep:
    """See ``benchmarks.peers``."""

    def __init__(self, name: str, workload: Workload, inputs: Inputs):
        on_gpu = workload.device == "gpu"
        if on_gpu and not torch.cuda.is_available():
            raise Unavailable(f"PyTorch {torch.__version__} finds no GPU")
        if name == "torch-graph" and not on_gpu:
            raise Unavailable("CUDA graphs need --device gpu")
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high" if workload.precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = workload.precision == "tf32"
        layout = torch.contiguous_format if name == "torch" else torch.channels_last
        if workload.precision == "float64" and not on_gpu and layout == torch.channels_last:
            raise Unavailable("on the CPU PyTorch's float64 convolutions know one layout: use the peer torch")
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self.networks = RESNET if workload.model == "resnet" else DCGAN
        self.norm, self.size = workload.norm, (workload.size, workload.size)
        where = {
            "dtype": getattr(torch, np.dtype(PRECISIONS[workload.precision]).name),
            "layout": layout,
            "device": self.device,
        }
        self.G = Player(inputs.G, inputs.G_buffers, where, on_gpu)
        self.D = Player(inputs.D, inputs.D_buffers, where, on_gpu)
        real = torch.tensor(inputs.real, device=self.device).permute(0, 3, 1, 2)
        self.real = real.contiguous(memory_format=layout)
        self.codes = torch.tensor(inputs.codes, device=self.device)
        self.draw, self.judge = self._draw, self._judge
        if name == "torch-compile":
            self._compile()
        self.train = self._shared if workload.schedule == "shared" else self._alternating
        in_graph = name == "torch-graph" or (name == "torch-compile" and on_gpu)
        self.graph = self._capture() if in_graph else None

    def step(self) -> None:
        if self.graph is None:
            self.losses = self.train()
        else:
            self.graph.replay()

    def synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def set_rate(self, rate: float) -> None:
        self.G.set_rate(rate)
        self.D.set_rate(rate)

    def watch(self, on: bool) -> None:
        """Gradients stay in ``.grad`` until the next step anyway."""

    def observed(self) -> dict[str, np.ndarray]:
        return {
            "losses": np.array([loss.item() for loss in self.losses]),
            **{
                f"{which}.{name}": tensor.grad.cpu().numpy().copy()
                for which, player in (("G", self.G), ("D", self.D))
                for name, tensor in player.tensors.items()
            },
        }

    def allocated(self) -> int:
        # Of a step in the long run, without the workspaces that cudnn.benchmark has tried.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        self.step()
        self.synchronise()
        return torch.cuda.max_memory_reserved()

    def _draw(self, codes: torch.Tensor, weights: dict) -> torch.Tensor:
        return self.networks.generator(codes, weights, self.G.buffers, self.size)

    def _judge(self, images: torch.Tensor, weights: dict) -> torch.Tensor:
        return self.networks.discriminator(images, weights, self.D.buffers, self.size)

    def _zero(self) -> None:
        self.G.optimiser.zero_grad(set_to_none=True)
        self.D.optimiser.zero_grad(set_to_none=True)

    def _shared(self) -> tuple[torch.Tensor, ...]:
        self._zero()
        weights = self.networks.effective(self.D.tensors, self.norm)
        fake = self.draw(self.codes[0], self.networks.effective(self.G.tensors, self.norm))
        logits = self.judge(fake, weights)
        g, d_fake = entropy(logits, 1.0), entropy(logits, 0.0)
        g.backward(inputs=self.G.leaves, retain_graph=True)
        d_real = entropy(self.judge(self.real, weights), 1.0)
        (d_real + d_fake).backward(inputs=self.D.leaves)
        self.G.update()
        self.D.update()
        return d_real.detach(), d_fake.detach(), g.detach()

    def _alternating(self) -> tuple[torch.Tensor, ...]:
        self._zero()
        with torch.no_grad():
            fake = self.draw(self.codes[0], self.networks.effective(self.G.tensors, self.norm))
        weights = self.networks.effective(self.D.tensors, self.norm)
        d_real = entropy(self.judge(self.real, weights), 1.0)
        d_fake = entropy(self.judge(fake, weights), 0.0)
        (d_real + d_fake).backward()
        self.D.update()
        with torch.no_grad():
            weights = self.networks.effective(self.D.tensors, self.norm)
        fake = self.draw(self.codes[1], self.networks.effective(self.G.tensors, self.norm))
        g = entropy(self.judge(fake, weights), 1.0)
        g.backward(inputs=self.G.leaves)
        self.G.update()
        return d_real.detach(), d_fake.detach(), g.detach()

    def _compile(self) -> None:
        """Both networks compiled; on a GPU the whole step is then captured as well."""
        # The same graph is gone through twice (retain_graph), so its buffers must not be given away.
        torch._functorch.config.donated_buffer = False
        self.draw, self.judge = torch.compile(self._draw), torch.compile(self._judge)

    def _capture(self) -> torch.cuda.CUDAGraph:
        """The whole step as one CUDA graph; weights, averages and statistics start again afterwards."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_BEFORE_CAPTURE):
                self.train()
        torch.cuda.current_stream().wait_stream(aside)
        self._zero()  # so that the capture makes gradients in the graph's own memory
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.losses = self.train()
        self.G.start_again()
        self.D.start_again()
        return graph


def build(name: str, workload: Workload, inputs: Inputs) -> TorchStep:
    return TorchStep(name, workload, inputs)


def versions() -> dict[str, str]:
    found = {"torch": torch.__version__}
    if torch.version.cuda:
        found |= {"cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version())}
    return found
