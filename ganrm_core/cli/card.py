"""`ganrm card`: a picture to share that says what a model likes."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

from .arguments import Subparsers, add_json, add_loading, add_recursive, load_model
from .output import print_facts, print_json, skipped_as_json, warn, warn_skipped
from .output_paths import check_suffix
from .progress_bars import bars
from .prompts import add_prompts, prompt_source


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "card",
        help="draw a picture to share a model with",
        description="Draw a card of a model: its name and figures, what it likes best and what it passes over in a folder of "
        "yours, its licence, and how to use it. It shows no file names, and nothing of the pictures but their pixels.",
    )
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="a checkpoint made by `ganrm train`, or a combination"
    )
    parser.add_argument(
        "--pictures", type=Path, required=True, metavar="DIR", help="the pictures to show, 18 or more"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the new card, a .png")
    parser.add_argument(
        "--name", default="", metavar="TEXT", help="what the card calls the model (default: its file name)"
    )
    parser.add_argument("--author", default="", metavar="TEXT", help="whose taste it is")
    parser.add_argument("--licence", "--license", default="", metavar="TEXT", help='such as "CC BY 4.0"')
    add_recursive(parser)
    add_prompts(parser)
    add_loading(parser)
    add_json(parser, "one line of JSON: card, sha256 (of the model), skipped")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..data.image_folder import find_images
    from ..data.image_metadata import write_png
    from ..selection.folder import rank_files
    from ..selection.model_taste_card import card_metadata, make_taste_card
    from ..selection.taste_words import CardText
    from ..utils.files import atomic_file, check_new_file

    check_suffix(options.output, "card", ".png")
    check_new_file(options.output, what="the card")
    files = find_images(options.pictures, recursive=options.recursive, say=warn)
    prompt_of = prompt_source(options, files)
    text = CardText(
        options.name.strip() or options.model.stem,
        options.model.name,
        options.author.strip(),
        options.licence.strip(),
    )
    model_card, sha256 = _about(options.model)
    model = load_model(options)
    with bars() as progress:
        ranked = rank_files(model, files, None, prompt_of=prompt_of, progress=progress)
    encoded = io.BytesIO()
    write_png(make_taste_card(text, model_card, sha256, ranked), encoded, card_metadata(text, sha256))
    with atomic_file(options.output) as temporary:
        temporary.write_bytes(encoded.getvalue())
    if options.json:
        print_json(
            {"card": str(options.output), "sha256": sha256, "skipped": skipped_as_json(ranked.skipped)}
        )
        return 0
    warn_skipped(ranked.skipped, files)
    print_facts(("card", str(options.output)), ("sha256", f"{sha256} (of the model, also inside the card)"))
    return 0


def _about(path: Path) -> tuple[dict[str, Any], str]:
    """The card and the sha256 of a model file; a combination has no figures of its own."""
    from ..rewards.combination_suffix import is_combination
    from ..rewards.discriminator.checkpoint import read_card
    from ..utils.file_hash import file_sha256

    card = {} if is_combination(path) else read_card(path)
    return card, file_sha256(path)
