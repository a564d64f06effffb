"""A GPU session on one page: everything that its folder holds, in Markdown."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from benchmarks import report
from benchmarks.gpu_plan import KERNEL_TESTS, SIZES, STEPS, TRAINED, TRAINING_TESTS
from tinygan.errors import TinyganError
from tinygan.jsonfile import read_json
from tinygan.models.norms import NORMS

UNITS = {"floor": (1e6, "µs"), "l2_latency": (1e6, "µs"), "l2_bandwidth": (1e-12, "TB/s")}
UNITS["memory_bandwidth"] = (1e-12, "TB/s")


def summary(record: dict[str, dict], out: Path) -> str:
    """The page, from the ``record`` of all parts that were run and the files in ``out``."""
    lines = ["# GPU session", ""]
    if any(entry["rehearsed"] for entry in record.values()):
        lines += ["**A rehearsal on the CPU is part of this: its figures mean nothing.**", ""]
    for title, section in SECTIONS.items():
        try:
            found = list(section(record, out))
        except (
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            TinyganError,
        ) as error:  # a file that is not what was written
            found = [f"This cannot be shown: {error!r}"]
        lines += [f"## {title}", "", *(found or ["Not there yet."]), ""]
    return "\n".join(lines)


def _device(record: dict[str, dict], out: Path) -> Iterator[str]:
    if found := _read(out, "device"):
        yield f"{found['description']}; commit {found['commit']}; Python {found['host']['python']}"
        if found.get("CUDA"):
            yield ", ".join(f"CUDA {which} {number}" for which, number in found["CUDA"].items())
        yield ""
        yield ", ".join(f"{name} {version}" for name, version in found["packages"].items())


def _parts(record: dict[str, dict], out: Path) -> Iterator[str]:
    yield from _row("step", "command", "how it ended", "exit code", "seconds", "limit", "when")
    yield from _row(*["---"] * 7)
    order = list(STEPS)
    for name, entry in sorted(record.items(), key=lambda one: order.index(one[1]["step"])):
        status = entry["status"] if entry["status"] == "passed" else f"**{entry['status']}**"
        code = "" if entry["exit"] is None else entry["exit"]
        times = f"{entry['seconds']:.1f}", f"{entry['limit']:g}"
        yield from _row(entry["step"], name, status, code, *times, entry["when"])
    missing = [step for step in STEPS if step not in {entry["step"] for entry in record.values()}]
    if missing:
        yield ""
        yield f"Not begun: {', '.join(missing)}."
    for name, entry in record.items():
        if entry["status"] != "passed":
            yield from ("", f"{name}: {entry['status']}; its last lines:", "", *_quoted(entry["last"]))


def _tests(record: dict[str, dict], out: Path) -> Iterator[str]:
    files = [name for name in (*KERNEL_TESTS, *TRAINING_TESTS) if f"test-{name}" in record]
    if not files:
        return
    yield from _row("tests/gpu", "passed", "failed", "skipped")
    yield from _row(*["---"] * 4)
    wrong, total = [], [0, 0, 0]
    for name in files:
        counts, broken = counted(out / "work" / f"test-{name}.xml")
        wrong += [f"test_{name}.py: {one}" for one in broken]
        if counts is None:
            yield from _row(f"test_{name}.py", f"no result: {record[f'test-{name}']['status']}", "", "")
            continue
        total = [a + b for a, b in zip(total, counts, strict=True)]
        yield from _row(f"test_{name}.py", *counts)
    yield from _row("all", *total)
    if wrong:
        yield from ("", "Failed:", "", *(f"- {one}" for one in wrong))


def counted(path: Path) -> tuple[list[int] | None, list[str]]:
    """(passed, failed, skipped) of a JUnit file, and the names of what failed; None where a test run wrote none."""
    try:
        suite = ElementTree.parse(path).getroot().find("testsuite")
    except (FileNotFoundError, ElementTree.ParseError):
        return None, []
    tests, failures, errors, skipped = (int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors
    broken = [case for case in suite if any(part.tag in ("failure", "error") for part in case)]
    return [tests - failed - skipped, failed, skipped], [case.get("name") for case in broken]


def _model(record: dict[str, dict], out: Path) -> Iterator[str]:
    if constants := _read(out, "constants"):
        shown = [f"{name} {factor * constants[name]:.3g} {unit}" for name, (factor, unit) in UNITS.items()]
        typed = " ".join(f"--{name.replace('_', '-')} {value:.3g}" for name, value in constants.items())
        yield from (f"Measured constants: {', '.join(shown)}", "", f"As options: `benchmarks.gpu_bill {typed}`", "")
    measured, bill = _read(out, "nodes") or {}, _read(out, "bill") or {}
    if not measured and not bill:
        return
    yield from _row("step", "nodes", "by the bill", "ms measured", "ms by the model", "with the measured constants")
    yield from _row(*["---"] * 6)
    for name in bill or measured:
        ours, theirs = measured.get(name, {}), bill.get(name, {})
        times = (ours.get("ms"), theirs.get("ms"), theirs.get("ms with measured constants"))
        times = ("" if one is None else f"{one:.3f}" for one in times)
        yield from _row(name, ours.get("nodes", ""), theirs.get("nodes", ""), *times)


def _steps(record: dict[str, dict], out: Path) -> Iterator[str]:
    for size in SIZES:
        if found := _read(out, f"step-{size}"):
            yield from (f"`{found['command']}`", "", *_quoted(report.table(found).split("\n")), "")


def _said(record: dict[str, dict], out: Path) -> Iterator[str]:
    for name, entry in record.items():
        if entry["step"] in ("ranks", "candidates") and entry["status"] == "passed":
            yield from (f"{name}:", "", *_quoted(entry["last"]), "")


def _reconstruction(record: dict[str, dict], out: Path) -> Iterator[str]:
    for file in sorted((out / "work" / "runs" / TRAINED).glob("*/evaluation/reconstruct-*.json"))[-1:]:
        found = read_json(file, {"count": int, "steps": int, "seconds": float, "loss": float, "device": str}, "")
        yield f"{found['count']} images, {found['steps']} steps: {found['seconds']:.1f} s on {found['device']}"
        yield f"(loss {found['loss']:.6f}, of a run that was trained for a moment)."
        yield from ("", "![targets beside reconstructions](reconstructions.png)")


def _samples(record: dict[str, dict], out: Path) -> Iterator[str]:
    for norm in NORMS:
        if (out / f"samples-{norm}.png").exists():
            yield from (f"{norm}:", "", f"![samples of {norm}](samples-{norm}.png)", "")


def _models(record: dict[str, dict], out: Path) -> Iterator[str]:
    table = out / "work" / "models" / "table.txt"
    if table.exists():
        yield from _quoted(table.read_text().splitlines())


SECTIONS = {
    "Device": _device,
    "What was run": _parts,
    "Tests": _tests,
    "The step by the model": _model,
    "The step beside others": _steps,
    "A rank of one, and the convolution without patches": _said,
    "Reconstruction": _reconstruction,
    "Samples": _samples,
    "The paper's models": _models,
}


def _read(out: Path, name: str) -> dict | None:
    """What a measurement wrote, if it did."""
    path = out / "work" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _row(*cells: object) -> Iterator[str]:
    yield f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def _quoted(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
