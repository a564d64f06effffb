"""The paper's experiments, each one command.

three_models.py    vanilla, batch norm and weight norm
learning_rates.py  the same three at four learning rates
affine.py          affine weight norm beside the strict one
resnet.py          the three in a residual network

plan.py says what an experiment trains and refuses runs that are something else, options.py what it can be told;
runner.py does it, deadline.py ends it in time, collect.py keeps what is worth keeping, agreement.py asks whether other
measures follow the running loss.
"""

import sys

from tinygan.signals import begin_script

if sys.argv[0] == "-m":  # that is what it is while Python finds the module to run: before any import that takes time
    begin_script()
