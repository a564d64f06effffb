"""Affine weight norm (γ and β in every layer, PReLU) beside the strict one (TPReLU).

    python -m experiments.affine --data-dir D --iterations 10000 --out runs/three-models

With the ``--out`` of three_models its wn runs are used, not trained again.
"""

import sys
from functools import partial

from experiments.plan import members
from experiments.runner import run_experiment
from tinygan.errors import run_script

MODELS = ("wn", "wn-affine")

main = partial(run_experiment, "affine", __doc__, lambda seeds: members(MODELS, seeds))

if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
