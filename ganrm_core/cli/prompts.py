"""`--prompt` and `--prompts`: the prompts of the pictures that a command scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..data.given_prompts import PromptOf


def add_prompts(parser: argparse.ArgumentParser) -> None:
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--prompt",
        metavar="TEXT",
        help="the prompt of all pictures, for a model that judges by it (default: the one stored in each file)",
    )
    given.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="a prompt for each picture: .csv with the columns file and prompt, or text with one a line, in the order "
        "of the pictures",
    )


def given_prompt(options: argparse.Namespace) -> str | None:
    """The prompt of all pictures, where `--prompt` gives one. Raises DataError for an empty one."""
    from ..utils.errors import DataError

    prompt: str | None = options.prompt
    if prompt is not None and not prompt.strip():
        raise DataError("--prompt is empty. Write what the pictures shall show.")
    return prompt


def prompt_source(options: argparse.Namespace, files: Sequence[Path]) -> PromptOf:
    """Where the prompt of each of `files` comes from: the options, else the file itself.

    Raises DataError for an empty prompt, and for a file of prompts that cannot be used.
    """
    from ..data.given_prompts import prompts_of_table
    from ..data.picture_prompt import PicturePrompt, picture_prompt

    if (prompt := given_prompt(options)) is not None:
        return lambda _: PicturePrompt(prompt)
    return picture_prompt if options.prompts is None else prompts_of_table(options.prompts, files)
