"""The wheel, built and installed outside the checkout: every file that is read at run time is in it, and it runs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tinygan

ROOT = Path(tinygan.__file__).parents[1]
TINY = ["--features", "4", "--code-size", "4", "--batch-size", "4", "--iterations", "2", "--test-every", "2"]


def command(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since a build leaves files beside the source."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "LICENSE", "docs/package.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "tinygan", folder / "tinygan", ignore=shutil.ignore_patterns("__pycache__"))
    command(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder / "out",
        folder,
        cwd=folder,
    )
    (built,) = (folder / "out").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The bin folder of an environment with the wheel in it; what the wheel needs comes from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = sys.executable, "-m", "pip", "--python", scripts / "python"
    command(*pip, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    site = next(folder.glob("[Ll]ib/**/site-packages"))
    (site / "needs.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    return scripts


def test_the_wheel_holds_what_the_source_holds(wheel):
    """Style sheets, scripts of the pages and CUDA sources too; the licence; and nothing but the package."""
    names = set(zipfile.ZipFile(wheel).namelist())
    source = [file.relative_to(ROOT).as_posix() for file in (ROOT / "tinygan").rglob("*") if file.is_file()]
    assert {name for name in source if "__pycache__" not in name} <= names
    assert "tinygan/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"tinygan", f"tinygan-{tinygan.__version__}.dist-info"}
    text = zipfile.ZipFile(wheel).read(f"tinygan-{tinygan.__version__}.dist-info/METADATA").decode()
    for line in ("License-Expression: MIT", "License-File: LICENSE", "Requires-Python: >=3.11", "Project-URL: Paper"):
        assert line in text
    assert "![" not in text  # a picture of the repository would be missing on the package's page
    assert "](results" not in text


def test_the_installed_command_trains_evaluates_and_prepares(installed, tmp_path):
    """Away from the checkout, each command once, and under its own name in what it says."""

    def run(*words: object) -> str:
        return command(installed / "tinygan", *words, cwd=tmp_path).stdout

    assert run("--version") == f"tinygan {tinygan.__version__}\n"
    assert "\n  tinygan train --norm wn " in run("train", "--help")
    run("train", *TINY)
    folder = tmp_path / "runs" / "00000-shapes-wn"
    assert (folder / "checkpoints" / "last.safetensors").is_file()
    assert '"tinygan train --features 4' in (folder / "config.json").read_text()
    run("evaluate", "report", "latest", "--out", "report.html")
    run("evaluate", "explore", "latest", "--checkpoint", "last", "--out", "explore.html")
    assert "<style>" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "explore.html").stat().st_size > 10_000
    images = tmp_path / "images"
    run("evaluate", "samples", "latest", "--checkpoint", "last", "--count", 8, "--png-folder", images)
    assert "tinygan train --data-dir set" in run(
        "data", "folder", "--source", images, "--image-size", 8, "--out", "set"
    )
    done = command(installed / "python", "-m", "tinygan", "data", "info", "set", cwd=tmp_path)
    assert "8 images" in done.stdout
    source = command(installed / "python", "-c", "import tinygan; print(tinygan.__file__)", cwd=tmp_path).stdout
    assert not Path(source).is_relative_to(ROOT)


def test_one_version_everywhere():
    assert f"\nversion: {tinygan.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {tinygan.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_names_of_the_command():
    """As the command, what is said names the command; a path of the user's stays as it is."""
    code = "from tinygan import text; text.started_as('tinygan', 'train'); text.say('train.py x/train.py my-train.py')"
    done = command(sys.executable, "-c", code, cwd=ROOT)
    assert done.stdout == "tinygan train x/train.py my-train.py\n"
    assert "tinygan" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def test_examples_of_the_readme_leave_nothing_untracked():
    """Whatever they write is ignored by git."""
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^    .*(?:train|evaluate|data_prep)\.py .*", text, re.M)
    written = {path for line in commands for path in re.findall(r"--(?:out|npz|png-folder) ([\w./]+)", line)}
    assert len(written) >= 8
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split("\n") if line[:1] == "/"}
    left = [path for path in written if not any(Path(path.split("/")[0]).match(name) for name in ignored)]
    assert not left
