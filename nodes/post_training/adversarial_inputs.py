"""Inputs of Adversarial LoRA Training, and the settings they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...ganrm_core.post_training.config import LAYERS, ROUND_METHODS, Layers, LoraSettings, RoundsTraining
from ..display.sampling_inputs import sampling_inputs
from ..display.shared_inputs import reward_input
from ..host import model_files
from ..sockets import GanRMDataset, GanRMPrompts, GanRMReward, advanced
from .lora_inputs import CHECKPOINTING, NO_FILE

_USUAL, _USUAL_LORA = RoundsTraining(), LoraSettings()


def inputs() -> list[io.Input]:
    """In an order that is for ever."""
    return [
        *_sources(),
        *sampling_inputs(
            steps="Steps per picture, as in KSampler. Half as many as usual are enough to judge a picture.",
            cfg="How closely the pictures follow the prompt, as in KSampler.",
            sampler="The sampling method, as in KSampler, for the method nft; grpo samples with euler.",
        ),
        *_widgets(),
        *map(advanced, _advanced_inputs()),
        *_optional_inputs(),
    ]


def _sources() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="The model that shall be taught. It comes out as it went in."),
        GanRMPrompts.Input(
            "prompts", tooltip="From Prompts (GAN-RM): what you make pictures of. They take turns."
        ),
        io.Vae.Input("vae", tooltip="Decodes the pictures: the one that belongs to the model."),
        reward_input(),
        GanRMDataset.Input(
            "references",
            tooltip="The pictures you like, at least 10, better a hundred: what the reward is refitted with, and what the "
            "model is kept close to. A fifth of them is only watched.",
        ),
        io.Latent.Input(
            "latent_image",
            display_name="latent image",
            tooltip="The size of the pictures: an empty latent. Use the size you will make pictures in.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=False,
            tooltip="The same inputs and seed give the same LoRA.",
        ),
    ]


def _widgets() -> list[io.Input]:
    return [
        io.Combo.Input(
            "method",
            options=list(ROUND_METHODS),
            default=_USUAL.method,
            tooltip="nft: learns from finished pictures, with any sampler. grpo: learns from single steps of sampling, as in "
            "the papers; for comparison.",
        ),
        io.Int.Input(
            "rounds",
            default=_USUAL.rounds,
            min=1,
            max=10_000,
            tooltip="How often the model makes pictures, has them judged and learns. You may raise it later: training goes "
            "on where it was. It ends by itself when the taste is being fooled.",
        ),
        io.Int.Input(
            "groups",
            display_name="prompts per round",
            default=_USUAL.groups,
            min=1,
            max=256,
            tooltip="How many prompts have their turn in a round.",
        ),
        io.Int.Input(
            "pictures",
            display_name="pictures per prompt",
            default=_USUAL.pictures,
            min=2,
            max=256,
            tooltip="How many pictures of a prompt compete with each other in a round.",
        ),
        io.Boolean.Input(
            "refresh",
            default=_USUAL.refresh,
            tooltip="Refit the taste after every round on your pictures against the newest ones, so that it cannot be fooled "
            "for long. Needs a reward of Load GAN-RM or Train GAN-RM.",
        ),
        io.Boolean.Input(
            "patches",
            display_name="every part",
            default=_USUAL.patches,
            tooltip="Also judge every part of a picture by itself, by what the parts of your pictures look like: for taking over "
            "a style. Needs refresh.",
        ),
        io.Float.Input(
            "anchor",
            default=_USUAL.anchor,
            min=0.0,
            max=100.0,
            step=0.01,
            round=0.0001,
            tooltip="How strongly the model also learns from the references themselves. More is safer and takes over more of "
            "their style; 0: not at all.",
        ),
        io.Float.Input(
            "learning_rate",
            display_name="learning rate",
            default=_USUAL.learning_rate,
            min=0.0,
            max=1.0,
            step=0.000001,
            round=0.00000001,
            tooltip="How large the steps are. Lower it if training is stopped early.",
        ),
        io.Int.Input(
            "rank",
            default=_USUAL_LORA.rank,
            min=1,
            max=256,
            tooltip="The LoRA's size. 16 is enough for a taste.",
        ),
    ]


def _advanced_inputs() -> list[io.Input]:
    """Left out by whoever writes a prompt by hand, they have their defaults."""
    return [
        io.Float.Input(
            "keep_close",
            display_name="keep close",
            default=_USUAL.kl,
            min=0.0,
            max=1000.0,
            step=0.01,
            round=0.00001,
            optional=True,
            tooltip="How strongly the model is held to what it was before. More keeps more variety and learns less.",
        ),
        io.Int.Input(
            "watch_every",
            display_name="watch every",
            default=_USUAL.watch_every,
            min=1,
            max=10_000,
            optional=True,
            tooltip="Rounds between two looks of the watch. It makes the same pictures again and compares them with those "
            "before training; the LoRA you get is that of the best look.",
        ),
        io.Int.Input(
            "watched",
            display_name="pictures watched",
            default=_USUAL.watched,
            min=2,
            max=1024,
            optional=True,
            tooltip="How many pictures a look makes. More see changes more surely.",
        ),
        io.Combo.Input(
            "layers",
            options=list(LAYERS),
            default=_USUAL_LORA.layers,
            optional=True,
            tooltip="Which layers learn. attention: enough for a taste, and the smallest file.",
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
            "micro_batch",
            display_name="pictures at once",
            default=_USUAL.micro_batch,
            min=1,
            max=256,
            optional=True,
            tooltip="How many pictures are learned from together. Fewer need less memory; when it runs out, they are halved by "
            "themselves.",
        ),
        io.Combo.Input(
            "checkpointing",
            display_name="gradient checkpointing",
            options=list(CHECKPOINTING),
            default="auto",
            optional=True,
            tooltip="Saves most of the memory and takes a third more time. auto: on for all but the smallest models.",
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
        GanRMReward.Input(
            "judge",
            optional=True,
            tooltip="A second taste, best trained on other pictures with another backbone. It is never trained against: when "
            "it no longer agrees, the first is being fooled.",
        ),
        GanRMDataset.Input(
            "ordinary",
            optional=True,
            tooltip="Ordinary pictures to refit the taste with. Without them the model makes some before training.",
        ),
        io.LoraModel.Input(
            "start",
            display_name="go on from",
            optional=True,
            tooltip="A LoRA of another training node to train further.",
        ),
    ]


def settings_of(given: Mapping[str, Any]) -> tuple[RoundsTraining, LoraSettings]:
    """From the widgets; those that a prompt left out have their defaults."""

    def of(name: str, usual: Any) -> Any:
        return given.get(name, usual)

    rank = of("rank", _USUAL_LORA.rank)
    layers: Layers = of("layers", _USUAL_LORA.layers)
    training = RoundsTraining(
        method=of("method", _USUAL.method),
        rounds=of("rounds", _USUAL.rounds),
        groups=of("groups", _USUAL.groups),
        pictures=of("pictures", _USUAL.pictures),
        learning_rate=of("learning_rate", _USUAL.learning_rate),
        anchor=of("anchor", _USUAL.anchor),
        refresh=of("refresh", _USUAL.refresh),
        patches=of("patches", _USUAL.patches),
        kl=of("keep_close", _USUAL.kl),
        watch_every=of("watch_every", _USUAL.watch_every),
        watched=of("watched", _USUAL.watched),
        micro_batch=of("micro_batch", _USUAL.micro_batch),
        seed=of("seed", _USUAL.seed),
    )
    return training, LoraSettings(rank, of("alpha", 0.0) or float(rank), layers)
