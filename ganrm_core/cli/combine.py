"""`ganrm combine`: write a weighted combination of reward models."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from .arguments import Subparsers, add_json
from .given_paths import expanded, given_path
from .output import print_facts, print_json


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "combine",
        help="let several models judge together",
        description="Write a small file that stands for several models with a weight each. Every command that "
        "takes a model takes it, too; the models stay where they are. A negative weight asks for less of what "
        "that model likes.",
    )
    parser.add_argument(
        "models",
        type=_weighed,
        nargs="+",
        metavar="MODEL[:WEIGHT]",
        help="checkpoints made by `ganrm train`, each with its weight (default 1), as in style.safetensors:0.5",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="a new .json file")
    parser.add_argument("--name", default="", help="what it is called (default: the file's name)")
    add_json(parser, "print what was written as one line of JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..rewards.combination_file import write_combination

    models = [(file, weight) for path, weight in options.models for file in expanded(path)]
    recipe = write_combination(options.output, models, options.name)
    if options.json:
        print_json(recipe.to_json())
        return 0
    total = sum(abs(part.weight) for part in recipe.parts)
    print_facts(
        ("written", str(options.output)),
        *((f"{part.weight:g}", f"{part.file} ({part.weight / total:.0%})") for part in recipe.parts),
    )
    return 0


def _weighed(text: str) -> tuple[Path, float]:
    """A path, and the number behind its last colon if there is one; a file of that very name comes first."""
    path, colon, number = text.rpartition(":")
    if not colon or given_path(text).exists():
        return given_path(text), 1.0
    try:
        weight = float(number)
    except ValueError:
        return given_path(text), 1.0  # such as C:\taste.safetensors
    if not math.isfinite(weight):
        raise argparse.ArgumentTypeError(f"the weight of {path} is {number}; give a number such as 1 or -0.5")
    return given_path(path), weight
