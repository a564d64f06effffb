"""Run folders read and compared: the table, its notes, its JSON, and what is wrong with a folder."""

import json
import os
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygan.cli import evaluate
from tinygan.errors import TinyganError, run_script
from tinygan.evaluation.comparison import show_difference, table, to_json
from tinygan.evaluation.runsummary import read_run

IMAGES = np.random.default_rng(0).uniform(0.5, 1.5, 40)  # how hard each of the final test's images is


def make_run(
    folder: Path,
    norm: str = "wn",
    running: tuple[float, ...] = (0.03, 0.02, 0.025),
    final: float | None = 0.01,
    lines: int = 20,
    options: dict | None = None,
    images: np.ndarray = IMAGES,
) -> Path:
    """A run folder as train.py and the final test leave it; running test k is that of iteration 100 (k + 1)."""
    for name in ("samples", "reconstructions", "evaluation"):
        (folder / name).mkdir(parents=True)
    given = {"norm": norm, "dataset": "shapes", "code_size": 16, "image_size": [32, 48], "learning_rate": 1e-4}
    data = {"source": "embedded", "fingerprint": "sha256:aa", "images": {"train": 500, "running": 26, "final": 40}}
    config = {"options": given | (options or {}), "data": data, "sessions": [{"command": "train.py"}]}
    (folder / "config.json").write_text(json.dumps(config))
    losses = [
        {"iteration": k, "d_real": 0.7, "d_fake": 0.6, "g": 0.8 + k % 2, "images_per_second": 9.0, "seconds": 1.0}
        for k in range(1, lines + 1)
    ]
    tests = [
        {"iteration": 100 * k, "reconstruction": {"loss": loss, "std": 0.005, "psnr": 17.0, "z2": 1.5}, "seconds": 2.0}
        for k, loss in enumerate(running, start=1)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*losses, *tests]))
    tile = Image.new("RGB", (24, 24), (200, 40, 90))
    for name in ("samples/reals", "samples/000000", "samples/000100", "reconstructions/targets"):
        tile.save(folder / f"{name}.png")
    for k in range(1, len(running) + 1):
        tile.save(folder / f"reconstructions/{100 * k:06d}.png")
    if final is not None:
        write_final(folder, final, 100 * (1 + int(np.argmin(running))), images=images)
    return folder


def write_final(folder: Path, loss: float, iteration: int, steps: int = 2000, images: np.ndarray = IMAGES) -> Path:
    """A result of the final test."""
    losses = loss * images / images.mean()
    values = {"set": "final", "checkpoint": "best", "iteration": iteration, "steps": steps, "learning_rate": 0.01}
    values |= {"count": len(losses), "batch_size": 10, "loss": losses.mean(), "std": losses.std(), "psnr": 20.0}
    path = folder / "evaluation" / f"reconstruct-final-best-{steps}.json"
    path.write_text(json.dumps(values | {"z2": 1.25, "losses": losses.tolist()}))
    Image.new("RGB", (24, 24), (20, 140, 90)).save(path.with_suffix(".png"))
    return path


@pytest.fixture
def three(tmp_path) -> list:
    """A weight-normalised, a vanilla and a batch-normalised run, in this order."""
    wn = make_run(tmp_path / "00002-wn", "wn", (0.03, 0.0130), final=0.0090)
    vanilla = make_run(tmp_path / "00000-vanilla", "none", (0.0145, 0.02), final=0.0100)
    bn = make_run(tmp_path / "00001-bn", "bn", (0.05, 0.0172, 0.06), final=0.0110)
    return [read_run(path) for path in (wn, vanilla, bn)]


def test_the_table_has_the_papers_columns_in_line(three):
    lines = table(three).split("\n")
    assert lines[0].split("  ")[0] == "run"
    # The standard error: 0.005 / √(26 − 1).
    expected = ["00002-wn", "wn", "200", "0.013000", "±", "0.001000", "0.009000", "±"]
    assert lines[2].split()[:8] == expected
    assert "−10.0 ± 0.0 %" in lines[2]
    assert lines[3].endswith("reference")
    assert "+10.0 ± 0.0 %" in lines[4]
    assert len({len(line) for line in lines[:5]}) == 1
    ends = [line.index("±", line.index("±") + 1) for line in lines[2:5]]
    assert len(set(ends)) == 1
    text = "\n".join(lines[5:])
    assert "paper's own figures" in text
    assert "CelebA" in text
    assert "WN              463,000      0.013010    0.005524" in text


