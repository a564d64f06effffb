"""The scripts in processes of their own: a training to be looked at, stopped or killed while it goes on."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = """
import sys
from tinygan.runtime import threads
threads.core_count = lambda: {cores}
import train
from tinygan.errors import run_script
sys.exit(run_script(train.main, sys.argv[1:]))
"""


def start_training(out: Path, cores: int) -> tuple[subprocess.Popen, Path, list[int]]:
    """The process, its run folder, and the ids of the processes it has made, once it has logged some lines."""
    arguments = ["--dataset", "shapes", "--features", "8", "--batch-size", "16", "--iterations", "100000"]
    arguments += ["--device", "cpu", "--norm", "bn", "--log-every", "2", "--save-every", "2", "--test-every", "20"]
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(cores=cores), *arguments, "--out", str(out)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        logs = list(out.glob("*/log.jsonl"))
        if logs and len(logs[0].read_text().splitlines()) >= 3:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            return process, logs[0].parent, [int(pid) for pid in children]
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate()[1])


def run_script(name: str, *arguments: object) -> str:
    """What the script prints; AssertionError with its error output, should it fail."""
    command = [sys.executable, str(ROOT / name), *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
