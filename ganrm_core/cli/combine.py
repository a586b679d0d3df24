"""`ganrm combine`: write a weighted combination of rewards."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import Subparsers, add_json, add_loading, add_recursive, given_model, load_source
from .given_paths import expanded, given_path
from .output import print_facts, print_json, warn_skipped
from .progress_bars import bars
from .prompts import add_prompts, prompt_source
from .score import files_of

if TYPE_CHECKING:
    from ..rewards.combination_file import Part, Source
    from ..rewards.standardisation import Standard


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
        type=_model_and_weight,
        nargs="+",
        metavar="MODEL[:WEIGHT]",
        help="checkpoints made by `ganrm train`, or published judges such as prompt-fit:CLIP_FOLDER, each with its weight "
        "(default 1), as in style.safetensors:0.5",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="a new .json file")
    parser.add_argument("--name", default="", help="what it is called (default: the file's name)")
    parser.add_argument(
        "--standardise",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="pictures like those to be judged, or a folder of them (repeatable; 16 or more): each model counts in its own "
        "spread over them, so that the weights mean what they say. For tastes beside published judges",
    )
    add_recursive(parser)
    add_prompts(parser)
    add_loading(parser)
    add_json(parser, "print what was written as one line of JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..rewards.combination_file import write_combination
    from ..utils.files import check_new_file

    models = [(file, weight) for source, weight in options.models for file in _files(source, options)]
    standards = None
    if options.standardise:
        check_new_file(options.output, what="the combination")
        standards = _standards(models, options)
    recipe = write_combination(options.output, models, options.name, standards)
    if options.json:
        print_json(recipe.to_json())
        return 0
    total = sum(abs(part.weight) for part in recipe.parts)
    print_facts(
        ("written", str(options.output)),
        *((f"{part.weight:g}", _part_text(part, part.weight / total)) for part in recipe.parts),
    )
    return 0


def _standards(models: Sequence[tuple[Source, float]], options: argparse.Namespace) -> list[Standard]:
    """The scale of each model over the pictures of --standardise; those of weight 0 stay as they are."""
    from ..rewards.combined import calibration_by, model_itself
    from ..rewards.standardisation import AS_IT_IS, sample_of, standards_on_files

    files = list(files_of(options.standardise, options.recursive))
    prompt_of = prompt_source(options, files)
    paths = sample_of(files)
    rewards = [load_source(source, options) for source, weight in models if weight]
    with bars() as progress:
        found, skipped = standards_on_files(
            rewards, paths, prompt_of, progress, calibration_of=calibration_by(model_itself)
        )
    warn_skipped(skipped, paths, "")
    measured = iter(found)
    return [next(measured) if weight else AS_IT_IS for _, weight in models]


def _part_text(part: Part, share: float) -> str:
    from ..rewards.standardisation import AS_IT_IS

    name = f"{part.reward}:{','.join((part.file, *part.further))}" if part.reward else part.file
    scale = "" if part.standard == AS_IT_IS else f", in spreads of {part.standard.spread:.3g}"
    return f"{name} ({share:.0%}{scale})"


def _files(source: Source, options: argparse.Namespace) -> Sequence[Source]:
    """What a pattern such as *.safetensors means; a published network with the paths of its files."""
    return expanded(source) if isinstance(source, Path) else [source.found(options.backbones)]


def _model_and_weight(text: str) -> tuple[Source, float]:
    """Parse MODEL[:WEIGHT]; an existing file of exactly that name takes precedence."""
    path, colon, number = text.rpartition(":")
    if not colon or given_path(text).exists():
        return given_model(text), 1.0
    try:
        weight = float(number)
    except ValueError:
        return given_model(text), 1.0  # such as C:\taste.safetensors
    if not math.isfinite(weight):
        raise argparse.ArgumentTypeError(f"the weight of {path} is {number}; give a number such as 1 or -0.5")
    return given_model(path), weight