def test_without_a_vanilla_run_the_first_is_the_reference(three):
    wn, _, bn = three
    comparison = to_json([bn, wn])
    assert comparison["reference"] == "00001-bn"
    assert comparison["runs"][0]["difference"] is None
    assert comparison["runs"][1]["difference"]["relative"] == pytest.approx(0.9 / 1.1 - 1)


def test_runs_of_one_norm_are_against_the_first(three, tmp_path):
    other = read_run(make_run(tmp_path / "00003-wn", "wn", (0.02,), final=0.0099, options={"learning_rate": 4e-4}))
    comparison = to_json([three[0], other])
    assert comparison["reference"] == "00002-wn"
    assert comparison["runs"][1]["difference"]["relative"] == pytest.approx(0.1)
    assert "reference" in table([three[0], other])


def test_a_run_without_a_counterpart_is_against_nothing(three, tmp_path):
    """One vanilla run is everybody's reference; of two with other settings, none is that of a third setting."""
    slow = read_run(make_run(tmp_path / "00003-slow", "none", (0.02,), final=0.02, options={"learning_rate": 5e-5}))
    wn = read_run(make_run(tmp_path / "00004-fast-wn", "wn", (0.02,), final=0.01, options={"learning_rate": 4e-4}))
    assert to_json([three[1], wn])["runs"][1]["difference"]["relative"] == pytest.approx(0.0)
    comparison = to_json([three[0], three[1], slow, wn])
    assert [run["reference"] for run in comparison["runs"]] == ["00000-vanilla", "00000-vanilla", "00003-slow", None]
    assert [show_difference(run) for run in comparison["runs"]][1:] == ["reference", "reference", "–"]
    assert comparison["runs"][0]["difference"]["relative"] == pytest.approx(-0.1)


def test_a_run_that_is_named_twice_is_compared_once(three, tmp_path, capsys):
    (tmp_path / "again").symlink_to(three[0].folder.path)
    evaluate.main(["compare", str(three[0].folder.path), str(three[1].folder.path), str(tmp_path / "again")])
    assert capsys.readouterr().out.count("0.013000 ± 0.001000") == 1


def test_a_link_to_itself_is_one_line(tmp_path, capsys):
    (tmp_path / "loop").symlink_to("loop")
    assert run_script(evaluate.main, ["compare", str(tmp_path / "loop")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_json_holds_what_the_table_shows(three):
    comparison = json.loads(json.dumps(to_json(three), allow_nan=False))
    wn = comparison["runs"][0]
    assert wn["best_iteration"] == 200
    assert wn["running"] == {"loss": 0.013, "standard_error": pytest.approx(0.001), "psnr": 17.0, "z2": 1.5}
    assert (wn["final"]["steps"], wn["final"]["count"], wn["final"]["z2"]) == (2000, 40, 1.25)
    assert wn["final"]["standard_error"] == pytest.approx(0.009 * np.std(IMAGES, ddof=1) / IMAGES.mean() / 40**0.5)
    assert comparison["paper"][2]["final_loss"] == 0.005524


def test_the_differences_error_pairs_the_images(tmp_path):
    """Against a bootstrap over images, which knows nothing of the formula."""
    rng = np.random.default_rng(1)
    ours, theirs = IMAGES * rng.uniform(0.7, 1.1, 40), IMAGES
    runs = [
        make_run(tmp_path / "a", "none", final=1.0, images=theirs),
        make_run(tmp_path / "b", final=1.0, images=ours),
    ]
    draws = rng.integers(0, 40, (20_000, 40))
    scaled = [values / values.mean() for values in (ours, theirs)]  # as make_run scales them to a mean of 1
    bootstrap = (scaled[0][draws].mean(axis=1) / scaled[1][draws].mean(axis=1)).std()
    difference = to_json([read_run(path) for path in runs])["runs"][1]["difference"]
    assert difference["standard_error"] == pytest.approx(bootstrap, rel=0.1)


def test_a_missing_final_loss_falls_back_and_says_so(three, tmp_path):
    unfinished = read_run(make_run(tmp_path / "00003-new", "wn", (0.01305,), final=None))
    text = table([three[1], unfinished, three[2]])
    row = next(line for line in text.split("\n") if line.startswith("00003-new"))
    assert "−10.0 % (running loss)" in row
    assert "–" in row
    assert "00003-new has no final loss yet" in text
    assert "+10.0 ± 0.0 %" in text  # the other pair still compares final losses


def test_runs_that_have_not_gone_equally_far_are_compared_where_all_have_been(tmp_path):
    longer = read_run(make_run(tmp_path / "longer", "wn", (0.03, 0.02, 0.001), final=None))
    shorter = read_run(make_run(tmp_path / "shorter", "none", (0.031, 0.022), final=None))
    expected = "not gone equally far; lowest running losses up to iteration 200: longer 0.020000, shorter 0.022000."
    assert expected in table([longer, shorter])
    assert "equally far" not in table([longer])


def test_a_run_alone_is_against_nothing(tmp_path):
    text = table([read_run(make_run(tmp_path / "run", final=None))])
    assert "against" not in text.split("\n")[0]
    assert "difference" not in text
    assert f"run has no final loss yet: evaluate.py reconstruct {shlex.quote(str(tmp_path / 'run'))}" in text


def test_comparable_runs_are_not_called_incomparable(three):
    assert "do not compare" not in table(three)
    assert "repeat the final test" not in table(three)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"dataset": "cifar10"}, "data set"), ({"code_size": 32}, "code size"), ({"image_size": [16, 24]}, "image size")],
)
def test_runs_whose_losses_do_not_compare_are_flagged(three, tmp_path, options, words):
    other = read_run(make_run(tmp_path / "other", options=options))
    assert f"The runs differ in {words} (00000-vanilla: " in table([three[1], other])


