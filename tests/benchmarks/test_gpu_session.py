"""A GPU session goes on whatever a command does, keeps what it found from call to call, and can be carried home."""

import importlib
import json
import os
import shutil
import signal
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from benchmarks import gpu_plan, gpu_session, watched
from benchmarks.gpu_plan import CALL, STEPS, Part, Setting
from benchmarks.gpu_summary import counted
from tinygan.errors import Stopped, TinyganError, UsageError
from tinygan.models.norms import NORMS

ROOT = Path(__file__).parents[2]
TESTS = """
import os, pytest
def test_fine(): pass
def test_wrong(): assert False
@pytest.fixture
def broken(): raise ValueError
def test_error(broken): pass
def test_left_out(): pytest.skip("here")
"""
FOUND = {"count": 2000, "steps": 2000, "seconds": 12.3, "loss": 0.01, "device": "NVIDIA H100"}


def setting(work, **changes):
    usual = {
        "data_dir": None,
        "iterations": 1000,
        "minutes": gpu_session.build_parser().get_default("minutes"),
        "rehearsed": False,
    }
    return Setting(work, **(usual | changes))


def parts(work, **changes):
    """All parts of all steps, in their order."""
    return [part for step in STEPS.values() for part in step(setting(work, **changes))]


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A function that plays a session of pretended steps: name -> Python code of each of its commands.

    A list is a command with two seconds, to be one that hangs. All else has the time that it takes on a busy machine.
    """
    out = tmp_path / "out"
    monkeypatch.setattr(watched, "GRACE", 0.5)
    monkeypatch.setattr(gpu_session, "refuse_without_gpu", lambda work, patience, stop: None)

    def part(step, number, code):
        hangs = isinstance(code, list)
        command = code if hangs or not code else [sys.executable, "-c", code]
        return Part(step, f"{step}-{number}", command, 2 if hangs else 60, "it is not there")

    def play(steps: dict[str, list[str | list[str] | None]]) -> Path:
        def step(name, codes):
            return lambda _: (part(name, i, code) for i, code in enumerate(codes))

        made = {name: step(name, steps.get(name, [])) for name in STEPS}
        monkeypatch.setattr(gpu_session, "STEPS", made)
        gpu_session.main(["--out", str(out), "--steps", ",".join(steps)])
        return out

    play.out = out
    return play


def page(out) -> str:
    return (out / "SUMMARY.md").read_text()


def row(out, name) -> list[str]:
    """The page's cells about a command."""
    cells = [[cell.strip("* ") for cell in line.split("|")[1:-1]] for line in page(out).splitlines() if "|" in line]
    (found,) = [one for one in cells if one[1:2] == [name]]
    return found


def test_each_command_is_begun_however_the_one_before_ended(session, capsys):
    steps = {
        "device": ["print('first'); raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"],
        "kernels": [["sh", "-c", "echo waits; exec sleep 1000"], "print('x' * 10**7)", None],
        "step": ["print('last')"],
    }
    with pytest.raises(TinyganError, match=r"did not end well: device-0, device-1, kernels-0; see .*SUMMARY\.md"):
        session(steps)
    out = session.out
    ended = {name: row(out, name)[2:4] for name in ("device-0", "device-1", "kernels-0", "kernels-1", "kernels-2")}
    assert ended == {
        "device-0": ["failed", "3"],
        "device-1": ["crashed", "-9"],
        "kernels-0": ["out of time", "-15"],
        "kernels-1": ["passed", "0"],
        "kernels-2": ["left out", ""],
    }
    assert row(out, "step-0")[2:4] == ["passed", "0"]
    said = page(out)
    assert "device-0: failed; its last lines:\n\n    first\n" in said
    assert "    waits\n" in said
    assert "    it is not there\n" in said
    assert len(said) < 10_000
    assert (out / "work" / "kernels-1.log").stat().st_size < 10**6
    assert capsys.readouterr().out.splitlines()[0].startswith("device-0: failed, ")


def test_results_accumulate_and_a_repeated_step_replaces_its_own(session):
    with pytest.raises(TinyganError):
        session({"device": ["raise SystemExit(1)"]})
    out = session({"step": ["print(1)"]})
    assert [row(out, name)[2] for name in ("device-0", "step-0")] == ["failed", "passed"]
    assert "Not begun: kernels, training" in page(out)
    session({"device": ["print(2)"]})
    assert [row(out, name)[2] for name in ("device-0", "step-0")] == ["passed", "passed"]
    assert page(out).index("| device-0 |") < page(out).index("| step-0 |")


