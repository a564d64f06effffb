"""The paper's comparison: vanilla, batch norm and weight norm, by reconstruction loss.

    python -m experiments.three_models --dataset cifar10 --data-dir D --iterations 10000 --seeds 0

Trains each model from each seed with the paper's settings (train.py's defaults), runs the final test on the best
checkpoint of each, and writes table, logs and last pictures into ``--results``. It can be stopped and started: what is
finished is not done again, an unfinished run or test goes on where it was. With ``--interleave 1000`` all models
advance in turn, so that at any moment they can be compared at the same iteration.
"""

import sys
from functools import partial

from experiments.plan import members
from experiments.runner import run_experiment
from tinygan.errors import run_script

MODELS = ("none", "bn", "wn")

main = partial(run_experiment, "three_models", __doc__, lambda seeds: members(MODELS, seeds))

if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
