"""Node "Vision-Language Judge": a chat model that sees pictures is asked about them, and its yes is the score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.data.image_tensors import as_images
from ...ganrm_core.rewards.vision_language.group_references import TOP, strongest_of_group
from ...ganrm_core.rewards.vision_language.loading import load_chat_model
from ...ganrm_core.rewards.vision_language.reward import MOST_REASON_TOKENS, VisionLanguageReward
from ...ganrm_core.rewards.vision_language.wording import (
    INSTRUCTIONS,
    Answering,
    Reasoning,
    Wording,
    check_references_fit,
)
from ...ganrm_core.selection.non_finite import NON_FINITE, find_invalid
from ...ganrm_core.utils.errors import ImageError
from ..display.given_prompts import prompt_of_all, prompts_input
from ..display.queue_checks import check_choice, single
from ..display.shared_inputs import output
from ..host import judge_files
from ..host.model_management import ManagedModule, ManagedNetworkReward
from ..host.progress import progress_bar
from ..host.safe_paths import unquoted
from ..sockets import CATEGORY, EXPERIMENTAL, GanRMReward, Schema, advanced, aliases

_PROPOSED = "ganrm_judges/Qwen3-VL-4B-Instruct"
_CRITERIA = list(INSTRUCTIONS)
_ANSWERS = list(get_args(Answering))
_REASONS = list(get_args(Reasoning))
_CHOICES = ["all", "best two"]
_LONGEST_REASON = 1000


class VisionLanguageJudge(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMVisionLanguageReward",
            display_name="Vision-Language Judge",
            search_aliases=aliases(
                "VLM LLM Qwen InternVL SmolVLM LLaVA RewardDance Q-Align judge reward reason 视觉语言 大模型 评判",
                "vision language model",
                "vlm judge",
                "explain score",
            ),
            category=CATEGORY,
            description="A chat model on this machine looks at each picture and is asked whether it is good, or better than "
            "your reference pictures. How likely its yes is, is the score. Nothing is downloaded.",
            **EXPERIMENTAL,
            is_input_list=True,
            inputs=_inputs(),
            outputs=[
                output(
                    GanRMReward,
                    "reward",
                    "The judge: connect it wherever a reward goes. Its reasons come out of Score Images.",
                ),
                output(io.String, "info", "What the model is asked, which references count, and its files."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        model: list[str | None] | None = None,
        criterion: list[str | None] | None = None,
        answer: list[str | None] | None = None,
        reason: list[str | None] | None = None,
        reference_choice: list[str | None] | None = None,
    ) -> bool:
        for value, choices, what in (
            (criterion, _CRITERIA, "criterion"),
            (answer, _ANSWERS, "answer"),
            (reason, _REASONS, "reason"),
            (reference_choice, _CHOICES, "choice of references"),
        ):
            check_choice(single(value, choices[0]), choices, what)
        if chosen := single(model, ""):  # else it comes over a link
            judge_files.chat_path(unquoted(chosen))
        return True

    @classmethod
    def fingerprint_inputs(cls, model: Any = _PROPOSED, **_: Any) -> str:
        try:
            return judge_files.fingerprint(judge_files.chat_path(unquoted(_first(model))))
        except Exception:  # whatever is wrong is said when the node runs
            return "missing"

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        model: list[str],
        criterion: list[str],
        instruction: list[str],
        answer: list[Answering],
        reason: list[Reasoning],
        reference_choice: list[str],
        pictures_per_call: list[int],
        reason_length: list[int],
        references: list[Tensor] | None = None,
        prompts: list[Any] | None = None,
    ) -> io.NodeOutput:
        folder = judge_files.chat_path(unquoted(model[0]))
        wording = Wording(instruction[0].strip() or INSTRUCTIONS[criterion[0]], answer[0], reason[0])
        pictures = _pictures(references or [])
        check_references_fit(wording, len(pictures))
        network = load_chat_model(folder)
        managed = ManagedModule(network)

        def judge(wording: Wording, shown: Sequence[Tensor]) -> VisionLanguageReward:
            return VisionLanguageReward(
                network,
                wording,
                shown,
                name=folder.name,
                most_reason_tokens=reason_length[0],
                at_once=pictures_per_call[0],
            )

        kept = list(range(len(pictures)))
        if reference_choice[0] == "best two" and len(pictures) > TOP:
            alone = judge(wording.without_reasons(), ())
            ManagedNetworkReward(alone, managed).load()
            kept = strongest_of_group(
                alone, pictures, prompt_of_all(alone, prompts) or "", progress=progress_bar()
            )
        reward = judge(wording, [pictures[place] for place in kept])
        return io.NodeOutput(
            ManagedNetworkReward(reward, managed), _info(reward, folder, kept, len(pictures))
        )


def _inputs() -> list[io.Input]:
    return [
        io.Combo.Input(
            "model",
            options=judge_files.chat_choices() or [_PROPOSED],
            tooltip="A whole vision-language model, such as Qwen3-VL, InternVL, SmolVLM or LLaVA-OneVision: a folder with "
            "config.json in models/ganrm_judges or models/LLM. Press R on the page to see new ones.",
        ),
        io.Combo.Input(
            "criterion",
            options=_CRITERIA,
            default=_CRITERIA[0],
            tooltip="What the pictures are judged by. prompt fit reads the prompt too: connect it where the pictures are scored.",
        ),
        io.String.Input(
            "instruction",
            multiline=True,
            default="",
            tooltip="Your own words in place of the criterion's: what makes a picture good. {prompt} stands for the picture's "
            "prompt. Empty: the criterion above, whose words the info shows.",
        ),
        io.Combo.Input(
            "answer",
            options=_ANSWERS,
            default=_ANSWERS[0],
            tooltip="yes or no: how likely a yes is. five levels: the mean of excellent, good, fair, poor and bad, as Q-Align "
            "asks; only without references.",
        ),
        io.Combo.Input(
            "reason",
            options=_REASONS,
            default=_REASONS[0],
            tooltip="Whether the model writes a reason, which Score Images puts out; it takes many times as long. answer first: "
            "the score does not depend on it. reason first: it thinks before it answers.",
        ),
        advanced(
            io.Combo.Input(
                "reference_choice",
                display_name="reference choice",
                options=_CHOICES,
                default=_CHOICES[0],
                tooltip="all: every reference counts. best two: the references are compared with each other first, and the two "
                "that win most are kept, such as of pictures of the same prompt.",
            )
        ),
        advanced(
            io.Int.Input(
                "pictures_per_call",
                display_name="pictures per call",
                default=1,
                min=1,
                max=32,
                tooltip="How many pictures go through the model together, fewer where the memory is full. More is faster for "
                "small models on a graphics card, but in 16 bits the last digits then depend on the company.",
            )
        ),
        advanced(
            io.Int.Input(
                "reason_length",
                display_name="longest reason",
                default=MOST_REASON_TOKENS,
                min=8,
                max=_LONGEST_REASON,
                tooltip="After so many pieces of words a reason is cut off.",
            )
        ),
        io.Image.Input(
            "references",
            optional=True,
            tooltip="Pictures to compare with, such as some that you like: is the picture better than this one? Each costs two "
            "questions per picture, one in each order, so that the order cancels out.",
        ),
        prompts_input("Here only for best two: the one prompt of all references."),
    ]


def _pictures(batches: Sequence[Tensor]) -> list[Tensor]:
    """[3, H, W] in 0–1 for each reference. Raises ImageError for one that is spoilt."""
    found: list[Tensor] = []
    for batch in batches:
        if spoilt := find_invalid(batch if batch.ndim == 4 else batch.unsqueeze(0)):
            raise ImageError(
                f"Reference {len(found) + min(spoilt) + 1} is spoilt: it holds {NON_FINITE}. Leave it out, or make it again."
            )
        found += as_images(batch)
    return found


def _info(reward: VisionLanguageReward, folder: Path, kept: Sequence[int], given: int) -> str:
    """What is asked, of whom, and against what, one a line."""
    wording = reward.wording
    question = wording.comparison if kept else wording.absolute
    chosen = f"the best {len(kept)} of {given}, numbers {' and '.join(str(place + 1) for place in kept)}"
    against = "none" if not kept else str(given) if len(kept) == given else chosen
    lines = (
        reward.name,
        "It reads the prompt too." if reward.needs_prompt else "It sees the picture alone.",
        f"References: {against}.",
        f"Number format: {str(reward.network.net.dtype).removeprefix('torch.')}.",
        f"Files: {folder.name}",
        "It is asked:",
        question("{prompt}"),
    )
    return "\n".join(lines)


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)
