"""Scores of files by a reward that may need their prompts: given ones, or those stored in the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..data.given_prompts import PromptOf
from ..data.image_files import UnreadableImageError
from ..data.picture_prompt import picture_prompt
from ..data.prompt_syntax import plain_prompt
from ..data.skipped_files import Skipped, reason_of
from ..utils.errors import ImageError
from .base import Reward, Scores, needs_prompt

_TOGETHER = 64
_EMPTY = "its prompt is empty"


def score_prompted_files(
    reward: Reward,
    paths: Sequence[Path],
    skipped: list[Skipped],
    prompt_of: PromptOf = picture_prompt,
    looked: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Path, Scores]]:
    """As `Reward.score_files`, with the prompt of each file where the reward needs it.

    Files without a prompt are added to `skipped`. `looked` is called between files while prompts are read, and may raise
    to cancel. Where the reward needs none, `prompt_of` is never called.
    """
    if not needs_prompt(reward):
        yield from reward.score_files(paths, skipped)
        return
    for start in range(0, len(paths), _TOGETHER):
        found: list[tuple[Path, str]] = []
        for path in paths[start : start + _TOGETHER]:
            looked()
            try:
                found.append((path, prompt_needed(reward, path, prompt_of) or ""))
            except ImageError as error:
                skipped.append(Skipped(path, reason_of(error)))
        if found:
            with_prompt, prompts = zip(*found, strict=True)
            yield from reward.score_files(with_prompt, skipped, prompts)


def prompt_needed(reward: Reward, path: Path, prompt_of: PromptOf = picture_prompt) -> str | None:
    """The prompt of a file; None for a reward that needs none.

    Raises ImageError for a file that is no picture, or has none although the reward needs it.
    """
    if not needs_prompt(reward):
        return None
    prompt = prompt_of(path)
    if not plain_prompt(prompt.text):
        raise UnreadableImageError(
            path,
            prompt.why_none or _EMPTY,
            f"{reward.name} judges pictures by it: give --prompt or --prompts",
        )
    return prompt.text


def nothing_scored(reward: Reward, so: str = "", pictures: str = "picture") -> str:
    """The beginning of an error about files of which none could be scored.

    `so`: what follows from it, such as "so nothing was selected". `pictures`: in the singular.
    """
    then = f", {so}" if so else ""
    if not needs_prompt(reward):
        return f"No {pictures} could be read{then}."
    return (
        f"No {pictures} could be judged by its prompt{then}: {reward.name} needs one for each. Files that ComfyUI saved hold "
        "it; for others connect text to the node's input 'prompts', or on the command line give --prompt or --prompts."
    )
