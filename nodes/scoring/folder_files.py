"""What nodes that read a folder of pictures and place the best of them have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...ganrm_core.data.given_prompts import PromptOf, prompts_for, prompts_of_files
from ...ganrm_core.data.picture_prompt import picture_prompt
from ...ganrm_core.rewards.base import Reward, checked_prompts, needs_prompt
from ...ganrm_core.selection.output_folder import check_folder, free_folder
from ..display.given_prompts import texts_of
from ..host import folders

PROMPTS_RULE = (
    "One text for all, or one a line where there are as many lines as pictures, in the order of their names. "
    "Unconnected, each picture's own prompt counts, which ComfyUI stored in its file."
)


def prompt_source(reward: Reward, given: Any, files: Sequence[Path]) -> PromptOf:
    """Where the prompt of a file comes from. Raises DataError where what is connected does not fit."""
    texts = texts_of(given)
    if texts is None or not needs_prompt(reward):
        return picture_prompt
    checked_prompts(reward.name, prompts_for(texts, len(files)), len(files))
    return prompts_of_files(texts, files)


def free_output(save_to: str) -> Path:
    """The folder for the best. Raises OutputError where it may not or cannot be written."""
    output = free_folder(folders.new_folder(save_to, "the folder for the best", default="output"))
    check_folder(output)
    return output


def name_below(home: Path, path: Path) -> str:
    """The path of a file inside the folder `home`, as a table shows it."""
    # A name that is no valid Unicode could not be shown, saved or sent.
    return path.relative_to(home).as_posix().encode("utf-8", "backslashreplace").decode("utf-8")
