"""Affine weight norm (γ and β in every layer, PReLU) beside the strict one (TPReLU).

    python -m experiments.affine --data-dir D --iterations 10000 --out runs/three-models

With the ``--out`` of three_models its wn runs are used, not trained again.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import sys

from experiments.plan import Member, members
from experiments.runner import run_experiment
from tinygan.errors import run_script

MODELS = ("wn", "wn-affine")
SETTINGS = ()


def plan(seeds: tuple[int, ...]) -> list[Member]:
    """Both models of each seed."""
    return members(MODELS, seeds, SETTINGS)


def main(arguments: list[str]) -> None:
    """Do whatever is still to be done."""
    run_experiment("affine", __doc__.splitlines()[0], plan, arguments)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
