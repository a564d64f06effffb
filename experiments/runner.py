"""Every member of an experiment trained, the final tests, the table; stopped at any time, it goes on where it was."""

import argparse
from collections.abc import Callable

from experiments.collect import collect
from experiments.deadline import Deadline
from experiments.options import parse
from experiments.plan import Member, find_run, options_of, refuse_another
from tinygan.cli import evaluate, train
from tinygan.errors import NonFiniteError, Stopped, UsageError
from tinygan.evaluation.comparison import table
from tinygan.evaluation.runsummary import NoTestsError, RunSummary, read_run
from tinygan.files import write_atomically
from tinygan.jsonfile import read_json
from tinygan.reconstruction import Search
from tinygan.report import write_report
from tinygan.text import say
from tinygan.training import checkpoint
from tinygan.training.runfolder import RunFolder


def run_experiment(
    name: str, description: str, plan: Callable[[list[int]], list[Member]], arguments: list[str]
) -> None:
    """Do whatever is still to be done of the experiment in the module ``name``, which ``description`` begins with.

    ``plan`` gives the members for these seeds, in the order in which they are trained. Raises UsageError for options
    that do not fit together, or a run that is not what would be trained; Stopped when a signal came, with all saved.
    """
    options = parse(name, description.splitlines()[0], arguments)
    experiment = Experiment(options, plan(options.seeds))
    try:
        with Deadline(options.minutes) as deadline:
            experiment.train()
            experiment.test()
    except (Stopped, KeyboardInterrupt):
        if not deadline.passed:
            raise
        say(f"time is up after {options.minutes:g} minutes; the same command goes on where it stopped")
    experiment.finish()


class Experiment:
    """The members with the folders that they run in; a member whose training failed stays where it was."""

    def __init__(self, options: argparse.Namespace, members: list[Member]):
        self.options = options
        self.data = ["--data-dir", options.data_dir] if options.data_dir else []
        self.common = ["--dataset", options.dataset, "--test-every", str(options.test_every), "--sample-every", "1000"]
        self.common += ["--device", options.device, "--out", str(options.out), *self.data]
        self.members = {member: options_of([*member, *self.common]) for member in members}
        self.failed: dict[Member, str] = {}
        for wanted in self.members.values():
            if run := find_run(wanted):
                refuse_another(run, wanted)
                if (at := iteration_of(run)) > options.iterations:
                    raise UsageError(
                        f"{run.path} is at iteration {at:,} already: give --iterations {at} or another --out"
                    )

    def train(self) -> None:
        """Train every member to the last iteration, or all in turn by as many iterations as were asked for."""
        last, step = self.options.iterations, self.options.interleave or self.options.iterations
        for target in [*range(step, last, step), last]:
            for member in self.members:
                if member not in self.failed:
                    self.advance(member, target)
            self.write_page()

    def advance(self, member: Member, target: int) -> None:
        """Begin one member's training, or go on with it, up to iteration ``target``."""
        run = find_run(self.members[member])
        if run and iteration_of(run) >= target:
            return
        command = [*member, *self.common]
        if run:
            command = ["--resume", str(run.path), "--device", self.options.device, *self.data]
        try:
            train.main([*command, "--iterations", str(target)])
        except NonFiniteError as error:
            self.failed[member] = str(error)
            say(f"{' '.join(member)}: {error}")

    def test(self) -> None:
        """Run the final test of each best checkpoint, of as many images as were asked for, unless it is there."""
        for run in filter(None, map(find_run, self.members.values())):
            if run.best.exists() and not self.tested(run):
                how = ["--steps", str(self.options.steps), "--device", self.options.device]
                count = ["--count", str(self.options.count)] if self.options.count else []
                evaluate.main(["reconstruct", str(run.path), *how, *count, *self.data])

    def tested(self, run: RunFolder) -> bool:
        """Whether the run's best checkpoint has been through this final test, or that of the whole set."""
        iteration = checkpoint.load(run.best).progress.iteration
        wanted = {"iteration": iteration, **Search(self.options.steps)._asdict()}
        for file in run.evaluation.glob("reconstruct-final-best-*.json"):
            found = read_json(file, {"count": int}, "delete it, the test is then repeated")
            if wanted.items() <= found.items() and ("first" not in file.stem or found["count"] == self.options.count):
                return True
        return False

    def runs(self) -> list[RunSummary]:
        """The runs that have come to their first running test."""
        found = []
        for run in filter(None, map(find_run, self.members.values())):
            try:
                found.append(read_run(run.path))
            except NoTestsError as error:
                say(error)
        return found

    def write_page(self) -> None:
        """Write the page of what there is, if one is wanted."""
        if self.options.report and (runs := self.runs()):
            write_report(runs, self.options.report)

    def finish(self) -> None:
        """Write page, results and table of what there is."""
        if runs := self.runs():
            self.write_page()
            collect(runs, self.options.results)
            say(*table(runs).split("\n"))
        else:
            say("no run has come to its first running test")
        if self.failed:
            self.options.results.mkdir(parents=True, exist_ok=True)
            lines = [f"{' '.join(member)}: {error}\n" for member, error in self.failed.items()]
            write_atomically(self.options.results / "ended-early.txt", "".join(lines).encode())


def iteration_of(run: RunFolder) -> int:
    """The iteration of its last checkpoint."""
    return checkpoint.load(run.last).progress.iteration
