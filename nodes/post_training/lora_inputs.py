"""Inputs of Train LoRA on Groups, and the settings they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...ganrm_core.post_training.config import (
    LAYERS,
    LEARNING_RATES,
    METHODS,
    GroupTraining,
    Layers,
    LoraSettings,
    Method,
)
from ...ganrm_core.post_training.group_watch import LOOKS, PROMPTS, SEEDS
from ..host import model_files
from ..sockets import GanRMGroups, GanRMReward, advanced

NO_FILE = "none"
CHECKPOINTING: Mapping[str, bool | None] = {"auto": None, "on": True, "off": False}
_USUAL, _USUAL_LORA = GroupTraining(), LoraSettings()


def inputs() -> list[io.Input]:
    """In an order that is for ever."""
    return [*_inputs(), *map(advanced, _advanced_inputs()), *_optional_inputs()]


def _inputs() -> list[io.Input]:
    return [
        io.Model.Input(
            "model",
            tooltip="The model that made the groups, with the LoRAs it had then. It comes out as it went in.",
        ),
        GanRMGroups.Input("groups", tooltip="From Make Groups: pictures of each prompt, and their scores."),
        io.Combo.Input(
            "method",
            options=list(METHODS),
            default=METHODS[0],
            tooltip="best: learns from the best pictures of each group what to make more of. pairs: learns from the best and "
            "the worst what sets them apart, and keeps the rest as it is; a third slower.",
        ),
        io.Int.Input(
            "steps",
            default=_USUAL.steps,
            min=1,
            max=100_000,
            tooltip="How long to train. Watch the live preview: if the pictures still get better at the end, take more.",
        ),
        io.Float.Input(
            "learning_rate",
            display_name="learning rate",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.000001,
            round=0.00000001,
            tooltip="How large the steps are. 0: what suits the method "
            f"({', '.join(f'{rate:g} for {name}' for name, rate in LEARNING_RATES.items())}). Lower it if pictures fall apart.",
        ),
        io.Int.Input(
            "rank",
            default=_USUAL_LORA.rank,
            min=1,
            max=256,
            tooltip="The LoRA's size. 16 is enough for a taste; a larger one makes a larger file and forgets more easily.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=False,
            tooltip="The same groups, settings and seed give the same LoRA.",
        ),
    ]


def _advanced_inputs() -> list[io.Input]:
    """Left out by whoever writes a prompt by hand, they have their defaults."""
    return [
        io.Int.Input(
            "keep",
            default=_USUAL.keep,
            min=0,
            max=64,
            optional=True,
            tooltip="How many pictures of a group count as its best, and how many as its worst: at most half of a group. 0: "
            "an eighth of it for best, a quarter for pairs. With more, the LoRA changes less and keeps more variety.",
        ),
        io.Float.Input(
            "beta",
            default=_USUAL.beta,
            min=0.0,
            max=1_000_000.0,
            step=1.0,
            round=0.001,
            optional=True,
            tooltip="For pairs: how closely to stay to the model as it is. Larger changes less. 0: what suits the pictures' "
            "size, up to 5,000.",
        ),
        io.Float.Input(
            "safeguard",
            default=_USUAL.mu,
            min=-1.0,
            max=1.0,
            step=0.05,
            round=0.001,
            optional=True,
            tooltip="For pairs: how much the best pictures are protected while the model unlearns the worst. 1: fully, 0: "
            "they may just not get worse, -1: not at all.",
        ),
        io.Combo.Input(
            "layers",
            options=list(LAYERS),
            default=_USUAL_LORA.layers,
            optional=True,
            tooltip="Which layers learn. attention: enough for a taste, and the smallest file. More layers learn more, "
            "forget more and need more memory.",
        ),
        io.Float.Input(
            "alpha",
            default=0.0,
            min=0.0,
            max=1024.0,
            step=1.0,
            round=0.01,
            optional=True,
            tooltip="The LoRA counts alpha / rank times. 0: as much as the rank, so once.",
        ),
        io.Int.Input(
            "batch",
            default=_USUAL.batch,
            min=1,
            max=256,
            optional=True,
            tooltip="Pictures, or pairs, per step. More make each step surer and slower.",
        ),
        io.Int.Input(
            "micro_batch",
            display_name="pictures at once",
            default=_USUAL.micro_batch,
            min=1,
            max=256,
            optional=True,
            tooltip="How many of them go through the model together. Fewer need less memory; when it runs out, they are "
            "halved by themselves.",
        ),
        io.Combo.Input(
            "checkpointing",
            display_name="gradient checkpointing",
            options=list(CHECKPOINTING),
            default="auto",
            optional=True,
            tooltip="Saves most of the memory and takes a third more time. auto: on for all but the smallest models.",
        ),
        io.Boolean.Input(
            "previews",
            default=True,
            optional=True,
            tooltip="Show the same four pictures before, while and after it trains. They take about a tenth of the time.",
        ),
        io.Combo.Input(
            "start_file",
            display_name="go on from file",
            options=[NO_FILE, *model_files.lora_files()],
            default=NO_FILE,
            optional=True,
            tooltip="A LoRA of models/loras to train further, instead of a new one. Do not load it into the model as well.",
        ),
    ]


def _optional_inputs() -> list[io.Input]:
    return [
        io.LoraModel.Input(
            "start",
            display_name="go on from",
            optional=True,
            tooltip="The same for a LoRA of another training node.",
        ),
        io.Vae.Input(
            "vae",
            optional=True,
            tooltip="Decodes the previews, and what the watch looks at. Without it previews are coarser; the LoRA is the same.",
        ),
        GanRMReward.Input(
            "reward",
            optional=True,
            tooltip="The taste that scored the groups. With it and the VAE the training is watched by pictures: the same ones "
            f"before it and {LOOKS} times on the way, judged and compared. It ends when the taste is being fooled, and you get "
            f"the best LoRA on the way. A look takes as long as making {PROMPTS * SEEDS} pictures.",
        ),
        GanRMReward.Input(
            "judge",
            optional=True,
            tooltip="For the watch: a second taste, best trained on other pictures with another backbone. When it no longer "
            "agrees, the first is being fooled.",
        ),
    ]


def settings_of(method: Method, given: Mapping[str, Any]) -> tuple[GroupTraining, LoraSettings]:
    """From the widgets; those that a prompt left out have their defaults."""

    def of(name: str, usual: Any) -> Any:
        return given.get(name, usual)

    batch, rank = of("batch", _USUAL.batch), of("rank", _USUAL_LORA.rank)
    layers: Layers = of("layers", _USUAL_LORA.layers)
    training = GroupTraining(
        method=method,
        steps=of("steps", _USUAL.steps),
        learning_rate=of("learning_rate", _USUAL.learning_rate),
        keep=of("keep", _USUAL.keep),
        batch=batch,
        micro_batch=min(batch, of("micro_batch", _USUAL.micro_batch)),
        beta=of("beta", _USUAL.beta),
        mu=of("safeguard", _USUAL.mu),
        seed=of("seed", _USUAL.seed),
    )
    return training, LoraSettings(rank, of("alpha", 0.0) or float(rank), layers)
