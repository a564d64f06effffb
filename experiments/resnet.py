"""The paper's question asked of a residual network: vanilla, batch norm and weight norm, small enough for two cores.

    python -m experiments.resnet --data-dir D --iterations 10000

The settings are those of train.py's preset resnet-cifar10; the paper's 21 layers want a GPU.
"""

import sys
from functools import partial

from experiments.plan import members
from experiments.runner import run_experiment
from tinygan.errors import run_script

MODELS = ("none", "bn", "wn")
SETTINGS = ("--preset", "resnet-cifar10")

main = partial(run_experiment, "resnet", __doc__, lambda seeds: members(MODELS, seeds, SETTINGS))

if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
