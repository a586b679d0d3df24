"""The optional input `prompts` of nodes that score pictures, for rewards that judge by the prompt."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...ganrm_core.data.given_prompts import prompts_for
from ...ganrm_core.rewards.base import Reward, checked_prompts, needs_prompt
from ...ganrm_core.utils.errors import DataError
from ..host.training.prompt_set import PromptSet
from ..sockets import GanRMPrompts

_HOW = (
    "Connect the text that the pictures are made of to the input 'prompts': the text node that also feeds CLIP Text Encode, "
    "or Prompts (GAN-RM)."
)
_RULE = (
    "Text, a list of texts, or Prompts (GAN-RM). One text is for all pictures; where it has as many lines as there are "
    "pictures{}, each has its own line."
)
PICTURES, GROUPS = _RULE.format(""), _RULE.format(", or groups")


def prompts_input(rule: str = GROUPS) -> io.Input:
    """`rule`: in the tooltip, which text belongs to which picture."""
    return io.MultiType.Input(
        "prompts",
        types=[io.String, GanRMPrompts],
        optional=True,
        tooltip=f"What the pictures were asked to show: only for a reward that judges by the prompt. {rule}",
    )


def texts_of(given: Any) -> list[str] | None:
    """The texts that came over the input; None where nothing is connected. Raises DataError for anything else."""
    if given is None:
        return None
    if isinstance(given, str):
        return [given]
    if isinstance(given, PromptSet):
        return list(given.texts)
    if isinstance(given, (list, tuple)):
        found = [texts_of(each) for each in given]
        known = [texts for texts in found if texts is not None]
        return [text for texts in known for text in texts] if known else None
    raise DataError(f"The prompts hold {given!r:.60}, which is no text. {_HOW}")


def prompts_of_pictures(reward: Reward, given: Any, count: int, group_size: int = 0) -> list[str] | None:
    """One prompt for each of `count` pictures; None for a reward that needs none, whatever is connected.

    Raises DataError where it needs them and they are missing, empty, or of another number.
    """
    if not needs_prompt(reward):
        return None
    texts = prompts_for(_connected(reward, given), count, group_size)
    checked_prompts(reward.name, texts, count)
    return texts


def prompt_of_all(reward: Reward, given: Any) -> str | None:
    """The one prompt of all pictures, however many lines it has; None for a reward that needs none.

    Raises DataError where it needs one and it is missing or empty, or there are several.
    """
    if not needs_prompt(reward):
        return None
    texts = list(dict.fromkeys(_connected(reward, given)))
    if len(texts) > 1:
        raise DataError(
            f"{len(texts)} different prompts are connected, but the sampler makes all pictures of one. Connect that one."
        )
    checked_prompts(reward.name, texts, 1)
    return texts[0]


def _connected(reward: Reward, given: Any) -> list[str]:
    texts = texts_of(given)
    if not texts:
        raise DataError(f"{reward.name} judges pictures by their prompt, and none is connected. {_HOW}")
    return texts
