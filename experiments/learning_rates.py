"""How stable the three models are at four learning rates, from half of the paper's usual one to four times it.

    python -m experiments.learning_rates --data-dir D --iterations 5000

A training that ends early, its losses no longer finite, is named in ``ended-early.txt``; the others go on.
"""

import sys
from functools import partial

from experiments.plan import Member, members
from experiments.runner import run_experiment
from tinygan.errors import run_script

MODELS = ("wn", "bn", "none")
RATES = (5e-5, 1e-4, 2e-4, 4e-4)


def plan(seeds: list[int]) -> list[Member]:
    """Each model of each seed at each rate, which is in the name too: seed0-lr5e-05."""
    return [
        (*one[:-1], f"{one[-1]}-lr{rate:.0e}", "--learning-rate", str(rate))
        for rate in RATES
        for one in members(MODELS, seeds)
    ]


main = partial(run_experiment, "learning_rates", __doc__, plan)

if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
