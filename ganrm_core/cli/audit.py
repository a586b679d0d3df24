"""`ganrm audit`: find out what separates two folders besides taste."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .arguments import Subparsers, add_json, add_recursive
from .output import print_facts, print_json, skipped_as_json, warn
from .progress_bars import bars
from .rated import add_liked_and_ordinary, liked_and_ordinary

if TYPE_CHECKING:
    from ..leakage.audit.audit import Audit


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "audit",
        help="find what gives two folders away besides the pictures",
        description="Look for what would teach a model file formats instead of taste: everything by which "
        "two folders can be told apart without looking at the pictures.",
    )
    add_liked_and_ordinary(parser)
    add_recursive(parser)
    add_json(parser, "print the findings as one line of JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..leakage.audit.audit import audit_folders

    liked, ordinary = liked_and_ordinary(options)
    with bars() as progress:
        audit = audit_folders(
            liked,
            ordinary,
            recursive=options.recursive,
            progress=progress,
        )
    for note in audit.notes:
        warn(note)
    if options.json:
        print_json({**audit.to_json(), "skipped": skipped_as_json(audit.skipped)})
    else:
        _print(audit)
    return 0


def _print(audit: Audit) -> None:
    print_facts(
        ("pictures", f"{audit.n_liked} liked, {audit.n_ordinary} ordinary"),
        *(
            (family.name, f"{family.auc or '-'!s:<24}{'tells them apart' if family.separates else 'nothing'}")
            for family in audit.families
        ),
    )
    print()
    for sentence in audit.warnings or ["Nothing but the pictures themselves tells the two folders apart."]:
        print(sentence)
