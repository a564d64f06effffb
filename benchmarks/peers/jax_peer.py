"""JAX's side: the whole step one ``jax.jit`` with donated state, convolutions in NHWC, as its documentation advises.

Parameters keep tinygan's names and axis orders. Gradients are taken with ``jax.vjp``; what nobody uses of them (D's
weight gradients in G's pass) the compiler leaves out. The step that shows its gradients is compiled apart, so that the
one that is timed need not keep them.
"""

from functools import partial

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from benchmarks.peers import Unavailable
from benchmarks.workload import LEARNING_RATE, Inputs, Workload
from tinygan.models.dcgan import pyramid

NHWC = ("NHWC", "HWIO", "NHWC")
DECAY, EPSILON = 0.9, 1e-6  # RMSProp
ACCURACY = {"tf32": "tensorfloat32", "float32": "highest", "float64": "highest"}

Arrays = dict[str, jax.Array]


def weight(p: Arrays, name: str, norm: str) -> jax.Array:
    """The weight as the layer uses it: normalised and scaled under weight norm."""
    w = p[f"{name}.w"]
    if norm in ("none", "bn"):
        return w
    transposed = name.startswith("up")
    axes = (0, 1, 3) if transposed else tuple(range(w.ndim - 1))
    w = w / jnp.sqrt((1 / 4 if transposed else 1) * jnp.sum(w * w, axes, keepdims=True) + 1e-6)
    if f"{name}.scale" in p:
        scale = p[f"{name}.scale"]
        w = w * (scale[:, None] if transposed else scale)
    return w


def weighted(x: jax.Array, p: Arrays, name: str, norm: str, pad=(0, 0)) -> jax.Array:
    """Linear, convolution (stride 2), or transposed convolution; "last" sees the whole map at once."""
    w = weight(p, name, norm)
    if name.startswith("down"):
        y = lax.conv_general_dilated(x, w, (2, 2), [(q, q) for q in pad], dimension_numbers=NHWC)
    elif name.startswith("up"):
        # The adjoint of a convolution is one with the flipped kernel over the image with zeros between its pixels.
        w = w[::-1, ::-1].swapaxes(2, 3)
        y = lax.conv_general_dilated(
            x, w, (1, 1), [(3 - q, 3 - q) for q in pad], lhs_dilation=(2, 2), dimension_numbers=NHWC
        )
    else:
        y = x.reshape(len(x), -1) @ w.reshape(-1, w.shape[-1])
    b = p.get(f"{name}.b", p.get(f"{name}.bias"))
    return y if b is None else y + b


def activated(x: jax.Array, p: Arrays, buffers: Arrays, name: str) -> tuple[jax.Array, Arrays]:
    """Batch norm where there is one, then the rectifier; and the running statistics that moved."""
    moved = {}
    if f"{name}_norm.scale" in p:
        axes, count = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
        mean, var = jnp.mean(x, axes), jnp.var(x, axes)
        for kind, value in (("mean", mean), ("var", var * (count / (count - 1)))):
            running = f"{name}_norm.running_{kind}"
            moved[running] = 0.9 * buffers[running] + 0.1 * value
        x = (x - mean) * (lax.rsqrt(var + 1e-5) * p[f"{name}_norm.scale"]) + p[f"{name}_norm.shift"]
    b = p.get(f"{name}_act.shift", 0.0)
    return jnp.where(x >= b, x, b + p[f"{name}_act.slope"] * (x - b)), moved


def draw(p: Arrays, buffers: Arrays, codes: jax.Array, norm: str, size) -> tuple[jax.Array, Arrays]:
    """Images (N, H, W, 3), and G's running statistics after them."""
    sides, pads = pyramid(size)
    x = weighted(codes, p, "linear", norm)
    x, moved = activated(x.reshape(len(x), *sides[-1], -1), p, buffers, "linear")
    for level in reversed(range(len(pads))):
        x = weighted(x, p, f"up{level}", norm, pads[level])
        if level:
            x, more = activated(x, p, buffers, f"up{level}")
            moved |= more
    return jax.nn.sigmoid(x), moved


def judge(p: Arrays, buffers: Arrays, x: jax.Array, norm: str, size) -> tuple[jax.Array, Arrays]:
    """Logits (N,), and D's running statistics after them."""
    moved = {}
    for level, pad in enumerate(pyramid(size)[1]):
        x, more = activated(weighted(x, p, f"down{level}", norm, pad), p, buffers, f"down{level}")
        moved |= more
    return weighted(x, p, "last", norm).reshape(-1), moved


def entropy(logits: jax.Array, target: int) -> jax.Array:
    return jnp.mean(jax.nn.softplus((1 - 2 * target) * logits))


def updated(p: Arrays, average: Arrays, grads: Arrays, rate: jax.Array) -> tuple[Arrays, Arrays]:
    """RMSProp; slopes stay in [0, 1]."""
    average = {name: DECAY * a + (1 - DECAY) * grads[name] ** 2 for name, a in average.items()}
    p = {name: w - rate * grads[name] / (jnp.sqrt(average[name]) + EPSILON) for name, w in p.items()}
    return {name: jnp.clip(w, 0, 1) if name.endswith(".slope") else w for name, w in p.items()}, average


