"""What a type checker tells those who use the package: real types, also through the names imported at first use.

That the package itself is typed strictly is checked by `make lint`, before any test.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinygan

ROOT = Path(tinygan.__file__).parents[1]
USE = """\
import numpy as np
from tinygan import Game, Player, check_gradients, initialise, load_generator, losses, open_backend, rng_for
from tinygan.layers import Linear, Sequential

network = Sequential([Linear(2, 3)])
parameters, buffers = initialise(network, rng_for(0, "typing"))
y, backward = network(np.ones((4, 2), np.float32))
value, gradient = losses.binary_cross_entropy(y[:, 0], 1)
dx = 2 * backward(gradient, parameters)
player = Player(network, rng_for(0, "typing"), open_backend("cpu"))
reveal_type(check_gradients(Linear(5, 3), np.ones((4, 5))))
reveal_type(load_generator("runs/0").code_size)
reveal_type(Game(player, player).share)
check_gradients("no layer", np.ones(3))
losses.binary_cross_entropy(y, "real")
"""


def test_users_see_the_types(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "use.py").write_text(USE)
    # A cache of its own: with other settings mypy would begin anew, here and when it checks the package.
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache" / "use"), "use.py"]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    found = [line for line in said.split("\n") if line.startswith("use.py:")]
    assert [re.sub("^use.py:", "", line) for line in found] == [
        '11: note: Revealed type is "float"',
        '12: note: Revealed type is "int"',
        '13: note: Revealed type is "float"',
        '14: error: Argument 1 to "check_gradients" has incompatible type "str"; expected "Layer"  [arg-type]',
        '15: error: Argument 2 to "binary_cross_entropy" has incompatible type "str"; expected "int"  [arg-type]',
    ]


def test_type_checkers_know_every_lazy_name():
    text = (ROOT / "tinygan" / "__init__.py").read_text()
    known = set(re.findall(r"import \w+ as (\w+)", text))
    assert known == set(tinygan.__all__)
