"""What an iteration of R ranks sends, and how long it takes: counted, and computed from a few assumptions."""

import math

import numpy as np

from tinygan.runtime.collectives import split_vector

RANKS = tuple(2**k for k in range(11))  # 1 to 1,024
# Seconds that a message needs at least, and bytes per second of each rank's link in each direction.
LINKS = {
    "1 Gbit/s Ethernet": (50e-6, 0.117e9),
    "25 Gbit/s Ethernet": (15e-6, 2.9e9),
    "200 Gbit/s InfiniBand": (2e-6, 24e9),
}
REQUEST = 1024  # bytes that the first rank broadcasts for each iteration
PAYS = 1.1  # twice the ranks pay if an iteration's images come this much faster
ASSUMPTIONS = (
    "a rank is one core as fast as this machine's, on a link of its own, and nothing overlaps;",
    "its step takes a + b·images; request: log2 R messages in turn; short all-gathers: log2 R messages, R − 1 ranks'",
    "bytes; gradients' parts to their owners, and parameters back: R − 1 messages and (R − 1)/R of the vector each.",
)


class Counted:
    """An engine of :mod:`tinygan.runtime.collectives` for one process that writes down what it is asked for.

    Attributes:
        calls: kind and bytes of each: of ``gather`` what a rank gives, of the others the whole vector.
    """

    def __init__(self, size: int):
        self.size, self.rank, self.place = size, 0, 0
        self.calls: list[tuple[str, int]] = []

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        """Everybody gives the same."""
        self.calls.append(("gather", 8 * values.size))
        return np.tile(values.astype(np.float64), (self.size, 1))

    def own_parts(self, vectors: list[np.ndarray]) -> list[np.ndarray]:
        """Only its own."""
        self.calls.append(("parts", vectors[0].nbytes))
        return [vectors[0][split_vector(vectors[0].size, self.size)[0]]]

    def share_parts(self, vector: np.ndarray) -> None:
        """The others' parts stay as they are."""
        self.calls.append(("share", vector.nbytes))


def sent(calls: list[tuple[str, int]], ranks: int) -> dict[str, int]:
    """``messages`` and ``bytes`` that a rank sends in an iteration; the request is forwarded by half of the ranks."""
    if ranks == 1:
        return {"messages": 0, "bytes": 0}
    rounds = math.ceil(math.log2(ranks))
    messages, data = 1, REQUEST
    for kind, size in calls:
        messages += rounds if kind == "gather" else ranks - 1
        data += (ranks - 1) * size if kind == "gather" else (ranks - 1) * size // ranks
    return {"messages": messages, "bytes": data}


def iteration_seconds(
    fixed: float, per_image: float, batch: int, calls: list[tuple[str, int]], ranks: int, link: str
) -> dict[str, float | None]:
    """Of one iteration: ``fixed`` batch (None with more ranks than images) and ``growing`` with the ranks."""
    latency, speed = LINKS[link]
    rounds = math.ceil(math.log2(ranks))
    waiting = rounds * (latency + REQUEST / speed)
    for kind, size in calls if ranks > 1 else ():
        if kind == "gather":
            waiting += rounds * latency + (ranks - 1) * size / speed
        else:
            waiting += (ranks - 1) * latency + (ranks - 1) / ranks * size / speed
    return {
        "fixed": fixed + per_image * math.ceil(batch / ranks) + waiting if ranks <= batch else None,
        "growing": fixed + per_image * batch + waiting,
    }


def speeds(result: dict, batch: int, link: str, how: str) -> dict[int, float]:
    """Images per second by ranks, as computed."""
    seconds = {int(ranks): times[how] for ranks, times in result["computed"][link].items()}
    images = {ranks: batch * (ranks if how == "growing" else 1) for ranks in seconds}
    return {ranks: images[ranks] / time for ranks, time in seconds.items() if time}


def stops_at(speed: dict[int, float]) -> int:
    """The number of ranks from which on twice as many no longer pay."""
    for ranks, value in speed.items():
        if 2 * ranks not in speed or speed[2 * ranks] < PAYS * value:
            return ranks
    return 1


def table(result: dict, batch: int) -> str:
    """Measured, counted, computed, for people."""
    size, norm, measured = result["size"], result["norm"], result["measured"]
    alone = measured[0]["images_per_second"]
    lines = [f"{size}×{size}, {norm}, batch {batch}, schedule shared; load {result['machine']['load'][0]:.1f}"]
    lines.append(f"{'measured':>12} {'images/s':>9} {'of train.py':>11} {'MiB':>6}")
    for ranks, one in measured.items():
        speed = one["images_per_second"]
        name = f"{ranks} ranks" if ranks else "train.py"
        lines.append(f"{name:>12} {speed:>9.1f} {speed / alone:>11.2f} {one['mib']:>6.0f}")
    a, b = (1e3 * result["seconds"][name] for name in ("fixed", "per_image"))
    lines += ["", f"computed, a = {a:.2f} ms, b = {b:.2f} ms; images/s (share of R times one rank's)"]
    lines += [f"  {line}" for line in ASSUMPTIONS]
    for link in LINKS:
        lines += ["", link, f"{'ranks':>6} {'messages':>9} {'MB sent':>9} {'batch ' + str(batch):>16} {'growing':>18}"]
        curves = [speeds(result, batch, link, how) for how in ("fixed", "growing")]
        for ranks in RANKS:
            given = result["sent"][ranks]
            cells = [f"{c[ranks]:.0f} ({c[ranks] / c[1] / ranks:.0%})" if ranks in c else "–" for c in curves]
            lines.append(
                f"{ranks:>6} {given['messages']:>9} {given['bytes'] / 1e6:>9.2f} {cells[0]:>16} {cells[1]:>18}"
            )
        lines.append(f"twice the ranks no longer pay from: {stops_at(curves[0])} and {stops_at(curves[1])}")
    return "\n".join(lines)


def plot(result: dict, batch: int) -> str:
    """SVG: images per second over ranks, both on logarithmic scales; a full line where the batch grows."""
    curves = [(link, how, speeds(result, batch, link, how)) for link in LINKS for how in ("fixed", "growing")]
    highest = max(value for *_, speed in curves for value in speed.values())
    lowest = min(value for *_, speed in curves for value in speed.values())

    def point(ranks: int, value: float) -> str:
        return (
            f"{70 + 60 * math.log2(ranks):.1f},{380 - 340 * math.log(value / lowest) / math.log(highest / lowest):.1f}"
        )

    colours = dict(zip(LINKS, ("#b40", "#07a", "#282"), strict=True))
    parts = [f'<text x="70" y="20">{result["size"]}×{result["size"]}, {result["norm"]}: images per second, computed; '
             f'dashed: batch {batch}, full: {batch} images a rank</text>']  # fmt: skip
    for ranks in RANKS:
        parts.append(f'<text x="{60 + 60 * math.log2(ranks):.0f}" y="405">{ranks}</text>')
    for value in (lowest, highest):
        parts.append(f'<text x="5" y="{point(1, value).split(",")[1]}">{value:.0f}</text>')
    for place, (link, how, speed) in enumerate(curves):
        dash = ' stroke-dasharray="5 4"' if how == "fixed" else ""
        line = " ".join(point(*one) for one in speed.items())
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colours[link]}" stroke-width="2"{dash}/>')
        if how == "growing":
            parts.append(f'<text x="90" y="{50 + 9 * place}" fill="{colours[link]}">{link}</text>')
    style = 'font-family="sans-serif" font-size="13"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 420" {style}>\n{body}\n</svg>\n'
