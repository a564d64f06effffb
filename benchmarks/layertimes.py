"""Where the time of a step goes, by network, layer and direction."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tinygan.errors import TinyganError
from tinygan.layers import Layer

Key = tuple[str, str, str]  # network, layer, what it did
UPDATE = ("all", "update")


class Clock:
    """Seconds and calls by key; ``synchronise`` waits until the device has finished what a block started."""

    def __init__(self, synchronise: Callable[[], None]):
        self.synchronise = synchronise
        self.seconds: dict[Key, float] = defaultdict(float)
        self.calls: dict[Key, int] = defaultdict(int)

    @contextmanager
    def timed(self, *key: str) -> Iterator[None]:
        """Add the block's time to ``key``."""
        self.synchronise()
        started = time.perf_counter()
        yield
        self.synchronise()
        self.seconds[key] += time.perf_counter() - started
        self.calls[key] += 1


def measure(contender, steps: int) -> list[dict]:
    """Run ``steps`` eager steps of :class:`benchmarks.peers.own.Tinygan`; one row per key, the longest first.

    Every row has network, layer, what, milliseconds per step and calls per step; the last one is what is left: losses,
    and whatever else is not inside a layer or an update.
    """
    contender.run_eagerly()
    clock = Clock(contender.synchronise)
    with _watched(contender.game, clock), clock.timed("", "", "step"):
        for _ in range(steps):
            contender.step()
    whole = clock.seconds.pop(("", "", "step"))
    if not any(what != UPDATE[1] for _, _, what in clock.seconds):
        raise TinyganError("no layer was called: the step does not run the networks' own layers")
    keys = sorted(clock.seconds, key=clock.seconds.get, reverse=True)
    rows = [(*key, clock.seconds[key], clock.calls[key]) for key in keys]
    rows.append(("", "", "everything else", whole - sum(clock.seconds.values()), steps))
    return [
        {"network": network, "layer": layer, "what": what, "ms": 1e3 * seconds / steps, "calls": calls / steps}
        for network, layer, what, seconds, calls in rows
    ]


@contextmanager
def _watched(game, clock: Clock) -> Iterator[None]:
    """While this context is open, ``clock`` times the layers of both networks and both updates.

    A watched layer gets a class derived from its own, so for everybody else it stays what it is.
    """
    layers = []
    try:
        for which, player in (("G", game.generator), ("D", game.discriminator)):
            for name, layer in player.network.children.items():
                layers.append((layer, type(layer)))
                layer.__class__ = _watched_class(type(layer), clock, which, name)
            player.update = _watched_update(player.update, clock, which)
        yield
    finally:
        for layer, kind in layers:
            layer.__class__ = kind
        for player in (game.generator, game.discriminator):
            player.__dict__.pop("update", None)


def _watched_class(kind: type[Layer], clock: Clock, which: str, name: str) -> type[Layer]:
    def call(self, x, training=False):
        with clock.timed(which, name, "forward"):
            y, backward = kind.__call__(self, x, training)

        def watched_backward(dy, grads=None, need_dx=True):
            what = "input gradient" if grads is None else "both gradients" if need_dx else "weight gradient"
            with clock.timed(which, name, what):
                return backward(dy, grads, need_dx)

        return y, watched_backward

    # The step asks which module a layer's class is from, and takes another way where it is not tinygan's.
    return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})


def _watched_update(update: Callable[[float], None], clock: Clock, which: str) -> Callable[[float], None]:
    def watched(learning_rate: float) -> None:
        with clock.timed(which, *UPDATE):
            update(learning_rate)

    return watched
