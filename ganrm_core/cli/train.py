"""`ganrm train`"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..reports.score_format import score_text
from .common import (
    Subparsers,
    add_backbones,
    add_cache,
    add_device,
    add_json,
    bars,
    device,
    ece_in_words,
    folders_taken_back,
    print_facts,
    print_json,
    say_renamed,
    skipped_as_json,
    warn,
)


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "train",
        help="train a taste model from two folders",
        description="Train a taste model from a folder of pictures you like and a folder of ordinary outputs.",
        epilog="50 or more pictures of each make a usable model, a few hundred a good one.",
    )
    parser.add_argument("--liked", type=Path, required=True, metavar="DIR", help="pictures you like")
    parser.add_argument(
        "--ordinary", type=Path, required=True, metavar="DIR", help="what the generator makes anyway"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the model to write (.safetensors)"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write a report with plots (.html)")
    parser.add_argument("--recursive", action="store_true", help="read subfolders too")
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
        "--adapt", default="none", choices=["none", "lora"], help="adapt a transformer backbone with LoRA"
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
    add_json(parser, "print one last line of JSON with the figures")
    parser.set_defaults(run=run, on_interrupt="The training is lost; no file was written.")


def run(options: argparse.Namespace) -> int:
    with folders_taken_back(*(path.parent for path in (options.output, options.report) if path)):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from ..rewards.discriminator.checkpoint import check_model_path
    from ..training.config import TrainingSettings
    from ..training.feature_archive import archive_path, write_model
    from ..training.trainer import train
    from ..utils.files import check_new_file

    _check_ending(options.output, "model", ".safetensors")
    check_model_path(options.output)
    check_new_file(options.output, what="the model", make_folders=True)
    if options.keep_features:
        check_new_file(archive_path(options.output), what="the features", make_folders=True)
    if options.report:
        from ..reports.html_report import check_report_packages

        _check_ending(options.report, "report", ".html")
        check_new_file(options.report, what="the report", make_folders=True)
        check_report_packages()
    settings = TrainingSettings(
        backbone=options.backbone,
        preset=options.preset,
        adapt=options.adapt,
        seed=options.seed,
        views=options.views,
        neutralise=options.neutralise,
        second_look=options.second_look,
    )
    with bars() as progress:
        result = train(
            options.liked,
            options.ordinary,
            settings,
            recursive=options.recursive,
            device=device(options),
            search_folders=options.backbones,
            progress=progress,
            name=options.output.stem,
        )
    written = write_model(options.output, result.model, result.known if options.keep_features else None)
    options.on_interrupt = "The model is written and complete."
    say_renamed(options.output, written)
    if options.report:
        from ..reports.html_report import training_report, write_report
        from ..training.report import report_data
        from ..utils.errors import OutputError

        report = training_report(report_data(result, written.stem))
        try:
            say_renamed(options.report, write_report(options.report, report, numbered=True))
        except OutputError as error:
            raise OutputError(f"{error} The model itself is written: {written}.") from error
    for message in result.warnings:
        warn(message)
    metrics = result.metrics
    if options.json:
        print_json(
            {
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
        )
        return 0
    seconds, thresholds = result.seconds["total"], result.model.thresholds
    print_facts(
        (
            "trained on",
            f"{result.n_liked} liked and {result.n_ordinary} ordinary pictures in {seconds:.0f} s",
        ),
        ("held-out AUC", f"{metrics.auc}   how often a liked picture outranks an ordinary one"),
        ("accuracy", f"{metrics.accuracy}   at a score of {score_text(metrics.threshold)}"),
        ("ECE", ece_in_words(metrics)),
        (
            "thresholds",
            f"{score_text(thresholds['balanced'])} balanced; {score_text(thresholds['fpr_5'])} stops 95 % of ordinary ones",
        ),
        ("same picture", result.leaks.invariance_summary()),
        ("written", str(written)),
    )
    return 0


def _check_ending(path: Path, what: str, ending: str) -> None:
    from ..utils.errors import OutputError
    from ..utils.files import shown

    if path.suffix.lower() != ending:
        raise OutputError(
            f"The {what} cannot be named {shown(path.name)}: give it a name that ends in {ending}."
        )
