"""Two contenders in turn, A B A B, and what the pairs say."""

import statistics
import time
from collections.abc import Callable

WARM_UP_SECONDS, WARM_UP_STEPS = 1.0, 5
TURN_SECONDS = 0.3  # a turn takes about this long, so that the clock and the pipe do not matter
# Threads without work keep spinning for a moment (OpenBLAS, OpenMP); each turn starts when they have stopped.
SETTLE_SECONDS = 0.1

Run = Callable[[int], float]  # a number of steps -> seconds per step


def timed(contender, steps: int) -> float:
    """Seconds per step of ``steps`` steps, the device synchronised before and after."""
    contender.synchronise()
    started = time.perf_counter()
    for _ in range(steps):
        contender.step()
    contender.synchronise()
    return (time.perf_counter() - started) / steps


def warm_up(run: Run) -> float:
    """Run until the processor's clock rate is steady; seconds per step at the end."""
    until = time.monotonic() + WARM_UP_SECONDS
    seconds = run(WARM_UP_STEPS)
    while time.monotonic() < until:
        seconds = run(WARM_UP_STEPS)
    return seconds


def steps_per_turn(seconds: float) -> int:
    """How many steps of ``seconds`` fill a turn."""
    return max(1, round(TURN_SECONDS / seconds))


def summary(values: list[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def in_turn(ours: Run, theirs: Run, pairs: int, between: Callable[[], None] | None = None) -> dict:
    """``pairs`` times a turn of ours and a turn of theirs, after a warm-up of both.

    ``between`` is called before every turn. Returns seconds per step of every turn, ratios ours/theirs pair by pair,
    and their summaries.
    """
    counts = [steps_per_turn(warm_up(run)) for run in (ours, theirs)]
    seconds = [], []
    for _ in range(pairs):
        for run, count, times in zip((ours, theirs), counts, seconds, strict=True):
            time.sleep(SETTLE_SECONDS)
            if between:
                between()
            times.append(run(count))
    ratios = [a / b for a, b in zip(*seconds, strict=True)]
    return {
        "steps_per_turn": counts,
        "seconds": {"tinygan": seconds[0], "peer": seconds[1]},
        "ratios": ratios,
        "summary": {
            "tinygan": summary(seconds[0]),
            "peer": summary(seconds[1]),
            "ratio": summary(ratios),
        },
    }