def learn_to_judge(judging, D: Arrays, buffers: Arrays, images: jax.Array, target: int):
    """D's loss on ``images``, its gradients, and the running statistics."""

    def loss(p):
        logits, moved = judging(p, buffers, images)
        return entropy(logits, target), moved

    (value, moved), grads = jax.value_and_grad(loss, has_aux=True)(D)
    return value, grads, moved


def added(a: Arrays, b: Arrays) -> Arrays:
    return jax.tree.map(jnp.add, a, b)


def shared(state: dict, real: jax.Array, codes: jax.Array, rate: jax.Array, drawing, judging):
    """One generated batch and one judgement of it serve both."""
    G, D = state["G"], state["D"]
    fake, back_to_g, G_buffers = jax.vjp(lambda p: drawing(p, state["G_buffers"], codes[0]), G, has_aux=True)
    logits, back, D_buffers = jax.vjp(lambda p, x: judging(p, state["D_buffers"], x), D, fake, has_aux=True)
    g, g_dlogits = jax.value_and_grad(entropy)(logits, 1)
    d_fake, d_dlogits = jax.value_and_grad(entropy)(logits, 0)
    (G_grads,) = back_to_g(back(g_dlogits)[1])
    d_real, on_real, D_buffers = learn_to_judge(judging, D, D_buffers, real, 1)
    D_grads = added(back(d_dlogits)[0], on_real)
    G, G_average = updated(G, state["G_average"], G_grads, rate)
    D, D_average = updated(D, state["D_average"], D_grads, rate)
    return (G, D, G_buffers, D_buffers, G_average, D_average), (d_real, d_fake, g), (G_grads, D_grads)


def alternating(state: dict, real: jax.Array, codes: jax.Array, rate: jax.Array, drawing, judging):
    """D learns first; then G learns against the new D, on fresh noise."""
    G, D = state["G"], state["D"]
    fake, G_buffers = drawing(G, state["G_buffers"], codes[0])
    d_real, on_real, D_buffers = learn_to_judge(judging, D, state["D_buffers"], real, 1)
    d_fake, on_fake, D_buffers = learn_to_judge(judging, D, D_buffers, fake, 0)
    D_grads = added(on_real, on_fake)
    D, D_average = updated(D, state["D_average"], D_grads, rate)

    def loss(p):
        images, g_moved = drawing(p, G_buffers, codes[1])
        logits, d_moved = judging(D, D_buffers, images)
        return entropy(logits, 1), (g_moved, d_moved)

    (g, (G_buffers, D_buffers)), G_grads = jax.value_and_grad(loss, has_aux=True)(G)
    G, G_average = updated(G, state["G_average"], G_grads, rate)
    return (G, D, G_buffers, D_buffers, G_average, D_average), (d_real, d_fake, g), (G_grads, D_grads)


STATE = ("G", "D", "G_buffers", "D_buffers", "G_average", "D_average")
STEPS = {"shared": shared, "alternating": alternating}


class JaxStep:
    """See ``benchmarks.peers``."""

    def __init__(self, workload: Workload, inputs: Inputs):
        jax.config.update("jax_enable_x64", workload.precision == "float64")
        jax.config.update("jax_default_matmul_precision", ACCURACY[workload.precision])
        try:
            self.device = jax.devices(workload.device)[0]
        except RuntimeError as error:
            raise Unavailable(f"JAX {jax.__version__} finds no {workload.device}: {error}") from error
        averages = [{name: np.zeros_like(value) for name, value in values.items()} for values in inputs[:2]]
        state = dict(zip(STATE, (*inputs[:4], *averages), strict=True))
        self.state, self.real, self.codes = jax.device_put((state, inputs.real, inputs.codes), self.device)
        size = (workload.size, workload.size)
        keywords = {"norm": workload.norm, "size": size}
        train = partial(STEPS[workload.schedule], drawing=partial(draw, **keywords), judging=partial(judge, **keywords))

        def step(state, real, codes, rate, with_gradients):
            new, losses, grads = train(state, real, codes, rate)
            return dict(zip(STATE, new, strict=True)), losses, grads if with_gradients else None

        self.train = jax.jit(step, donate_argnums=0, static_argnums=4)
        self.watched = False
        self.set_rate(LEARNING_RATE)

    def step(self) -> None:
        self.state, self.losses, self.grads = self.train(self.state, self.real, self.codes, self.rate, self.watched)

    def set_rate(self, rate: float) -> None:
        self.rate = jax.device_put(self.real.dtype.type(rate), self.device)

    def synchronise(self) -> None:
        jax.block_until_ready(self.state)

    def watch(self, on: bool) -> None:
        self.watched = on

    def observed(self) -> dict[str, np.ndarray]:
        grads = zip("GD", self.grads, strict=True)
        return {
            "losses": np.array([float(loss) for loss in self.losses]),
            **{f"{which}.{name}": np.array(x) for which, arrays in grads for name, x in arrays.items()},
        }

    def allocated(self) -> int:
        return self.device.memory_stats()["peak_bytes_in_use"]


def build(name: str, workload: Workload, inputs: Inputs) -> JaxStep:
    if workload.model != "dcgan":
        raise Unavailable("the peer jax has no residual networks")
    return JaxStep(workload, inputs)


def versions() -> dict[str, str]:
    return {"jax": jax.__version__}
