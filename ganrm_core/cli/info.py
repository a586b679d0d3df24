"""`ganrm info`: show a model file's card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import MODEL_HELP, Subparsers, add_json, given_model
from .output import print_facts, print_json

if TYPE_CHECKING:
    from ..rewards.combination_file import Part, Source
    from ..rewards.network_spec import NetworkSpec

_MOST_CHARACTERS = 900


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "info",
        help="show what a model file says of itself",
        description="Show a model's card. Needs no backbone.",
    )
    parser.add_argument("model", type=given_model, metavar="MODEL", help=MODEL_HELP)
    add_json(parser, "print the whole card as one line of JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..rewards.combination_suffix import is_combination
    from ..rewards.discriminator.checkpoint import load_checkpoint
    from ..rewards.network_spec import NetworkSpec

    if isinstance(options.model, NetworkSpec):
        facts = network_facts(options.model)
        print_json(dict(facts)) if options.json else print_facts(*facts)
        return 0
    if is_combination(options.model):
        return _combination(options.model, as_json=options.json)
    card = load_checkpoint(options.model).card
    if options.json:
        print_json(card)
        return 0
    print_facts(*_lines(card))
    return 0


def _combination(path: Path, *, as_json: bool) -> int:
    """Print the combination and the card of each of its models."""
    from ..rewards.combination_file import part_source, read_combination

    recipe = read_combination(path)
    files = [part_source(path, part) for part in recipe.parts]
    cards = [_card(file) for file in files]
    if as_json:
        print_json({**recipe.to_json(), "cards": cards})
        return 0
    print_facts(("combination", _one_line(recipe.name)), ("of", f"{len(files)} models, each shown below"))
    for part, source, card in zip(recipe.parts, files, cards, strict=True):
        print()
        if isinstance(source, Path):
            facts = _lines(card) if card else [("kind", "a combination itself")]
        else:
            facts = network_facts(source)[:2]
        print_facts(("model", _one_line(part.file)), ("weight", f"{part.weight:g}"), *_scale(part), *facts)
    return 0


def _card(source: Source) -> dict[str, Any] | None:
    """None for a combination, and for a published network."""
    from ..rewards.combination_suffix import is_combination
    from ..rewards.discriminator.checkpoint import read_card

    return None if not isinstance(source, Path) or is_combination(source) else read_card(source)


def _scale(part: Part) -> list[tuple[str, str]]:
    from ..rewards.standardisation import AS_IT_IS

    standard = part.standard
    return (
        []
        if standard == AS_IT_IS
        else [("scale", f"{standard.centre:.3g} ± {standard.spread:.3g} in log-odds")]
    )


def network_facts(spec: NetworkSpec) -> list[tuple[str, str]]:
    """What is known of a published network without loading it."""
    from ..rewards.known.judges import judge_named
    from ..rewards.network_spec import CHAT_KINDS, JUDGE_KINDS, PROMPT_FIT_KINDS
    from ..rewards.vision_language.wording import INSTRUCTIONS, Wording

    licence = []
    if spec.kind in PROMPT_FIT_KINDS:
        kind, reads_prompt = f"prompt fit, {PROMPT_FIT_KINDS[spec.kind]}", True
    elif spec.kind in CHAT_KINDS:
        criterion = CHAT_KINDS[spec.kind]
        kind, reads_prompt = (
            f"vision-language judge, {criterion}",
            Wording(INSTRUCTIONS[criterion]).needs_prompt,
        )
    else:
        judge = judge_named(JUDGE_KINDS[spec.kind])
        kind, reads_prompt, licence = judge.name, judge.reads_prompt, [("licence", judge.licence)]
    reads = "the picture and its prompt" if reads_prompt else "the picture alone"
    about = [("kind", kind), ("reads", reads), *licence]
    return [*about, ("files", _one_line(", ".join(map(str, spec.files))))]


def _lines(card: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and values of the card; what an older or foreign one lacks is left out."""
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
    lines += _metrics(card)
    lines.append(("same picture", invariance_summary(card)))
    if origin := section(card, "provenance"):
        lines.append(
            ("trained on", f"{origin.get('n_liked')} liked, {origin.get('n_ordinary')} ordinary pictures")
        )
        lines.append(("seed", section(origin, "settings").get("seed")))
        lines.append(("date", origin.get("date")))
    return [(name, _one_line(value)) for name, value in lines]


def _metrics(card: dict[str, Any]) -> list[tuple[str, str]]:
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
    """Printable and short: a foreign card must neither control the terminal nor fill it."""
    from ..utils.error_text import shortened

    return shortened(str(value), _MOST_CHARACTERS)
