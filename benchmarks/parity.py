"""Whether two contenders do the same work: losses and all gradients, before anything is timed."""

import numpy as np

# Of losses and of gradients: norm of the difference over the norm, for each array. In float32, rounding puts single
# rectified units on the other side of their kink, which moves a gradient by up to 1e-3; TF32's 10-bit mantissa does so
# to one unit in a thousand: rounding tinygan's factors that way moved G's first gradients by 3 to 4 % at 32×32.
LOSSES = {"float64": 1e-9, "float32": 1e-3, "tf32": 1e-2}
GRADIENTS = {"float64": 1e-9, "float32": 1e-2, "tf32": 2e-1}


def disagreement(ours: list[dict], theirs: list[dict]) -> dict[str, float]:
    """The errors of ``theirs`` by name: ``losses``, each gradient, and ``later losses``.

    Args:
        ours, theirs: what the first steps showed, as ``Contender.ask("observe")`` returns it.

    A bias in front of batch norm has gradient 0, so both sides hold nothing but rounding; its error is then measured
    against the gradient of that layer's weight. (G's linear layer has a bias per pixel, which batch norm keeps.)
    """
    if set(ours[0]) != set(theirs[0]):
        return {name: float("inf") for name in set(ours[0]) ^ set(theirs[0])}
    errors = {}
    for name, expected in ours[0].items():
        layer = name.removesuffix(".b")
        cancelled = layer != name and f"{layer}_norm.scale" in ours[0] and not layer.endswith(".linear")
        errors[name] = _error(theirs[0][name], expected, ours[0][f"{layer}.w"] if cancelled else expected)
    later = [np.concatenate([one["losses"] for one in seen[1:]]) for seen in (theirs, ours)]
    errors["later losses"] = _error(*later, later[1])
    return errors


def tolerance(name: str, precision: str) -> float:
    """The largest error that still counts as agreement."""
    return (LOSSES if name in ("losses", "later losses") else GRADIENTS)[precision]


def worst(errors: dict[str, float], precision: str) -> tuple[str, float] | None:
    """Name and error of the largest that is above its tolerance; None if all agree."""
    wrong = {name: error for name, error in errors.items() if not error <= tolerance(name, precision)}
    return max(wrong.items(), key=lambda item: item[1]) if wrong else None


def _error(actual: np.ndarray, expected: np.ndarray, yardstick: np.ndarray) -> float:
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        return float("inf")
    scale = float(np.sqrt(np.mean(np.square(yardstick, dtype=np.float64))))
    difference = float(np.sqrt(np.mean(np.square(actual.astype(np.float64) - expected))))
    return difference / scale if scale else float(difference > 0)
