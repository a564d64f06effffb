#!/usr/bin/env python3
"""Prepare a data set once: python data_prep.py celeba --source img_align_celeba/ --image-size 64 --out data/celeba64

Makes a folder of ready pixels that train.py --data-dir opens at once. Every command takes --help.
"""

import sys

from tinygan.signals import begin_script

if __name__ == "__main__":  # first of all, since the imports take a second
    begin_script()

from tinygan.cli.data import main
from tinygan.runtime.launched import run_script

if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
