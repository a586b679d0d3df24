"""Kinds of prompts of the soak benchmark, and how each must end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from host_support.drawn_pictures import fill_folder
from host_support.pack_prompts import (
    adversarial_training,
    best_of_n,
    best_of_n_sampler,
    groups,
    image_folder,
    loaded,
    lora_training,
    save_images,
    saved_model,
    score_folder,
    scored,
    scoring,
    training,
)
from host_support.prompts import Json, echo, images, node, text_to_image
from host_support.server import Server

from .served import TASTE

SUCCESS, FAILED, CANCELLED = "success", "failed", "cancelled"
"""FAILED: refused when queued, or ended by an error with the kind's words. CANCELLED: stopped, or done before that."""
MODEL = f"{TASTE}.safetensors"
_SETS, _PER_SET = 6, 12
_FOUR = "64x64, 64x64, 64x64, 64x64"


@dataclass(frozen=True)
class Kind:
    """share: how often, against the others. words: what the error must say. prompt: random → an API prompt."""

    name: str
    share: float
    prompt: Callable[[Random], Json]
    end: str = SUCCESS
    words: str = ""


def prepare(server: Server) -> None:
    """Small sets to train on, and what bad prompts name."""
    for number in range(_SETS):
        for kind in ("liked", "ordinary"):
            fill_folder(
                server.folder("input", f"set{number}", kind), kind, _PER_SET, first=1000 + 100 * number
            )
    fill_folder(server.folder("input", "few"), "liked", 1, first=5000)
    server.folder("input", "empty").mkdir()
    server.folder("models", "ganrm", "corrupt.safetensors").write_bytes(b"\xff" * 64)


def kinds() -> Sequence[Kind]:
    """All of them; every call of a prompt's maker gives one that the server has not in its cache."""
    return (*_GOOD, *_BAD, *_STOPPED)


def settling() -> Json:
    """A prompt that does next to nothing: the server frees memory before the next prompt, not at once."""
    return {"images": images("8x8"), "echo": echo("settled", ["images", 0])}


def _seed(random: Random) -> int:
    return random.randrange(2**31)


def _pictures(random: Random, sizes: str = _FOUR) -> Json:
    return {"images": images(sizes, seed=_seed(random)), "load": loaded(MODEL)}


def _train(random: Random, **settings: object) -> Json:
    home = f"input/set{random.randrange(_SETS)}"
    return training(f"{home}/liked", f"{home}/ordinary", name="soaked", seed=_seed(random), **settings)


def _trained_and_used(random: Random) -> Json:
    map_inputs = {"images": ["images", 0], "reward": ["train", 0], "share": 0.2, "grow": 0, "blur": 0}
    return {**_pictures(random, "64x64"), **_train(random), "map": node("GANRMHeatmap", **map_inputs)}


def _sampled(random: Random, **settings: object) -> Json:
    made = text_to_image(f"picture {_seed(random)}")
    inputs = {"seed": _seed(random), "steps": 2, **settings}
    return {**made, "load": loaded(MODEL), "best": best_of_n_sampler(**inputs)}


def _generated_and_saved(random: Random) -> Json:
    made = text_to_image(f"picture {_seed(random)}", seed=_seed(random), count=2, steps=2)
    saved = save_images("decode", "soak/%score%", reward=["load", 0], format=random.choice(["png", "webp"]))
    return {**made, "load": loaded(MODEL), "save": saved}


def _heatmap(random: Random) -> Json:
    given = {"images": ["images", 0], "reward": ["load", 0], "share": 0.2, "grow": 0, "blur": 0}
    return {**_pictures(random, "64x64, 64x64"), "map": node("GANRMHeatmap", **given)}


def _best(random: Random) -> Json:
    inputs = {"reward": ["load", 0], "keep": random.randint(1, 3)}
    chosen = best_of_n(**inputs)
    return {**_pictures(random), "best": chosen, "save": save_images("best", "soak/best")}


def _folder(random: Random) -> Json:
    chosen = {"folder": f"input/set{random.randrange(_SETS)}/liked", "keep": random.randint(1, 5)}
    return score_folder(
        MODEL, **chosen, save_to=f"best{_seed(random)}", place=random.choice(["copy", "link"])
    )


