"""The paper's question asked of a residual network: vanilla, batch norm and weight norm, small enough for two cores.

    python -m experiments.resnet --data-dir D --iterations 10000

The settings are those of train.py's preset resnet-cifar10; the paper's 21 layers want a GPU.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import sys

from experiments.plan import Member, members
from experiments.runner import run_experiment
from tinygan.errors import run_script

MODELS = ("none", "bn", "wn")
SETTINGS = ("--preset", "resnet-cifar10")


def plan(seeds: tuple[int, ...]) -> list[Member]:
    """The three models of each seed."""
    return members(MODELS, seeds, SETTINGS)


def main(arguments: list[str]) -> None:
    """Do whatever is still to be done."""
    run_experiment("resnet", __doc__.splitlines()[0], plan, arguments)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
