"""Every script's command line: each number has a range, each mistake a line that helps, each option a description."""

import re
import shlex

import pytest

import tinygan
from tests.commandlines import SCRIPTS, WITHOUT_NUMBERS, numeric, parsers
from tests.test_ranges import NO_NUMBER
from tinygan.errors import UsageError, run_script
from tinygan.ranges import RANGES

NUMERIC = list(numeric())
PARSERS = [(" ".join([script.__name__, *words]), script, words, parser) for script, words, parser in parsers()]


def ids(case):
    script, words, action, _ = case
    return f"{script.__name__} {' '.join(words[:1])} {action.option_strings[-1]}"


def refused(capsys, script, arguments):
    """The one line with which ``script`` refuses ``arguments``."""
    assert run_script(script.main, arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch("error: [^\n]+\n", err)
    return err


def test_all_numbers_are_found():
    assert len(NUMERIC) > 50
    assert {script for script, *_ in NUMERIC} == set(SCRIPTS) - set(WITHOUT_NUMBERS)
    assert {entry for *_, entry in NUMERIC} | {"checkpoint"} == set(RANGES)


@pytest.mark.parametrize(("_name", "_script", "_words", "parser"), PARSERS, ids=[case[0] for case in PARSERS])
def test_no_option_takes_a_number_without_a_range(_name, _script, _words, parser):
    assert not [action.option_strings for action in parser._actions if action.type in (int, float)]


@pytest.mark.parametrize("case", NUMERIC, ids=ids)
def test_what_is_no_number_of_its_range_is_refused(case, capsys):
    script, words, action, entry = case
    numbers, option = RANGES[entry], action.option_strings[-1]
    beyond = [repr(numbers.high + 1), repr(numbers.low - 1)]
    for value in [*NO_NUMBER, *beyond, *(["0"] if numbers.low > 0 else [])]:
        line = refused(capsys, script, [*words, f"{option}={value}"])
        assert option in line
        assert len(line) < 6000


@pytest.mark.parametrize("case", NUMERIC, ids=ids)
def test_the_ends_of_its_range_are_taken(case):
    script, words, action, entry = case
    for value in (RANGES[entry].low, RANGES[entry].high):
        found = getattr(script.build_parser().parse_args([*words, action.option_strings[-1], repr(value)]), action.dest)
        assert found in (value, (value, value), [value], repr(value))


@pytest.mark.parametrize(("_name", "script", "words", "parser"), PARSERS, ids=[case[0] for case in PARSERS])
def test_text_that_is_empty_is_refused(_name, script, words, parser, capsys):
    """As a forgotten variable in a shell script makes it: it must not mean the current folder, or a new run."""
    for action in parser._actions:
        free = action.nargs is None and action.type is not None and action.choices is None
        if free and action.option_strings:
            assert action.option_strings[-1] in refused(capsys, script, [*words, f"{action.option_strings[-1]}="])
        elif free:
            assert (action.metavar or action.dest) in refused(capsys, script, [*words, ""])


@pytest.mark.parametrize(("_name", "_script", "_words", "parser"), PARSERS, ids=[case[0] for case in PARSERS])
def test_every_option_is_described_and_every_help_has_examples(_name, _script, _words, parser):
    text = " ".join(parser.format_help().split())
    for action in parser._actions:
        assert re.sub(r"\(.*?\)", "", action.help or action.metavar or "").strip(), action.option_strings
    assert "examples:" in text
    assert "--version" in text
    assert "--debug" in text


@pytest.mark.parametrize(("_name", "script", "_words", "parser"), PARSERS, ids=[case[0] for case in PARSERS])
def test_the_examples_can_be_typed(_name, script, _words, parser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/00000-shapes-wn/checkpoints").mkdir(parents=True)
    (tmp_path / "runs/00000-shapes-wn/checkpoints/last.safetensors").touch()
    for line in parser.epilog.splitlines()[1:]:
        words = shlex.split(line.strip().partition("   ")[0].removeprefix("python -m "))
        assert words[0] in (f"{script.__name__}.py", script.__name__)
        if "--help" not in words:
            script.build_parser().parse_args(words[1:])


@pytest.mark.parametrize(
    ("script", "typed", "meant"),
    [
        (0, ["--lerning-rate", "1"], "'--lerning-rate' (did you mean --learning-rate?)"),
        (0, ["--bach-size=8"], "'--bach-size=8' (did you mean --batch-size?)"),
        (0, ["--norm", "wm"], "--norm 'wm' is unknown (did you mean wn?)"),
        (0, ["--dataset", "cifar-10"], "(did you mean cifar10?)"),
        (0, ["--preset", "celabA"], "(did you mean celeba?)"),
        (1, ["reconstuct", "x"], "(did you mean reconstruct?)"),
        (1, ["samples", "x", "--sed", "1"], "'--sed' (did you mean --seed?); see evaluate.py samples --help"),
        (2, ["foler"], "(did you mean folder?)"),
        (3, ["--iterations", "5", "--device", "gpi"], "(did you mean gpu?)"),
        (4, ["--peers", "torhc"], "(did you mean torch?)"),
    ],
)
def test_a_slip_is_corrected(script, typed, meant, capsys):
    assert meant in refused(capsys, SCRIPTS[script], typed)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_the_version(script, capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(["--version"])
    assert (stop.value.code, capsys.readouterr().out) == (0, f"tinygan {tinygan.__version__}\n")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--batch-size", "1", "--norm", "bn"], "--norm bn needs --batch-size 2 or more"),
        (["--warmup", "11", "--iterations", "10"], "--warmup 11 is longer than --iterations 10"),
        (["--resume", ""], "--resume is empty"),
        (["--image-size", "32x"], "'32x' is no size"),
        (["--image-size", "٣٢"], "is no size"),
        (["--image-size", "99999999999999999999x8"], "--image-size is '99999999999999999999'"),
    ],
)
def test_options_of_training_that_cannot_be_meant(typed, words, capsys):
    line = refused(capsys, SCRIPTS[0], typed)
    assert words in line.encode("ascii", "backslashreplace").decode() or words in line


@pytest.mark.parametrize("name", ["²", "٣", "../last", "bets", "-1", "9" * 20, ""])
def test_a_checkpoint_is_best_last_or_an_iteration(name, capsys):
    assert "--checkpoint" in refused(capsys, SCRIPTS[1], ["samples", "x", f"--checkpoint={name}"])


def test_batch_norm_of_one_image_is_refused_by_the_benchmark():
    from benchmarks import step, workload

    with pytest.raises(UsageError, match="--norm bn needs --batch 2 or more"):
        workload.from_arguments(step.build_parser().parse_args(["--norm", "bn", "--batch", "1"]))
