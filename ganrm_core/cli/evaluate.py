"""`ganrm evaluate`: metrics of a reward model on two folders."""

from __future__ import annotations

import argparse

from ..reports.score_format import score_text
from .arguments import Subparsers, add_json, add_model, add_recursive, load_model
from .output import ece_text, metrics_as_json, print_facts, print_json, skipped_as_json, warn, warn_skipped
from .progress_bars import bars
from .rated import add_liked_and_ordinary, liked_and_ordinary


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on pictures it has not seen",
        description="Measure how well a model separates two folders it was not trained on.",
    )
    add_model(parser)
    add_liked_and_ordinary(parser)
    add_recursive(parser)
    add_json(parser, "print the figures as one line of JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..data.labelled_files import find_training_files
    from ..rewards.evaluation import evaluate

    files = find_training_files(*liked_and_ordinary(options), recursive=options.recursive, least=1)
    model = load_model(options)
    with bars() as progress:
        result = evaluate(model, files.liked, files.ordinary, progress=progress)
    for message in files.warnings:
        warn(message)
    read = [*files.liked, *files.ordinary]
    warn_skipped(result.skipped, read, "" if options.json else "what --json prints")
    metrics = result.metrics
    n_liked = int(result.labels.sum())
    if options.json:
        print_json(
            {
                **metrics_as_json(metrics),
                "n_liked": n_liked,
                "n_ordinary": len(result.labels) - n_liked,
                "skipped": skipped_as_json(result.skipped),
            }
        )
        return 0
    print_facts(
        ("pictures", f"{n_liked} liked, {len(result.labels) - n_liked} ordinary"),
        ("AUC", f"{metrics.auc}"),
        ("accuracy", f"{metrics.accuracy}   at a score of {score_text(metrics.threshold)}"),
        ("ECE", ece_text(metrics)),
    )
    return 0
