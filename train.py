#!/usr/bin/env python3
"""Train a GAN: python train.py --norm wn --dataset cifar10 --device gpu

Every option has a default (the paper's DCGAN on the embedded data set); --preset takes a paper run's settings, and
what is typed wins over both. The run gets a folder of its own under --out.
"""

import sys

from tinygan.signals import begin_script

if __name__ == "__main__":  # first of all, since the imports take a second
    begin_script()

from tinygan.cli.train import main
from tinygan.runtime.launched import run_script

if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
