"""`ganrm demo`: train and evaluate on sample pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import Subparsers, add_device, add_json, device
from .output import ece_text, metrics_as_json, print_facts, print_json, warn
from .output_paths import empty_folders_removed
from .progress_bars import bars


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "demo",
        help="see it work on real pictures, in a few minutes",
        description="Train on real pictures (liked) against other pictures with the faults generators make "
        "(ordinary), then pick the best of 8 candidates of pictures never seen. Needs the extra [demo].",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("ganrm-demo"),
        metavar="DIR",
        help="a new or empty folder (default ganrm-demo)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another draw of pictures and faults"
    )
    parser.add_argument(
        "--backbone",
        default="efficientnet_lite0",
        metavar="NAME",
        help="as `ganrm train` takes it; efficientnet_lite2 chooses better and takes twice as long (default efficientnet_lite0)",
    )
    add_device(parser)
    add_json(parser, "print the figures as one line of JSON")
    parser.set_defaults(run=run, on_interrupt="The demo is incomplete; its output folder can be deleted.")


def run(options: argparse.Namespace) -> int:
    from ..demo.run import run_demo
    from ..selection.placement import prepare_folder

    with empty_folders_removed(options.output), bars() as progress:
        prepare_folder(options.output)
        outcome = run_demo(
            options.output,
            seed=options.seed,
            backbone=options.backbone,
            device=device(options),
            progress=progress,
        )
    for message in outcome.warnings:
        warn(message)
    if options.json:
        print_json(
            {
                **metrics_as_json(outcome.held_out),
                "selection_efficiency": outcome.efficiency,
                "n_liked": outcome.n_liked,
                "n_ordinary": outcome.n_ordinary,
                "n_test": outcome.n_test,
                "report": str(outcome.report),
            }
        )
        return 0
    metrics, efficiency = outcome.held_out, outcome.efficiency
    print_facts(
        ("trained on", f"{outcome.n_liked} liked and {outcome.n_ordinary} ordinary pictures"),
        ("held-out AUC", f"{metrics.auc}   on {outcome.n_test} pictures never seen"),
        ("ECE", ece_text(metrics)),
        (
            "selection efficiency",
            f"{efficiency['together']:.3f} together   1 = always the best of 8, 0 = chance",
        ),
        *((f"  {kind}", f"{value:.3f}") for kind, value in efficiency.items() if kind != "together"),
        ("open", str(outcome.report)),
    )
    return 0
