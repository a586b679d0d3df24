"""Node "Prompts": a list of prompts, encoded, for making groups and comparing models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io

from ...ganrm_core.post_training.prompt_card import prompt_card
from ...ganrm_core.post_training.prompt_list import (
    EXPANSIONS,
    MOST_PROMPTS,
    Expansion,
    PromptList,
    expanded,
    prompt_lines,
    resolved,
)
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import ProgressCallback
from ..display.previews import in_node
from ..display.queue_checks import check_choice
from ..display.shared_inputs import output
from ..host.progress import progress_bar
from ..host.prompt_files import (
    NONE,
    prompt_file,
    prompt_file_choices,
    prompt_file_fingerprint,
    prompts_of_file,
)
from ..host.training.prompt_encoding import cut_off, encoded, in_pieces
from ..sockets import CATEGORY, EXPERIMENTAL, RESULT_ON_NODE, GanRMPrompts, Schema, advanced, aliases

_FEW = 8


class Prompts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMPrompts",
            display_name="Prompts (GAN-RM)",
            search_aliases=aliases(
                "prompts list lines captions wildcard dynamic csv 提示词",
                "prompt list",
                "dynamic prompts",
                "wildcards",
            ),
            category=CATEGORY,
            description="A list of prompts, one a line, with {a|b} choices, from the node or a file. For Make Groups, "
            "which makes pictures of each.",
            **EXPERIMENTAL,
            **RESULT_ON_NODE,
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the model that shall be taught."),
                io.String.Input(
                    "text",
                    multiline=True,
                    default="",
                    placeholder="a portrait of a {woman|man} in the rain\na harbour at {dawn|night}",
                    tooltip="One prompt a line; blank lines and lines that begin with # are left out. Write what you "
                    "usually write: at least eight different ones. {a|b} is a choice, \\{ the character itself; (word:1.2) "
                    "and embedding:name work as in CLIP Text Encode.",
                ),
                io.Combo.Input(
                    "file",
                    options=prompt_file_choices(),
                    default=NONE,
                    tooltip="More prompts from a file in ComfyUI's input folder: .txt with one a line, or .csv with a column "
                    "'prompt' (else its first column). Press R on the page after adding one.",
                ),
                io.String.Input(
                    "negative",
                    multiline=True,
                    default="",
                    tooltip="What no picture shall show; one text for all prompts.",
                ),
                io.Combo.Input(
                    "choices",
                    options=list(EXPANSIONS),
                    default=EXPANSIONS[0],
                    tooltip="What becomes of {a|b}. all combinations: every line gives one prompt for each, and the lines "
                    "take turns. one at random: every line gives one prompt, as a text box on the page does.",
                ),
                advanced(
                    io.Int.Input(
                        "seed",
                        default=0,
                        min=0,
                        max=0xFFFFFFFFFFFFFFFF,
                        control_after_generate=False,
                        tooltip="Which choices are drawn, and in which order combinations come.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "most",
                        default=200,
                        min=1,
                        max=MOST_PROMPTS,
                        tooltip="No more prompts than this. Each is kept encoded in memory: under 1 MB for SDXL, about 4 MB "
                        "where T5 reads it.",
                    )
                ),
            ],
            outputs=[
                output(GanRMPrompts, "prompts", "The encoded prompts, with the negative one."),
                output(io.Int, "count", "How many prompts there are."),
                output(io.String, "summary", "The prompts, and what is to be said about them."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str | None = None, choices: str | None = None) -> bool:
        if file is not None:  # else it comes over a link
            prompt_file(file)
        if choices is not None:
            check_choice(choices, EXPANSIONS, "kind of choices")
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str | None = NONE, **_: Any) -> str:
        return prompt_file_fingerprint(file)

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        clip: Any,
        text: str,
        file: str,
        negative: str,
        choices: Expansion,
        seed: int,
        most: int,
    ) -> io.NodeOutput:
        found = expanded([*prompt_lines(text), *prompts_of_file(file)], choices, seed, most)
        if not found.texts:
            raise DataError(
                "There are no prompts: the text is empty, or holds only comments, and so does the file. Write one prompt "
                "a line."
            )
        progress: ProgressCallback = progress_bar()
        prompts = encoded(clip, found.texts, resolved(negative, seed), progress)
        title, notes = _title(found), _notes(clip, found, most)
        lines = [title, *notes, *(f"{number}. {each}" for number, each in enumerate(found.texts, start=1))]
        summary = "\n".join(lines)
        card = prompt_card(found.texts, title, notes)
        shown = in_node(card, summary=[summary], prompts=list(found.texts), duplicates=[found.duplicates])
        return io.NodeOutput(prompts, len(prompts), summary, ui=shown)


def _title(found: PromptList) -> str:
    count = len(found.texts)
    return "1 prompt" if count == 1 else f"{count} prompts"


def _notes(clip: Any, found: PromptList, most: int) -> list[str]:
    """What is to be said about the list, a sentence each."""
    notes = []
    left = found.possible - found.duplicates - len(found.texts)
    if left > 0 and len(found.texts) == most:
        notes.append(f"Only {len(found.texts)} of {found.possible} possible prompts: raise 'most' for more.")
    if found.duplicates:
        notes.append(f"Left out because they were there already: {found.duplicates}.")
    if len(found.texts) < _FEW:
        notes.append(f"With fewer than {_FEW} prompts a model soon learns to ignore them.")
    if cut := cut_off(clip, found.texts):
        notes.append(
            f"The end of some prompts is cut off, because an embedding fits one text encoder only: {_numbers(cut)}."
        )
    if long := in_pieces(clip, found.texts):
        notes.append(
            f"Longer than the text encoder reads at once, so read in pieces and joined: {_numbers(long)}."
        )
    return notes


def _numbers(positions: Sequence[int]) -> str:
    numbers = [str(position + 1) for position in positions]
    return (
        ", ".join(numbers)
        if len(numbers) <= 12
        else f"{', '.join(numbers[:10])} and {len(numbers) - 10} more"
    )
