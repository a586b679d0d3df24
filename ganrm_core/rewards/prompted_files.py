"""Scores of files by a reward that may need their prompts: given ones, or those stored in the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..data.picture_prompt import PicturePrompt, picture_prompt
from ..data.prompt_syntax import plain_prompt
from ..data.skipped_files import Skipped, reason_of
from ..utils.errors import ImageError
from .base import Reward, Scores, needs_prompt

PromptOf = Callable[[Path], PicturePrompt]
"""The prompt of a file, or why it has none. May raise ImageError."""

_TOGETHER = 64


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
                prompt = prompt_of(path)
            except ImageError as error:
                skipped.append(Skipped(path, reason_of(error)))
                continue
            if plain_prompt(prompt.text):
                found.append((path, prompt.text))
            else:
                skipped.append(Skipped(path, prompt.why_none or "its prompt is empty"))
        if found:
            with_prompt, prompts = zip(*found, strict=True)
            yield from reward.score_files(with_prompt, skipped, prompts)


def no_prompt_advice(reward: Reward) -> str:
    """A sentence for a set of files of which none could be scored; "" for a reward that needs no prompts."""
    if not needs_prompt(reward):
        return ""
    return (
        f"{reward.name} judges pictures by their prompt, and takes it from the files that ComfyUI saved. For other pictures "
        "connect text to the input 'prompts', or on the command line give --prompt or --prompts."
    )
