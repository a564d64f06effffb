"""train.py on networks of one's own, and on the formulas of the reference."""

import pytest

from tinygan.cli import train
from tinygan.device import open_backend
from tinygan.errors import UsageError, run_script
from tinygan.evaluation.trained import open_run
from tinygan.training.dryrun import _network_table
from tinygan.training.options import Options
from tinygan.training.runfolder import RunFolder
from tinygan.training.session import build_game

TINY = ["--dataset", "shapes", "--batch-size", "8", "--code-size", "6", "--features", "4", "--iterations", "4"]
TINY += ["--log-every", "2", "--test-every", "0", "--device", "cpu"]
NETWORKS = """
from tinygan import Layer
from tinygan.layers import Conv2d, ConvTranspose2d, Linear, Reshape, ScaleShift, Sequential, Sigmoid, PReLU

def build(image_size, code_size, features, norm):
    H, W = image_size
    G = Sequential([Linear(code_size, H * W // 16 * features), Reshape((H // 4, W // 4, features)), PReLU(features),
                    ConvTranspose2d(features, 3, 4, stride=4), Sigmoid()])
    last = Conv2d(features, 1, (H // 4, W // 4))
    return G, Sequential([Conv2d(3, features, 4, stride=4), PReLU(features), last, Reshape(())])

def too_small(image_size, **others):
    return build((8, 8), **others)

class Skip(Layer):
    def __init__(self, layer):
        super().__init__()
        self.inner, self.scale = self.child("inner", layer), self.child("scale", ScaleShift(1))

    def __call__(self, x, training=False):
        y, backward = self.scale(x.mean(axis=(1, 2, 3))[:, None], training)
        z, inner_backward = self.inner(x, training)
        return y[:, 0] + z, None

def by_branches(**options):
    G, D = build(**options)
    return G, Skip(D)

def nothing(**others):
    return None

def nothing_of_it(size, **others):
    return None
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)


def test_networks_of_ones_own_train_resume_and_open(own, tmp_path):
    arguments = [*TINY, "--model", "mine:build", "--out", str(tmp_path / "runs")]
    assert run_script(train.main, arguments) == 0
    folder = RunFolder(tmp_path / "runs" / "00000-shapes-mine-build-wn")
    assert len(folder.read_log()) == 2
    assert run_script(train.main, ["--resume", str(folder.path), "--iterations", "6"]) == 0
    assert open_run(folder.path, "last").iteration == 6


def test_a_dry_run_of_a_network_whose_layers_are_not_in_a_row(own):
    """What goes into each of them is known to its author alone."""
    options = Options(model="mine:by_branches", features=4, code_size=6, batch_size=8, device="cpu")
    game = build_game(options, open_backend("cpu"))
    table = _network_table("discriminator", game.discriminator.network, (32, 32, 3), game)
    assert [line.split()[:2] for line in table[1:-1]] == [["inner", "Sequential"], ["scale", "scale"]]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("mine:build2", "--model mine:build2: .*; name a function of a module in this folder or on PYTHONPATH"),
        ("other_module:build", "No module named 'other_module'"),
        ("mine:nothing", "--model mine:nothing returned None: return two layers"),
        ("mine:too_small", r"G gives \(1, 8, 8, 3\) and D \(1,\); expected \(1, 32, 32, 3\) and \(1,\)"),
        ("mine:nothing_of_it", "missing a required argument: 'size'; it is called with image_size, code_size"),
        ("os:sep", "--model os:sep: .*; it is called with image_size, code_size"),
        ("builtins:type", "--model builtins:type: no signature found .*; it is called with"),
        ("mine", "unknown model 'mine'"),
        ("mine:a b", "unknown model"),
    ],
)
def test_what_cannot_be_built_is_one_line(own, tmp_path, model, says):
    with pytest.raises(UsageError, match=says):
        train.main([*TINY, "--model", model, "--out", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()


def test_the_whole_program_on_the_formulas(tmp_path):
    """The first losses agree in float32; a resumed run goes on on what it is told."""
    logs = []
    for name in ("fast", "reference"):
        out = tmp_path / name
        assert (
            run_script(train.main, [*TINY, "--features", "8", "--ops", name, "--iterations", "1", "--out", str(out)])
            == 0
        )
        logs.append(RunFolder(next(out.iterdir())).read_log()[0])
    for loss in ("d_real", "d_fake", "g"):
        assert logs[0][loss] == pytest.approx(logs[1][loss], abs=1e-5)
    assert run_script(train.main, ["--resume", str(next(out.iterdir())), "--iterations", "2", "--ops", "fast"]) == 0
