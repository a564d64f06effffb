"""What goes to a terminal: any encoding, any name, closed streams."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.conftest import write_pictures
from tinygan.text import PLAIN, how_to_install, printable

ROOT = Path(__file__).parent.parent
TINY = ["--features", "2", "--code-size", "4", "--batch-size", "5", "--device", "cpu", "--log-every", "1"]
TINY += ["--test-every", "1", "--iterations", "1"]
ENCODINGS = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


# Several commands in one process, which would take longer to begin than to run them; their exit codes come last.
SEVERAL = """
import json, sys
from tinygan.signals import begin_script
begin_script()
import evaluate, train
from tinygan.errors import run_script
codes = []
for script, *arguments in json.loads(sys.argv[1]):
    try:
        codes.append(run_script({"train.py": train, "evaluate.py": evaluate}[script].main, arguments))
    except SystemExit as stop:
        codes.append(stop.code)
print(codes)
"""


def call(script, *arguments, shell="", **environment):
    """(exit code, stdout, stderr) of a script in a process of its own, as bytes."""
    command = [sys.executable, script if script == "-c" else ROOT / script, *arguments]
    if shell:
        command = ["bash", "-c", f'exec "$@" {shell}', "bash", *command]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run on a folder of images, one of whose names is not UTF-8, in a folder whose name would clear the screen."""
    out = tmp_path_factory.mktemp("text") / "a\x1b[2Jb\nc"
    write_pictures(out / "photos", 40, height=8, width=8)
    os.rename(out / "photos" / "007.png", os.fsencode(out / "photos") + b"/Gr\xf6\xdfe.png")
    data = ["--dataset", "folder", "--data-dir", str(out / "photos"), "--image-size", "8"]
    code, said, err = call("train.py", *data, *TINY, "--norm", "wn", "--out", str(out / "runs"))
    assert (code, err) == (0, b"")
    assert_harmless(said)
    return out / "runs" / "00000-folder-wn"


def assert_harmless(said):
    """Nothing but lines of visible characters."""
    text = said.decode()
    assert "Traceback" not in text
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_whatever_the_encoding_everything_is_said(encoding, run_folder):
    commands = (
        ("train.py", "--dry-run", "--model", "resnet", *TINY),
        ("train.py", "--help"),
        ("evaluate.py", "reconstruct", run_folder, "--steps", "1", "--device", "cpu"),
        ("evaluate.py", "reconstruct", "--help"),
        ("evaluate.py", "compare", run_folder, run_folder),
        ("train.py", "--name", "×−±"),
    )
    typed = json.dumps([[str(word) for word in command] for command in commands])
    environment = {"PYTHONPATH": str(ROOT)} | ENCODINGS[encoding]
    code, out, err = call("-c", SEVERAL, typed, **environment)
    assert code == 0, err
    text = (out + err).decode("cp1252" if encoding == "cp1252" else "ascii")
    assert "[0, 0, 0, 0, 0, 2]" in text
    assert "Traceback" not in text
    assert "\x1b" not in text
    if encoding != "cp1252":
        assert "input 32x32x3" in text
        assert " +- " in text
        assert "|z|^2/dim" in text


def test_names_that_are_not_utf8_pack_and_are_listed(tmp_path):
    write_pictures(tmp_path / "src" / "b", 3)
    write_pictures(tmp_path / "src" / "a", 3)
    folder = os.fsencode(tmp_path / "src")
    for name in (b"/Notizen.Gr\xf6\xdfe", b"/a/kaputt\xff.png"):
        with open(folder + name, "wb") as file:
            file.write(b"x")
    os.rename(folder + b"/b", folder + b"/b\xe9te")
    for out in ("set", os.fsdecode(b"s\xe9t")):
        command = ["data_prep.py", "folder", "--source", tmp_path / "src", "--out", tmp_path / out]
        code, said, err = call(*command, "--image-size", "8", "--processes", "1", "--max-skipped", "50")
        assert (code, err) == (0, b"")
        assert_harmless(said)
        for name in (rb".gr\udcf6\udcdfe", rb"kaputt\udcff.png", rb"b\udce9te 3"):
            assert name in said
        assert call("data_prep.py", "info", tmp_path / out, "--verify")[0] == 0


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams(closed, tmp_path):
    """Nothing is opened under their numbers: what a library prints there would land in the log."""
    write_pictures(tmp_path / "photos", 40, height=8, width=8)
    data = ["--dataset", "folder", "--data-dir", tmp_path / "photos", "--image-size", "8"]
    assert call("train.py", *data, *TINY, "--out", tmp_path / "runs", shell=closed)[::2] == (0, b"")
    assert (tmp_path / "runs/00000-folder-wn/log.jsonl").read_text().startswith('{"iteration": 1')
    assert call("train.py", "--batch-size", "0", shell=closed)[0] == 2


def test_a_reader_that_has_gone_is_one_line():
    """As with ``| head``."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, ROOT / "train.py", "--dry-run", *TINY]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"error: operating system: Broken pipe\n")


def test_nothing_prints_past_the_one_printer():
    """``say`` escapes what would steer a terminal; ``print`` does not."""
    files = [*ROOT.glob("*.py")]
    for folder in ("tinygan", "experiments", "benchmarks"):
        files += (ROOT / folder).rglob("*.py")
    prints = {
        str(file.relative_to(ROOT))
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    }
    assert prints == {"tinygan/text.py"}


def test_what_is_not_visible_is_escaped():
    assert printable("a\x1b[2J\r\n\t\x00\x9b\u202e\u2028\udcf6é×\\") == (
        r"a\x1b[2J\r\n\t\x00\x9b\u202e\u2028\udcf6é×" + "\\"
    )


def test_our_own_characters_have_plain_ones():
    used = {
        character
        for file in [*ROOT.glob("*.py"), *(ROOT / "tinygan").rglob("*.py")]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) and file.parent.name != "report"  # a page, not a terminal
        for part in node.values
        if isinstance(part, ast.Constant)
        for character in part.value
        if ord(character) > 127
    }
    assert used <= {chr(code) for code in PLAIN}


def test_what_is_told_to_type_is_typed_alike_everywhere():
    """No shell and no place of an environment is assumed: how to install is said by one function, and so in README."""
    for file in sorted((ROOT / "tinygan").rglob("*.py")):
        text = file.read_text()
        assert ".venv" not in text, file
        assert text.count("pip install -e") == (2 if file.name == "text.py" else 0), file
    readme = (ROOT / "README.md").read_text()
    for extra in ("cuda13", "mpi", "lsun"):
        assert how_to_install(extra).partition(" -m ")[2] in readme
