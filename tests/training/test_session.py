"""What a run notes about the source tree that it came from."""

import os
import subprocess

import pytest

import tinygan
from tinygan.training.session import git_commit


@pytest.fixture(autouse=True)
def _git_without_this_machine(monkeypatch):
    """In a hook of git's GIT_DIR is the checkout of the one who commits, and settings may ask for a signature."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout of one file that stands for tinygan's, and a function that runs git in it."""

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "__init__.py").write_text("one\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    monkeypatch.setattr(tinygan, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path, git


def test_the_commit_is_named_and_so_is_a_change(checkout):
    folder, git = checkout
    assert git_commit() == git("rev-parse", "HEAD")
    (folder / "untracked").write_text("not part of the tree\n")
    assert git_commit() == git("rev-parse", "HEAD")
    (folder / "__init__.py").write_text("two\n")
    assert git_commit() == git("rev-parse", "HEAD") + "-dirty"
    git("add", "__init__.py")
    assert git_commit() == git("rev-parse", "HEAD") + "-dirty"


def test_there_is_none_outside_of_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(tinygan, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() is None


def test_an_installed_package_in_another_projects_checkout_has_none(checkout, monkeypatch):
    folder, _ = checkout
    installed = folder / ".venv" / "tinygan"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("installed\n")
    monkeypatch.setattr(tinygan, "__file__", str(installed / "__init__.py"))
    assert git_commit() is None
    (folder / ".gitignore").write_text(".venv\n")
    assert git_commit() is None


def test_the_index_is_not_locked(checkout):
    """A file that was only touched has git bring its index up to date, for which it would take the lock."""
    folder, _ = checkout
    index = folder / ".git" / "index"
    os.utime(index, ns=(1, 1))
    os.utime(folder / "__init__.py", ns=(10**18, 10**18))
    assert not git_commit().endswith("-dirty")
    assert index.stat().st_mtime_ns == 1