def test_images_of_another_size_are_not_paired(three, tmp_path):
    """With --augment crop a packed set has one fingerprint for all of them."""
    other = read_run(make_run(tmp_path / "other", options={"image_size": [16, 24]}))
    assert to_json([three[1], other])["runs"][1]["difference"]["standard_error"] is None


def test_different_steps_are_flagged(three, tmp_path):
    path = make_run(tmp_path / "other", final=None)
    write_final(path, 0.01, 200, steps=500)
    assert "differ in steps of the final test (00000-vanilla: 2000; other: 500)" in table([three[1], read_run(path)])


def test_a_shorter_search_than_the_papers_is_flagged(three, tmp_path):
    assert "steps: the paper's" not in table(three)
    path = make_run(tmp_path / "00007-short", final=None)
    write_final(path, 0.01, 200, steps=50)
    assert "Final losses after 50 steps: the paper's final test takes 2,000" in table([read_run(path)])


def test_a_part_of_the_final_set_is_flagged(three, tmp_path):
    assert "Final losses of the first" not in table(three)
    path = make_run(tmp_path / "00007-part", final=None)
    write_final(path, 0.01, 200, images=IMAGES[:10])
    text = table([three[1], read_run(path)])
    assert f"Final losses of the first 10 of {len(IMAGES)} images" in text
    assert f"differ in images of the final test (00000-vanilla: {len(IMAGES)}; 00007-part: 10)" in text


def test_a_final_loss_of_an_older_best_is_flagged(tmp_path):
    path = make_run(tmp_path / "run", final=None)
    write_final(path, 0.01, iteration=100)
    assert "of iteration 100, its lowest running loss of 200: if best.safetensors is of that one, repeat" in table(
        [read_run(path)]
    )


def test_the_newest_complete_result_counts(tmp_path):
    path = make_run(tmp_path / "run", final=None)
    for age, (steps, loss) in enumerate([(1000, 0.03), (2000, 0.02), (3000, 0.01)]):
        file = write_final(path, loss, 200, steps)
        os.utime(file, (1e9 - age, 1e9 - age))
    newest = path / "evaluation" / "reconstruct-final-best-1000.json"
    assert read_run(path).final.steps == 1000
    newest.write_text(newest.read_text()[:-20])
    os.utime(newest, (1e9, 1e9))
    assert read_run(path).final.steps == 2000


def test_a_last_line_that_is_being_written_is_left_out(tmp_path):
    path = make_run(tmp_path / "run")
    with open(path / "log.jsonl", "a") as log:
        log.write('{"iteration": 400, "reconstruction": {"loss": 0.0')
    run = read_run(path)
    assert [test.iteration for test in run.tests] == [100, 200, 300]
    assert run.losses["g"][:2].tolist() == [1.8, 0.8]


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(TinyganError, match=r"is no run folder .*: give one like"):
        read_run(tmp_path)


