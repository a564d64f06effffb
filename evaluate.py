#!/usr/bin/env python3
"""Look at what a run of train.py has learnt: python evaluate.py reconstruct runs/00000-cifar10-wn

Every command takes --help. Results go into the run's folder, under evaluation/.
"""

import sys

from tinygan.signals import begin_script

if __name__ == "__main__":  # first of all, since the imports take a second
    begin_script()

from tinygan.cli.evaluate import main
from tinygan.runtime.launched import run_script

if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
