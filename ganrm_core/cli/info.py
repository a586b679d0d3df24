"""`ganrm info`: show a model file's card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .arguments import MODEL_HELP, Subparsers, add_json
from .output import print_facts, print_json

_MOST_LETTERS = 900


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "info",
        help="show what a model file says of itself",
        description="Show a model's card. Needs no backbone.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help=MODEL_HELP)
    add_json(parser, "print the whole card as one line of JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..rewards.combination_file import is_combination
    from ..rewards.discriminator.checkpoint import load_checkpoint

    if is_combination(options.model):
        return _combination(options.model, as_json=options.json)
    card = load_checkpoint(options.model).card
    if options.json:
        print_json(card)
        return 0
    print_facts(*_lines(card))
    return 0


def _combination(path: Path, *, as_json: bool) -> int:
    """The recipe, and what each of its models says of itself."""
    from ..rewards.combination_file import is_combination, part_path, read_combination
    from ..rewards.discriminator.checkpoint import read_card

    recipe = read_combination(path)
    files = [part_path(path, part) for part in recipe.parts]
    cards = [None if is_combination(file) else read_card(file) for file in files]
    if as_json:
        print_json({**recipe.to_json(), "cards": cards})
        return 0
    print_facts(("combination", _one_line(recipe.name)), ("of", f"{len(files)} models, each shown below"))
    for part, card in zip(recipe.parts, cards, strict=True):
        print()
        facts = _lines(card) if card else [("kind", "a combination itself")]
        print_facts(("model", _one_line(part.file)), ("weight", f"{part.weight:g}"), *facts)
    return 0


def _lines(card: dict[str, Any]) -> list[tuple[str, str]]:
    """The card in words; what an older or foreign card lacks is left out."""
    from ..leakage.report import invariance_summary
    from ..rewards.discriminator.card_fields import section

    lines: list[tuple[str, Any]] = [("format", card["format_version"])]
    if backbone := section(card, "backbone"):
        lines.append(
            ("backbone", f"{backbone.get('name')} (weights {str(backbone.get('weights_sha256'))[:16]}…)")
        )
    if adapter := section(card, "adapter"):
        modules = adapter.get("modules")
        layers = f", {len(modules)} layers" if isinstance(modules, (list, dict)) else ""
        lines.append(("adapter", f"LoRA, rank {adapter.get('rank')}{layers}"))
    lines.append(("head", card.get("chosen_head") or card.get("head")))
    lines += _figures(card)
    lines.append(("same picture", invariance_summary(card)))
    if origin := section(card, "provenance"):
        lines.append(
            ("trained on", f"{origin.get('n_liked')} liked, {origin.get('n_ordinary')} ordinary pictures")
        )
        lines.append(("seed", section(origin, "settings").get("seed")))
        lines.append(("date", origin.get("date")))
    return [(name, _one_line(value)) for name, value in lines]


def _figures(card: dict[str, Any]) -> list[tuple[str, str]]:
    from ..rewards.discriminator.card_fields import format_interval, format_number, section

    metrics, thresholds = section(card, "metrics"), section(card, "thresholds")
    lines = [
        (name, format_interval(metrics[key]))
        for name, key in (("held-out AUC", "auc"), ("accuracy", "accuracy"), ("ECE", "ece"))
        if key in metrics
    ]
    if "held_out" in metrics:
        lines.append(("held out by", f"{metrics['held_out']} ({metrics.get('n')} pictures)"))
    if thresholds:
        words = ", ".join(f"{name} {format_number(value)}" for name, value in thresholds.items())
        lines.append(("thresholds", words))
    return lines


def _one_line(value: Any) -> str:
    """A stranger's card must neither write over the terminal nor fill it."""
    from ..utils.error_text import shortened

    return shortened(str(value), _MOST_LETTERS)
