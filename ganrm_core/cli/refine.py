"""`ganrm refine`: self-training on a pool of generator outputs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import Subparsers, add_json, add_model, add_recursive, load_model
from .output import metrics_as_json, print_facts, print_json, skipped_as_json, warn
from .output_paths import check_suffix, empty_folders_removed, warn_renamed
from .progress_bars import bars

if TYPE_CHECKING:
    from ..training.self_training.refinement import Refinement


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "refine",
        help="let a model learn from its own ranking of many outputs",
        description="Rank-based bootstrapping: the best of a pool of generator outputs become weak positives, the "
        "last ones negatives. A round that does not rank held-out pictures better is not kept.",
        epilog="The pictures of the training are needed again: MODEL's companion file (ganrm train --keep-features), "
        "or --liked and --ordinary.",
    )
    add_model(parser)
    parser.add_argument(
        "--pool", type=Path, required=True, metavar="DIR", help="many outputs of your generator"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the model to write (.safetensors)"
    )
    parser.add_argument("--liked", type=Path, metavar="DIR", help="the liked pictures MODEL was trained on")
    parser.add_argument("--ordinary", type=Path, metavar="DIR", help="the ordinary ones")
    add_recursive(parser)
    parser.add_argument("--rounds", type=int, default=3, metavar="T", help="at most so many (default 3)")
    parser.add_argument(
        "--top",
        type=int,
        metavar="M",
        help="so many become positives (default: a tenth of the pool, no more than the smaller training set)",
    )
    parser.add_argument(
        "--bottom", type=int, metavar="M", help="so many become negatives (default: as for --top)"
    )
    parser.add_argument(
        "--alpha",
        type=float,
        metavar="A",
        help="rank r counts exp(-A r) (default: ln 2 / M, which ends at 0.5)",
    )
    parser.add_argument("--bottom-only", action="store_true", help="no generated picture becomes a positive")
    parser.add_argument(
        "--keep-features",
        action="store_true",
        help="also write FILE's companion, to refine again without folders",
    )
    add_json(parser, "print one last line of JSON with the figures")
    parser.set_defaults(run=run, on_interrupt="The refinement is lost; no file was written.")


def run(options: argparse.Namespace) -> int:
    with empty_folders_removed(options.output.parent):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from ..rewards.discriminator.checkpoint import check_model_path
    from ..rewards.discriminator.reward_model import RewardModel
    from ..training.feature_archive import archive_path, write_model
    from ..training.self_training.known_pictures import Sources
    from ..training.self_training.messages import pool_line, round_lines, verdict
    from ..training.self_training.refinement import refine
    from ..training.self_training.rounds import BootstrapSettings
    from ..utils.errors import DataError
    from ..utils.files import check_new_file, shown

    settings = BootstrapSettings(
        rounds=options.rounds,
        top=options.top,
        bottom=options.bottom,
        alpha=options.alpha,
        bottom_only=options.bottom_only,
    )
    check_suffix(options.output, "model", ".safetensors")
    check_model_path(options.output)
    check_new_file(options.output, what="the model", make_folders=True)
    if options.keep_features:
        check_new_file(archive_path(options.output), what="the model's features")
    model = load_model(options)
    if not isinstance(model, RewardModel):
        raise DataError(
            f"{shown(str(options.model))} is no single model made by `ganrm train`, which alone can be refined. Refine one of "
            "those by itself, then combine it anew."
        )
    with bars() as progress:
        result = refine(
            model,
            Sources(options.pool, options.liked, options.ordinary, options.model, options.recursive),
            settings=settings,
            name=options.output.stem,
            progress=progress,
        )
    written = write_model(options.output, result.model, result.known if options.keep_features else None)
    options.on_interrupt = "The model is written and complete."
    warn_renamed(options.output, written)
    for message in result.warnings:
        warn(message)
    if options.json:
        print_json({**_as_json(result), "written": str(written)})
        return 0
    for line in (verdict(result), *round_lines(result), pool_line(result)):
        print(line)
    print_facts(
        *([("held-out AUC", f"{result.metrics.auc}")] if result.metrics else []),
        ("written", str(written)),
    )
    return 0


def _as_json(result: Refinement) -> dict[str, Any]:
    outcome = result.outcome
    return {
        "improved": result.improved,
        "rounds_kept": outcome.kept,
        "rounds": [
            {
                "auc": entry.auc,
                "loss": entry.loss,
                "auc_gain": entry.gain.value,
                "auc_gain_ci": [entry.gain.low, entry.gain.high],
                "kept": entry.kept,
            }
            for entry in outcome.rounds
        ],
        "auc_before": outcome.auc,
        "loss_before": outcome.loss,
        **(metrics_as_json(result.metrics) if result.metrics else {}),
        "thresholds": dict(result.model.thresholds),
        "n_pool": len(result.pool.paths),
        "n_left_out": result.pool.n_known,
        "n_skipped": len(result.pool.skipped),
        "seconds": round(result.seconds, 3),
        "skipped": skipped_as_json(result.skipped),
    }
