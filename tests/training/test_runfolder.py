"""Run folders: numbered, never shared."""

import json
from pathlib import Path

import pytest

from tinygan.errors import TinyganError
from tinygan.training.runfolder import RunFolder, find_checkpoint


def test_numbers_go_up_and_no_folder_is_taken(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "00007-shapes-wn").mkdir()
    first, second = (RunFolder.create(tmp_path, "shapes-wn") for _ in range(2))
    assert [run.path.name for run in (first, second)] == ["00008-shapes-wn", "00009-shapes-wn"]
    assert first.samples.is_dir()
    assert first.checkpoints.is_dir()


FOREIGN = [
    "20261126-backup",
    "2024-11-05-photos",
    "7-lucky",
    "000012-old",
    "0x001-x",
    "\u0661\u0662\u0663\u0664\u0665-x",
    "99999",
    "-00005-x",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_other_folders_are_no_runs(tmp_path, name):
    (tmp_path / name / "checkpoints").mkdir(parents=True)
    (tmp_path / name / "checkpoints" / "last.safetensors").touch()
    with pytest.raises(TinyganError, match="no run in"):
        find_checkpoint("latest", tmp_path)
    run = RunFolder.create(tmp_path, "shapes-wn")
    assert run.path.name == "00000-shapes-wn"
    run.last.touch()
    assert find_checkpoint("latest", tmp_path) == run.last
    assert find_checkpoint("latest/", tmp_path) == run.last  # as a shell completes a folder's name


def test_the_generator_that_tinygan_brings_is_no_run():
    with pytest.raises(TinyganError, match="cifar10-wn is a generator that tinygan brings, not a run"):
        RunFolder.existing(Path("cifar10-wn"))


def test_there_is_no_number_after_the_largest(tmp_path):
    (tmp_path / "99999-shapes-wn").mkdir()
    with pytest.raises(TinyganError, match=r"--out .* holds a run 99999 already: rename it, or choose another"):
        RunFolder.create(tmp_path, "shapes-wn")
    assert len(list(tmp_path.iterdir())) == 1


def test_two_runs_that_start_at_once_get_two_folders(tmp_path, monkeypatch):
    listing = list(tmp_path.iterdir())
    monkeypatch.setattr(type(tmp_path), "iterdir", lambda self: iter(listing))  # neither sees the other's folder
    names = {RunFolder.create(tmp_path, "shapes-wn").path.name for _ in range(3)}
    assert names == {"00000-shapes-wn", "00001-shapes-wn", "00002-shapes-wn"}


def test_a_log_that_was_cut_off_is_read_up_to_there(tmp_path):
    run = RunFolder.create(tmp_path, "shapes-wn")
    assert run.read_log() == []
    run.append_log({"iteration": 1})
    run.append_log({"iteration": 2})
    with open(run.log, "a") as log:
        log.write('{"iteration": 3, "d_re')
    assert [line["iteration"] for line in run.read_log()] == [1, 2]


def test_the_config_keeps_every_session(tmp_path):
    run = RunFolder.create(tmp_path, "shapes-wn")
    run.describe({"options": {"norm": "wn", "iterations": 5}}, {"from_iteration": 0})
    run.describe({"options": {"norm": "wn", "iterations": 9}}, {"from_iteration": 5})
    config = json.loads(run.config.read_text())
    assert config["options"]["iterations"] == 9
    assert [session["from_iteration"] for session in config["sessions"]] == [0, 5]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TinyganError, match=r"--out .*file: cannot create a run there"):
        RunFolder.create(tmp_path / "file", "shapes-wn")


LINES = ['{"iteration": 5}', '{"iteration": 5, "reconstruction": {}}', '{"iteration": 10}']


@pytest.mark.parametrize(
    "lines", [LINES * 2, [*LINES, LINES[2]], [LINES[2], LINES[0]], [LINES[1], LINES[1]]],
    ids=["two runs", "a line twice", "order", "a test twice"],
)  # fmt: skip
def test_a_log_in_which_iterations_go_back_is_not_that_of_one_run(tmp_path, lines):
    run = RunFolder.create(tmp_path, "shapes-wn")
    run.log.write_text("\n".join(LINES) + "\n")
    assert [line["iteration"] for line in run.read_log()] == [5, 5, 10]
    run.log.write_text("\n".join(lines) + "\n")
    with pytest.raises(TinyganError, match=r"log.jsonl, line \d is damaged: .*iteration \d+ comes after \d+"):
        run.read_log()
