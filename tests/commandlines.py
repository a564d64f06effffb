"""The parsers of all scripts, and what a command line needs besides the option that is tried."""

import argparse
from collections.abc import Iterator

from benchmarks import gpu_measure, gpu_session, profile, source, step
from benchmarks.candidates import compiled, implicit
from experiments import agreement, collect, learning_rates, options, three_models
from tinygan.cli import data, evaluate, train
from tinygan.cli.parser import OneLineParser
from tinygan.ranges import RANGES


class Script:
    """A script in the root, which has the parser and the main of its module in the package."""

    def __init__(self, name: str, module: object):
        self.__name__, self.build_parser, self.main = name, module.build_parser, module.main


class Experiment:
    """An experiment with the parser that all of them share."""

    def __init__(self, module: object):
        self.__name__, self.main = module.__name__, module.main

    def build_parser(self) -> OneLineParser:
        return options.build_parser(self.__name__.rpartition(".")[2], "an experiment")


EXPERIMENTS = tuple(Experiment(module) for module in (three_models, learning_rates))
WITHOUT_NUMBERS = (agreement, collect, compiled, gpu_measure, source)
ROOT = {"train": train, "evaluate": evaluate, "data_prep": data}
SCRIPTS = tuple(Script(*one) for one in ROOT.items())
SCRIPTS += (EXPERIMENTS[0], step, profile, gpu_session, EXPERIMENTS[1], implicit)
SCRIPTS += WITHOUT_NUMBERS


def parsers() -> Iterator[tuple[object, list[str], OneLineParser]]:
    """(script, words that lead to it, parser): those of the scripts and of their commands."""
    for script in SCRIPTS:
        parser = script.build_parser()
        yield script, [], parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, command in action.choices.items():
                    yield script, [name], command


def numeric() -> Iterator[tuple[object, list[str], argparse.Action, str]]:
    """(script, command line without it, action, entry of RANGES) of every option that takes a number or several."""
    for script, words, parser in parsers():
        for action in parser._actions:
            name = next((option[2:].replace("-", "_") for option in action.option_strings if option[:2] == "--"), "")
            entry = {"seeds": "seed"}.get(name, name.removeprefix("d_").removeprefix("g_"))
            if entry in RANGES and not (script is gpu_session and name == "steps"):
                yield script, [*words, *needed(parser, action)], action, entry


def needed(parser: OneLineParser, but: argparse.Action) -> list[str]:
    """What ``parser`` insists on, without the option ``but``."""
    words = []
    for action in parser._actions:
        if action.required and action is not but and not isinstance(action, argparse._SubParsersAction):
            value = action.choices[0] if action.choices else "2" if action.dest in ("image_size", "iterations") else "x"
            words += [*action.option_strings[-1:], value]
    return words