@pytest.mark.parametrize("without_log", [False, True])
def test_a_run_without_tests_says_how_to_get_them(tmp_path, without_log):
    path = make_run(tmp_path / "run", running=(), final=None)
    if without_log:
        (path / "log.jsonl").unlink()
    with pytest.raises(TinyganError, match=r"--test-every 0.*older.*--resume .*run --test-every 1000"):
        read_run(path)


def test_no_runs_is_an_error():
    with pytest.raises(TinyganError, match="name at least one run folder"):
        table([])


def test_a_name_cannot_steer_the_terminal(tmp_path):
    assert read_run(make_run(tmp_path / "a\x1b[2Jb")).name == r"a\x1b[2Jb"


def rewritten(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b'{"iteration": "4", "d_real": 1, "d_fake": 1, "g": 1}',
        b'{"iteration": -4, "d_real": 1, "d_fake": 1, "g": 1}',
        b'{"iteration": 4, "d_real": "1", "d_fake": 1, "g": 1}',
        b'{"iteration": 4, "d_real": 1e300, "d_fake": 1, "g": 1}',
        b'{"iteration": 4, "d_re',
        b'{"iteration": 4}',
        b"[]",
        b'{"iteration": NaN, "d_real": 1}',
        b'{"iteration": 4, "reconstruction": [1, 2]}',
        b'{"iteration": 4, "reconstruction": {"loss": 0, "std": 0, "psnr": 1, "z2": 1}}',
        b'{"iteration": 4, "reconstruction": {"loss": 0.1, "std": -1, "psnr": 1, "z2": 1}}',
        b'{"iteration": 4, "reconstruction": {"loss": null, "std": 0, "psnr": 1, "z2": 1}}',
        b'{"iteration": 4, "reconstruction": {"loss": NaN, "std": 0, "psnr": 1, "z2": 1}}',
    ],
)
def test_whatever_a_damaged_line_holds_it_is_named(tmp_path, line):
    path = make_run(tmp_path / "run")
    lines = (path / "log.jsonl").read_bytes().split(b"\n")
    lines[3] = line
    (path / "log.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(TinyganError, match=r"log\.jsonl, line 4 is damaged: repair or delete"):
        read_run(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"options": {}}',
        b'{"options": []}',
        b'{"options": {"norm": 5}}',
        b'{"options": {"norm": "wn"}, "data": []}',
        b'{"options": {"norm": "wn"}, "data": {"images": [1]}}',
        b'{"options": {"norm": "wn"}, "data": {"images": {"running": "many"}}}',
        b'{"options": {"norm": "wn"}, "data": {"images": {"running": -5}}}',
        b'{"options": {"norm": "wn"}, "sessions": {"a": 1}}',
        b'{"options": {"norm": "wn"}, "sessions": ["a"]}',
    ],
)
def test_whatever_a_damaged_config_holds_it_is_named(tmp_path, content):
    path = make_run(tmp_path / "run")
    (path / "config.json").write_bytes(content)
    with pytest.raises(TinyganError, match=r"config\.json is damaged .*leave this run out") as error:
        read_run(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["config.json", "log.jsonl"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_folder_in_a_files_place_is_named(tmp_path, name, make):
    path = make_run(tmp_path / "run")
    (path / name).unlink()
    make(path / name)
    with pytest.raises(TinyganError, match=rf"{name}"):
        read_run(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(loss="low"),
        lambda values: values.update(loss=values["loss"] * 1.01),  # not the mean of the images' losses
        lambda values: values["losses"].pop(),
        lambda values: values.update(losses={"a": 1}),
        lambda values: values.update(losses=["x"] * 40),
        lambda values: values.update(steps=2000.0),
        lambda values: values.update(steps=10**400),
        lambda values: values.update(count=True),
        lambda values: values.update(psnr=None),
        lambda values: values.update(loss=0, losses=[0] * 40),
    ],
)
def test_a_damaged_final_result_is_left_out_and_said(tmp_path, change):
    path = make_run(tmp_path / "run", final=None)
    write_final(path, 0.01, 200, steps=1000)
    rewritten(write_final(path, 0.01, 200, steps=2000), change)
    run = read_run(path)
    assert run.final.steps == 1000
    assert "run: reconstruct-final-best-2000.json is damaged and left out; repeat that final test" in table([run])