def _culled(random: Random) -> Json:
    chosen = {"folder": f"input/set{random.randrange(_SETS)}/ordinary", "keep": 1, "place": "copy"}
    widgets = {"alike": "copies", "recursive": False, "within": 0, "save_to": f"culled{_seed(random)}"}
    return {"load": loaded(MODEL), "cull": node("GANRMCullFolder", reward=["load", 0], **chosen, **widgets)}


def _evaluated(random: Random) -> Json:
    home = f"input/set{random.randrange(_SETS)}"
    sets = {"liked": image_folder(f"{home}/liked"), "ordinary": image_folder(f"{home}/ordinary")}
    links = {"reward": ["load", 0], "liked": ["liked", 0], "ordinary": ["ordinary", 0]}
    return {**sets, "load": loaded(MODEL), "evaluate": node("GANRMEvaluate", **links)}


def _combined(random: Random) -> Json:
    rewards = {"reward_1": ["load", 0], "reward_2": ["again", 0]}
    weights = {"weight_1": 1.0, "weight_2": random.random(), "name": "both"}
    given = {**_pictures(random), "again": loaded(MODEL), "both": node("GANRMEnsemble", **rewards, **weights)}
    return {**given, "score": scored(reward=["both", 0])}


def _grown(random: Random) -> Json:
    grow = {"images": ["images", 0], "dataset_name": f"soak{random.randrange(3)}", "pick": "all"}
    return {**_pictures(random, "64x64, 64x64"), "grow": node("GANRMAddToDataset", **grow)}


def _grouped(random: Random, **counts: object) -> Json:
    return groups(MODEL, f"a {{red|blue}} thing {_seed(random)}", seed=_seed(random), steps=2, **counts)


def _lora(random: Random) -> Json:
    return lora_training(MODEL, seed=_seed(random))


def _adversarial(random: Random) -> Json:
    return adversarial_training(MODEL, seed=_seed(random), steps=2, pictures=2, watched=2)


def _broken_model(random: Random) -> Json:
    prompt = {
        **_sampled(random),
        "broken": node("ProbeFailing", model=["model", 0], calls=random.randint(0, 3)),
    }
    prompt["best"]["inputs"]["model"] = ["broken", 0]
    return prompt


def _few(random: Random) -> Json:
    return training("input/few", "input/ordinary", name="few", seed=_seed(random))


def _outside(random: Random) -> Json:
    return {"load": loaded(MODEL), "save": saved_model("load", f"../../{_seed(random)}")}


_GOOD = (
    Kind("score", 14, lambda random: {**_pictures(random), "score": scored()}),
    Kind("best of n, saved", 12, _best),
    Kind("sampler", 10, _sampled),
    Kind("generated, saved", 8, _generated_and_saved),
    Kind("heatmap", 6, _heatmap),
    Kind("train", 4, _train),
    Kind("train, heatmap", 2, _trained_and_used),
    Kind("score folder", 6, _folder),
    Kind("cull folder", 4, _culled),
    Kind("evaluate", 3, _evaluated),
    Kind("combine", 3, _combined),
    Kind("add to dataset", 4, _grown),
    Kind("groups", 3, lambda random: _grouped(random, count=2, pictures=2)),
    Kind("train LoRA", 0.5, _lora),
    Kind("learn in turn", 0.2, _adversarial),
)
_BAD = (
    Kind("too few pictures", 2, _few),  # the node asks for more; what follows it does not run
    Kind("missing model", 2, lambda _: scoring("from_a_friend.safetensors"), FAILED, "not on this machine"),
    Kind("damaged model", 2, lambda _: scoring("corrupt.safetensors"), FAILED, "corrupt.safetensors"),
    Kind("folder outside", 2, lambda _: score_folder(MODEL, folder="/etc"), FAILED, "not read from"),
    Kind("saved outside", 2, _outside, FAILED, "not written to"),
    Kind("empty folder", 2, lambda _: score_folder(MODEL, folder="input/empty"), FAILED, "input/empty"),
    Kind("broken generator", 2, _broken_model, FAILED, "the model broke"),
)
_STOPPED = (
    Kind("train, cancelled", 3, lambda random: _train(random, views=4), CANCELLED),
    Kind("sampler, cancelled", 4, lambda random: _sampled(random, n=8, steps=8), CANCELLED),
    Kind("groups, cancelled", 2, lambda random: _grouped(random, count=6, pictures=4), CANCELLED),
    Kind("train LoRA, cancelled", 0.3, _lora, CANCELLED),
    Kind("learn in turn, cancelled", 0.2, _adversarial, CANCELLED),
)