def test_another_machine_goes_on_with_the_archive(session, tmp_path):
    out = session({"device": ["print('here')"], "step": ["print(1)"]})
    (out / "work" / "runs").mkdir()
    (out / "work" / "runs" / "last.safetensors").write_text("large")
    session({"step": ["print(1)"]})
    shutil.move(out / "results.tar.gz", tmp_path)
    shutil.rmtree(out)
    out.mkdir()
    with tarfile.open(tmp_path / "results.tar.gz") as archive:
        assert not [name for name in archive.getnames() if "safetensors" in name]
        archive.extractall(out, filter="data")
    session({"kernels": ["print(2)"]})
    assert [row(out, name)[2] for name in ("device-0", "step-0", "kernels-0")] == ["passed"] * 3
    assert (out / "work" / "device-0.log").read_text() == "here\n"


def test_what_is_carried_home_is_eight_files_at_most(session):
    work = session.out / "work"
    for norm in NORMS:
        for run in ("00000-old", f"00001-{norm}"):
            for folder in ("samples", "evaluation"):
                (work / "runs" / norm / run / folder).mkdir(parents=True)
            for name in ("000000", "001000", "reals"):
                (work / "runs" / norm / run / "samples" / f"{name}.png").write_text(f"{run} {name}")
            found = work / "runs" / norm / run / "evaluation" / "reconstruct-final-best-2000.png"
            found.write_text(run)
            found.with_suffix(".json").write_text(json.dumps(FOUND))
    out = session({"device": ["print(1)"]})
    carried = [file for file in out.iterdir() if file.is_file()]
    assert len(carried) == 7  # and one to spare
    assert all("." in file.name for file in carried)  # so that *.* names them, and not the folder
    assert (out / "samples-bn.png").read_text() == "00001-bn 001000"
    assert (out / "reconstructions.png").read_text() == "00001-wn"
    assert all(f"({file.name})" in page(out) for file in carried if file.suffix == ".png")


def test_each_step_fits_a_call(tmp_path):
    for name, step in STEPS.items():
        limits = [part.limit for part in step(setting(tmp_path))]
        assert 0 < sum(limits) <= CALL, name
    # Ten minutes, with the device's first answer and the end of a command that hangs.
    assert CALL + gpu_session.PATIENCE + watched.GRACE < 600
    first = sum(part.limit for part in STEPS["device"](setting(tmp_path)))
    assert first + gpu_session.FIRST_PATIENCE + watched.GRACE < 600
    names = [part.name for part in parts(tmp_path)]
    assert len(set(names)) == len(names)


def test_the_order_is_that_in_which_one_relies_on_another():
    order = "device kernels training memcheck measure step profile ranks candidates train reconstruct models"
    assert " ".join(STEPS) == order
    assert gpu_session.build_parser().get_default("steps").split(",") == order.split()


def test_every_gpu_test_is_run(request, tmp_path):
    files = {ROOT / part.command[-1] for part in parts(tmp_path) if part.name.startswith("test-")}
    assert all(file.exists() for file in files)
    assert {item.path for item in request.session.items if item.get_closest_marker("gpu")} <= files


@pytest.mark.parametrize("rehearsed", [False, True])
@pytest.mark.parametrize("data_dir", [None, "cifar"])
def test_the_command_lines_are_understood(tmp_path, monkeypatch, rehearsed, data_dir):
    monkeypatch.setattr(gpu_plan.shutil, "which", lambda name: f"/cuda/{name}")
    best = tmp_path / "runs" / "wn" / "00003-wn" / "checkpoints" / "best.safetensors"
    best.parent.mkdir(parents=True)
    best.touch()
    seen = set()
    for part in parts(tmp_path, data_dir=data_dir, rehearsed=rehearsed):
        if part.command is None:
            assert rehearsed
            continue
        words = part.command[part.command.index(sys.executable) + 1 :]
        while words[0] in ("-W", "error", "-m"):
            words = words[1:]
        seen.add(words[0])
        if words[0] == "pytest":
            assert (ROOT / words[-1]).exists()
            assert words[words.index("-m") + 1] == ("not gpu" if rehearsed else "gpu")
            continue
        script = words[0].endswith(".py")
        module = importlib.import_module(f"tinygan.cli.{words[0].removesuffix('.py')}" if script else words[0])
        if words[0] == "experiments.three_models":
            found = importlib.import_module("experiments.options").parse("three_models", "", words[1:])
            assert found.minutes == 7
        else:
            found = module.build_parser().parse_args(words[1:])
        if words[0] == "train.py":
            assert found.device == ("cpu" if rehearsed else "gpu")
            assert getattr(found, "data_dir", None) == data_dir
        if words[0] == "evaluate.py":
            assert Path(found.run) == best.parents[1]
    assert len(seen) == (8 if rehearsed else 9)


