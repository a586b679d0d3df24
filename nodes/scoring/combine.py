"""Node "Combine GAN-RMs": a weighted combination of rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io

from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.rewards.combined import CombinedReward, check_some_count
from ..display.given_prompts import prompts_input
from ..display.messages import threshold_sentence
from ..display.queue_checks import NOT_CONNECTED, single
from ..display.shared_inputs import output
from ..host.model_management import ManagedReward, model_of
from ..sockets import CATEGORY, RESULT_ON_NODE, GanRMDataset, GanRMReward, Schema, aliases
from .measured_scale import measured_scale, scale_lines

_COUNTED = {1: "first", 2: "second", 3: "third", 4: "fourth"}
_REQUIRED = 2
_PROMPTS = (
    "Here those of 'pictures', on which the rewards are measured: one text for all, or with as many lines as there are "
    "pictures. Unconnected: the files of a folder hold their own."
)


class Ensemble(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMEnsemble",
            display_name="Combine GAN-RMs",
            search_aliases=aliases(
                "combine merge mix ensemble taste reward 合并",
                "merge tastes",
                "combine scores",
            ),
            category=CATEGORY,
            description="Lets several tastes and judges decide together, such as your taste and how well a picture fits its "
            "prompt. The workflow keeps the combination; the models stay as they are.",
            is_input_list=True,
            **RESULT_ON_NODE,
            inputs=[
                _reward_input(1),
                _reward_input(2),
                _weight_input(1),
                _weight_input(2),
                io.String.Input(
                    "name",
                    display_name="name of the combination",
                    default="",
                    tooltip="What the combination is called on sheets and reports; it names no single taste. Empty: the sum "
                    "itself, such as style + 0.5 sharp.",
                ),
                _reward_input(3),
                _weight_input(3),
                _reward_input(4),
                _weight_input(4),
                _pictures_input(),
                prompts_input(_PROMPTS),
            ],
            outputs=[
                output(GanRMReward, "reward", "The combined taste: connect it wherever a reward goes."),
                output(io.String, "summary", "How much each taste counts, in words."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        weight_1: Sequence[float | None] | None = None,
        weight_2: Sequence[float | None] | None = None,
        reward_3: object = NOT_CONNECTED,
        weight_3: Sequence[float | None] | None = None,
        reward_4: object = NOT_CONNECTED,
        weight_4: Sequence[float | None] | None = None,
    ) -> bool:
        third = () if reward_3 is NOT_CONNECTED else (weight_3,)
        fourth = () if reward_4 is NOT_CONNECTED else (weight_4,)
        check_some_count([single(weight, 1.0) for weight in (weight_1, weight_2, *third, *fourth)])
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        reward_1: list[Reward],
        reward_2: list[Reward],
        weight_1: Sequence[float] = (1.0,),
        weight_2: Sequence[float] = (1.0,),
        name: Sequence[str] = ("",),
        pictures: list[Any] | None = None,
        prompts: list[Any] | None = None,
        **further: list[Any],
    ) -> io.NodeOutput:
        given = [(reward_1[0], weight_1[0]), (reward_2[0], weight_2[0])]
        for number in range(_REQUIRED + 1, len(_COUNTED) + 1):
            reward = single(further.get(f"reward_{number}"), None)
            if reward is not None:
                given.append((reward, single(further.get(f"weight_{number}"), 1.0)))
        check_some_count([weight for _, weight in given])
        rewards, weights = zip(*((reward, weight) for reward, weight in given if weight), strict=True)
        measured = measured_scale(rewards, pictures, prompts) if pictures else None
        combined = ManagedCombination(
            rewards,
            weights,
            name=name[0],
            standards=measured.standards if measured else None,
            model_of=model_of,
            to_device=_to_device,
        )
        names = [reward.name for reward in rewards]
        summary = "\n".join([*_summary(combined), *scale_lines(combined, names, measured)])
        return io.NodeOutput(combined, summary, ui={"text": [summary]})


class ManagedCombination(CombinedReward):
    """A combination that newer hosts recognise as a holder of models (see `ManagedModule.patcher`)."""

    @property
    def patcher(self) -> Any:
        """The patcher of the first reward that has one; None where none has."""
        found = (getattr(reward, "patcher", None) for reward in self.rewards)
        return next((patcher for patcher in found if patcher is not None), None)


def _reward_input(number: int) -> io.Input:
    return GanRMReward.Input(
        f"reward_{number}",
        display_name=f"{_COUNTED[number]} reward",
        optional=number > _REQUIRED,
        tooltip=f"The {_COUNTED[number]} taste or judge: from Load GAN-RM, Train GAN-RM, Prompt Fit, Known Judge or another "
        "Combine GAN-RMs.",
    )


def _weight_input(number: int) -> io.Input:
    alone = " Without that reward it does nothing." if number > _REQUIRED else ""
    return io.Float.Input(
        f"weight_{number}",
        display_name=f"{_COUNTED[number]} weight",
        default=1.0,
        min=-10.0,
        max=10.0,
        step=0.05,
        round=0.001,
        optional=number > _REQUIRED,
        tooltip=f"How much the {_COUNTED[number]} reward counts beside the others. 0 leaves it out; below 0 asks "
        f"for less of what it likes.{alone}",
    )


def _pictures_input() -> io.Input:
    return io.MultiType.Input(
        "pictures",
        types=[io.Image, GanRMDataset],
        optional=True,
        tooltip="A few pictures like those to be judged, 16 or more, or a folder of them: each reward is measured on them and "
        "counts in its own spread, so that the weights mean what they say. For tastes beside judges. Unconnected: as they are.",
    )


def _to_device(reward: Reward, pictures: int) -> None:
    if isinstance(reward, ManagedReward):
        reward.managed_backbone.load(pictures)


def _summary(combined: CombinedReward) -> list[str]:
    lines = [combined.name]
    for reward, share in zip(combined.rewards, combined.shares, strict=True):
        what = reward.name if share > 0 else f"less of {reward.name}"
        lines.append(f"{abs(share):.0%} {what}")
    if thresholds := threshold_sentence(combined.thresholds):
        lines.append(f"{thresholds} Worked out from the models' own thresholds, not measured.")
    lines += [
        f"{len(group)} of them share a backbone, which looks at each picture once."
        for group in combined.shared
    ]
    return lines
