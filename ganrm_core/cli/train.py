"""`ganrm train`: train a reward model from two folders, or from one with ratings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..reports.score_format import score_text
from .arguments import (
    Subparsers,
    add_backbones,
    add_cache,
    add_device,
    add_json,
    add_recursive,
    device,
)
from .engine import add_engine, cluster_settings, refuse_without_ray
from .output import ece_text, print_facts, print_json, skipped_as_json, warn
from .output_paths import check_suffix, empty_folders_removed, warn_renamed
from .progress_bars import bars
from .rated import add_liked_and_ordinary, liked_and_ordinary

if TYPE_CHECKING:
    from ..training.config import TrainingSettings
    from ..training.picture_passes import PicturePasses
    from ..training.trainer import TrainingResult


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "train",
        help="train a taste model from two folders, or from one with ratings",
        description="Train a taste model from a folder of pictures you like and a folder of ordinary outputs, or from one "
        "folder of pictures with star ratings.",
        epilog="50 or more pictures of each make a usable model, a few hundred a good one.",
    )
    add_liked_and_ordinary(parser, ordinary="what the generator makes anyway")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the model to write (.safetensors)"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write a report with plots (.html)")
    add_recursive(parser)
    parser.add_argument(
        "--backbone",
        default="efficientnet_lite0",
        metavar="NAME",
        help="efficientnet_lite0 (default), efficientnet_lite2, open_clip:MODEL/TAG, transformers:ID, file:FILE.safetensors",
    )
    parser.add_argument(
        "--preset", default="default", choices=["default", "paper"], help="how the head is trained"
    )
    parser.add_argument(
        "--adapt",
        default="none",
        choices=["none", "lora"],
        help="adapt a transformer backbone with LoRA; kept only if clearly better on held-out pictures",
    )
    parser.add_argument(
        "--views", type=int, default=4, metavar="N", help="versions of each picture learned from (default 4)"
    )
    parser.add_argument(
        "--second-look",
        default="smaller",
        choices=["smaller", "blurred", "none"],
        help="what else is looked at of a picture: itself made smaller (default); lightly blurred, which takes nearly "
        "twice the time, finds faint differences and orders candidates less well; or nothing, which is quickest",
    )
    parser.add_argument(
        "--keep-features",
        action="store_true",
        help="also write what `ganrm refine` would otherwise read from the two folders again",
    )
    parser.add_argument(
        "--neutralise",
        default="auto",
        choices=["auto", "off", "full"],
        help="even out what tells the folders apart without being taste, such as file formats (default: auto)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="same pictures, seed and machine: same model"
    )
    add_backbones(parser)
    add_device(parser)
    add_cache(parser)
    add_engine(parser)
    add_json(parser, "print one last line of JSON with the figures")
    parser.set_defaults(run=run, on_interrupt="The training is lost; no file was written.")


def run(options: argparse.Namespace) -> int:
    if options.engine == "local":
        refuse_without_ray(options, "ray_address", "worker_cores")
    with empty_folders_removed(*(path.parent for path in (options.output, options.report) if path)):
        _check_outputs(options)
        result = _train(options)
        written = _write(options, result)
    for message in result.warnings:
        warn(message)
    if options.json:
        print_json(_as_json(result, written))
    else:
        print_facts(*_facts(result, written))
    return 0


def _check_outputs(options: argparse.Namespace) -> None:
    """Before the training, raise for files that could not be written after it."""
    from ..rewards.discriminator.checkpoint import check_model_path
    from ..training.feature_archive import archive_path
    from ..utils.files import check_new_file

    check_suffix(options.output, "model", ".safetensors")
    check_model_path(options.output)
    check_new_file(options.output, what="the model", make_folders=True)
    if options.keep_features:
        check_new_file(archive_path(options.output), what="the features", make_folders=True)
    if options.report:
        from ..reports.html_report import check_report_packages

        check_suffix(options.report, "report", ".html")
        check_new_file(options.report, what="the report", make_folders=True)
        check_report_packages()


def _train(options: argparse.Namespace) -> TrainingResult:
    from ..training.config import TrainingSettings
    from ..training.trainer import train

    settings = TrainingSettings(
        backbone=options.backbone,
        preset=options.preset,
        adapt=options.adapt,
        seed=options.seed,
        views=options.views,
        neutralise=options.neutralise,
        second_look=options.second_look,
    )
    liked, ordinary = liked_and_ordinary(options)
    with _passes(options, settings) as passes, bars() as progress:
        return train(
            liked,
            ordinary,
            settings,
            recursive=options.recursive,
            device=device(options),
            search_folders=options.backbones,
            passes=passes,
            progress=progress,
            name=options.output.stem,
        )


@contextmanager
def _passes(options: argparse.Namespace, settings: TrainingSettings) -> Iterator[PicturePasses | None]:
    """Inside, what reads the pictures on the cluster that the options name; None for this process."""
    if options.engine == "local":
        yield None
        return
    from ..distributed.cluster import connected
    from ..distributed.training_passes import RayPasses

    cluster = cluster_settings(options)
    with connected(cluster) as ray:
        yield RayPasses(ray, cluster, settings, options.backbones)


def _write(options: argparse.Namespace, result: TrainingResult) -> Path:
    """Write the model and, if asked for, the report; returns the model's path."""
    from ..training.feature_archive import write_model

    written = write_model(options.output, result.model, result.known if options.keep_features else None)
    options.on_interrupt = "The model is written and complete."
    warn_renamed(options.output, written)
    if options.report:
        _write_report(options.report, result, written)
    return written


def _write_report(path: Path, result: TrainingResult, model: Path) -> None:
    from ..reports.html_report import training_report, write_report
    from ..training.report import report_data
    from ..utils.errors import OutputError

    report = training_report(report_data(result, model.stem))
    try:
        warn_renamed(path, write_report(path, report, numbered=True))
    except OutputError as error:
        raise OutputError(f"{error} The model itself is written: {model}.") from error


def _as_json(result: TrainingResult, written: Path) -> dict[str, Any]:
    metrics = result.metrics
    return {
        "auc": metrics.auc.value,
        "auc_ci": [metrics.auc.low, metrics.auc.high],
        "ece": metrics.ece.value,
        "thresholds": dict(result.model.thresholds),
        "n_liked": result.n_liked,
        "n_ordinary": result.n_ordinary,
        "leaks": result.leaks.to_json(),
        "seconds": round(result.seconds["total"], 3),
        "skipped": skipped_as_json(result.skipped),
        "written": str(written),
    }


def _facts(result: TrainingResult, written: Path) -> list[tuple[str, str]]:
    metrics, thresholds = result.metrics, result.model.thresholds
    counts = f"{result.n_liked} liked and {result.n_ordinary} ordinary pictures"
    balanced, fpr_5 = (score_text(thresholds[name]) for name in ("balanced", "fpr_5"))
    return [
        ("trained on", f"{counts} in {result.seconds['total']:.0f} s"),
        ("held-out AUC", f"{metrics.auc}   how often a liked picture outranks an ordinary one"),
        ("accuracy", f"{metrics.accuracy}   at a score of {score_text(metrics.threshold)}"),
        ("ECE", ece_text(metrics)),
        ("thresholds", f"{balanced} balanced; {fpr_5} stops 95 % of ordinary ones"),
        ("same picture", result.leaks.invariance_summary()),
        ("written", str(written)),
    ]