def test_without_a_run_nothing_is_reconstructed(tmp_path):
    (part,) = STEPS["reconstruct"](setting(tmp_path))
    assert (part.command, part.why) == (None, "no run was trained: the step train first")


def test_minutes_are_passed_on(tmp_path):
    (part,) = STEPS["models"](setting(tmp_path, minutes=2.5))
    assert part.command[part.command.index("--minutes") + 1] == "2.5"
    assert part.limit == 60 * 3.5


def test_what_is_counted_of_the_tests(session, tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    report = session.out / "work" / "test-kernels.xml"
    run = f"import pytest; raise SystemExit(pytest.main([{str(tmp_path)!r}, '-p', 'no:cacheprovider', "
    steps = {"kernels": [run + f"'--junit-xml={report}']))"]}
    with pytest.raises(TinyganError, match="kernels-0"):
        session(steps)
    assert counted(report) == ([1, 2, 1], ["test_wrong", "test_error"])
    record = gpu_session.read_record(session.out / "work")
    record |= {"test-kernels": record["kernels-0"], "test-products": record["kernels-0"] | {"status": "crashed"}}
    said = gpu_session.summary(record, session.out)
    assert "| test_kernels.py | 1 | 2 | 1 |" in said
    assert "| test_products.py | no result: crashed |  |  |" in said
    assert "- test_kernels.py: test_error" in said


def test_an_old_count_does_not_pass_for_a_crashed_test_run(tmp_path):
    (tmp_path / "test-graph.xml").write_text("<testsuites/>")
    list(STEPS["kernels"](setting(tmp_path)))
    assert not (tmp_path / "test-graph.xml").exists()


def test_all_figures_come_to_the_page(session):
    work = session.out / "work"
    run = work / "runs" / "wn" / "00000-wn" / "evaluation"
    run.mkdir(parents=True)
    (work / "models").mkdir()
    seconds = {"median": 0.0005, "min": 0.0004, "max": 0.0006}
    peer = {"name": "torch-graph", "status": "timed", "peak_memory": 2**30, "idle_processor_share": None}
    peer["summary"] = {"tinygan": seconds, "peer": seconds, "ratio": {"median": 0.876, "min": 0.8, "max": 0.9}}
    unavailable = {"name": "torch", "status": "unavailable", "why": "no torch"}
    files = {
        "device": {"description": "NVIDIA H100", "commit": "abc", "host": {"python": "3.12"}, "CUDA": {"driver": 13000},
                   "packages": {"cupy-cuda13x": "14.2.0"}},
        "constants": {"floor": 1.5e-6, "l2_latency": 2e-7, "l2_bandwidth": 5e12, "memory_bandwidth": 3e12},
        "nodes": {"32 wn shared": {"nodes": 88, "ms": 0.401}},
        "bill": {"32 wn shared": {"nodes": 88, "ms": 0.360, "ms with measured constants": 0.333}},
        "step-32": {"command": "python -m benchmarks.step", "peers": [peer, unavailable],
                    "workload": {"device": "gpu"}, "tinygan": {"peak_memory": 2**20},
                    "least_work": {"operations": 10, "bytes": 10},
                    "machine": {"device": "NVIDIA H100", "flops": 1e14, "bytes": 1e12}},
    }  # fmt: skip
    for name, content in files.items():
        (work / f"{name}.json").write_text(json.dumps(content))
    (run / "reconstruct-final-best-2000.json").write_text(json.dumps(FOUND))
    (work / "models" / "table.txt").write_text("vanilla 0.0088\n")
    said = page(session({"device": ["print(1)"]}))
    for part in (
        "NVIDIA H100; commit abc; Python 3.12",
        "CUDA driver 13000",
        "cupy-cuda13x 14.2.0",
        "floor 1.5 µs, l2_latency 0.2 µs, l2_bandwidth 5 TB/s, memory_bandwidth 3 TB/s",
        "`benchmarks.gpu_bill --floor 1.5e-06 --l2-latency 2e-07",
        "| 32 wn shared | 88 | 88 | 0.401 | 0.360 | 0.333 |",
        "0.876 (0.800 to 0.900)",
        "torch                unavailable: no torch",
        "2000 images, 2000 steps: 12.3 s on NVIDIA H100",
        "    vanilla 0.0088",
    ):
        assert part in said, part


@pytest.mark.parametrize("damage", ["{", "[1]", '{"a": 1}', '{"floor": "x"}'])
def test_a_damaged_result_spoils_its_own_section_only(session, damage):
    work = session.out / "work"
    work.mkdir(parents=True)
    for name in ("device.json", "constants.json", "nodes.json", "step-32.json", "test-device.xml"):
        (work / name).write_text(damage)
    said = page(session({"device": ["print(1)"]}))
    assert row(session.out, "device-0")[2] == "passed"
    shown = said.split("## The step beside others")[1]
    assert "Not there yet." in shown
    assert "cannot be shown" in said


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("print('obstacle: no driver')", "no GPU session here: no driver"),
        ("import time; time.sleep(1000)", "no GPU session here: it was asked for .* out of time"),
        ("import os; os.kill(os.getpid(), 11)", "no GPU session here: it was asked for .* crashed"),
    ],
)
def test_without_an_answer_of_the_device_nothing_is_begun(tmp_path, monkeypatch, code, why):
    monkeypatch.setattr(gpu_session, "ASK", code)
    monkeypatch.setattr(gpu_session, "FIRST_PATIENCE", 1 if "sleep" in code else 60)
    with pytest.raises(TinyganError, match=why):
        gpu_session.main(["--out", str(tmp_path), "--steps", "device"])
    assert not (tmp_path / "SUMMARY.md").exists()


def test_the_device_is_asked(tmp_path):
    why = importlib.import_module("tinygan.device").why_no_gpu()
    if why is None:
        pytest.skip("there is a GPU")
    with pytest.raises(TinyganError) as caught:
        gpu_session.main(["--out", str(tmp_path), "--steps", "device"])
    assert why[: watched.LINE // 2] in str(caught.value)


def test_a_signal_ends_the_command_and_keeps_what_was_found(session):
    log, ended = session.out / "work" / "device-1.log", threading.Event()

    def terminate():
        while not (log.exists() and log.read_bytes()):
            if ended.wait(0.05):  # the signal would end the tests
                return
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=terminate)
    thread.start()
    wait = "print(1, flush=True); import time; time.sleep(1000)"
    try:
        with pytest.raises(Stopped, match="stopped by SIGTERM; what was run is in") as caught:
            session({"device": ["print(1)", wait, "print(3)"], "step": ["print(4)"]})
    finally:
        ended.set()
        thread.join()
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert [row(session.out, f"device-{i}")[2] for i in (0, 1)] == ["passed", "stopped"]
    assert "device-2" not in page(session.out)


def test_an_unknown_step_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"'kernel' is unknown \(did you mean kernels\?\): choose from device, "):
        gpu_session.main(["--out", str(tmp_path), "--steps", "device,kernel"])


def test_a_rehearsal_is_marked(tmp_path):
    gpu_session.main(["--out", str(tmp_path), "--rehearse", "--steps", "device,memcheck,reconstruct"])
    assert "**A rehearsal on the CPU is part of this" in page(tmp_path)
    assert row(tmp_path, "device")[2] == "passed"
    assert "CPU, " in page(tmp_path)


@pytest.mark.slow
def test_a_whole_rehearsal(tmp_path):
    gpu_session.main(["--out", str(tmp_path), "--rehearse", "--minutes", "5"])
    ended = {entry["status"] for entry in gpu_session.read_record(tmp_path / "work").values()}
    assert ended <= {"passed", "left out"}
    assert "Not there yet" not in page(tmp_path)


def test_on_a_device_nothing_passes_in_silence(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_plan.shutil, "which", lambda name: f"/cuda/{name}")
    for part in parts(tmp_path):
        if "pytest" in (part.command or []):
            assert "NEED_GPU=1" in part.command[: part.command.index(sys.executable)]
    (check,) = (part.command for part in parts(tmp_path) if part.step == "memcheck")
    assert check[check.index("--error-exitcode") + 1] == "99"
    assert "EXACT_GPU_MEMORY=1" in check[: check.index("/cuda/compute-sanitizer")]
