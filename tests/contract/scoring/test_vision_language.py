"""Node "Vision-Language Judge", and every node that takes its reward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Many, Pack
from contract_support.rewards import Bright
from PIL import Image
from torch import Tensor
from unit_support.tiny_chat_models import write_qwen2_vl

NODE = "GANRMVisionLanguageReward"
MODEL = "ganrm_judges/Tiny-VL"
PROMPTS = ["a red fox", "two cats", "a hat"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "Tiny-VL"
    write_qwen2_vl(folder)
    return folder


@pytest.fixture
def model(written: Path, folders: Folders) -> str:
    home = folders.models / "ganrm_judges"
    home.mkdir(parents=True, exist_ok=True)
    (home / "Tiny-VL").symlink_to(written)
    return MODEL


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(3, 40, 48, 3, generator=torch.Generator().manual_seed(1))


def made(pack: Pack, model: str, **inputs: Any) -> Any:
    return pack.run(NODE, model=model, instruction="", **inputs)


def test_it_scores_as_the_library_does(pack: Pack, model: str, written: Path, pictures: Tensor) -> None:
    result = made(pack, model)
    library = pack.module("ganrm_core.rewards.vision_language.reward")
    load = pack.module("ganrm_core.rewards.vision_language.loading").load_chat_model
    alone = library.VisionLanguageReward(load(written))
    assert torch.equal(result["reward"].score(pictures).logit, alone.score(pictures).logit)
    assert not any(parameter.is_inference() for parameter in result["reward"].reward.network.parameters())
    for words in (
        "Tiny-VL\nIt sees the picture alone.",
        "References: none.",
        "float32",
        "Is this a good picture",
    ):
        assert words in result["info"]


def test_own_words_take_the_place_of_the_criterion(pack: Pack, model: str, pictures: Tensor) -> None:
    asked = pack.run(NODE, model=model, instruction="Does it show {prompt}?")
    assert asked["reward"].needs_prompt
    assert "Does it show {prompt}?\nIs this" in asked["info"]
    assert made(pack, model, criterion="prompt fit")["reward"].needs_prompt
    assert not made(pack, model, criterion="aesthetics")["reward"].needs_prompt


def test_references_of_any_sizes_are_compared_with(pack: Pack, model: str, pictures: Tensor) -> None:
    result = made(pack, model, references=Many([pictures[:1], pictures[1:2, :30]]))
    scores = result["reward"].score(pictures)
    assert scores.uncertainty.min() > 0
    assert "References: 2." in result["info"]
    assert "Is image 2 better than image 1" in result["info"]


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_references_are_clamped_and_of_any_precision(
    pack: Pack, model: str, pictures: Tensor, kind: torch.dtype
) -> None:
    """As core's Upscale Image gives them: a little below 0 and above 1."""
    beyond = (pictures * 1.4 - 0.2).to(kind)
    odd, plain = (
        made(pack, model, references=given)["reward"] for given in (beyond, beyond.float().clamp(0, 1))
    )
    assert torch.equal(odd.score(pictures).logit, plain.score(pictures).logit)


def test_the_best_two_references_are_chosen_by_wins(pack: Pack, model: str, pictures: Tensor) -> None:
    result = made(
        pack,
        model,
        references=pictures,
        reference_choice="best two",
        criterion="prompt fit",
        reason="answer first",
        prompts="a fox",
    )
    reward = result["reward"].reward
    judge = pack.module("ganrm_core.rewards.vision_language.reward").VisionLanguageReward
    choose = pack.module("ganrm_core.rewards.vision_language.group_references").strongest_of_group
    kept = choose(judge(reward.network, reward.wording.without_reasons()), pictures, "a fox")
    assert f"References: the best 2 of 3, numbers {kept[0] + 1} and {kept[1] + 1}." in result["info"]
    assert reward.wording.reasoning == "answer first"


def test_score_puts_out_what_the_judge_says(pack: Pack, model: str, pictures: Tensor) -> None:
    judge = made(pack, model, references=pictures[:1], reason="answer first", reason_length=8)["reward"]
    result = pack.run("GANRMScore", images=pictures, reward=judge)
    _, second, _ = result["reasons"].split("\n\n")
    assert second.startswith(f"2: {result['scores'][1]:.2f}\nposition bias ")
    assert second.endswith(result.ui["reasons"][1])
    others = pack.run("GANRMScore", images=pictures, reward=Bright(pack))
    assert (others["reasons"], others.ui["reasons"]) == ("", [""] * 3)
    both = pack.run("GANRMEnsemble", reward_1=judge, reward_2=_BrightAnyPrompt(pack))["reward"]
    together = pack.run("GANRMScore", images=pictures, reward=both).ui["reasons"]
    assert together == [f"Tiny-VL: {reason}" for reason in result.ui["reasons"]]


def test_score_names_a_picture_without_an_answer_and_says_why_all_have_none(
    pack: Pack, model: str, pictures: Tensor, monkeypatch: pytest.MonkeyPatch, errors: Any
) -> None:
    judge = made(pack, model)["reward"]
    prepare = judge.reward.network.inputs

    def narrow(shown: Any, text: str) -> Any:
        if shown[0].width < least:
            raise ValueError("too narrow")
        return prepare(shown, text)

    monkeypatch.setattr(judge.reward.network, "inputs", narrow)
    least = 48
    result = pack.run("GANRMScore", images=Many([pictures[:1], pictures[1:2, :, :20]]), reward=judge)
    assert result["scores"][1] == 0 < result["scores"][0]
    assert "2: no answer: too narrow" in result["summary"]
    least = 100
    with pytest.raises(errors.DataError, match="It says: no answer: too narrow"):
        pack.run("GANRMScore", images=pictures, reward=judge)


def test_combine_heatmap_best_of_n_and_a_folder_take_it(
    pack: Pack, model: str, pictures: Tensor, folders: Folders
) -> None:
    judge = made(pack, model, criterion="prompt fit")["reward"]
    both = pack.run("GANRMEnsemble", reward_1=judge, reward_2=_BrightAnyPrompt(pack))["reward"]
    best = pack.run("GANRMBestOfN", images=pictures, reward=both, keep=1, prompts=Many(PROMPTS))
    assert len(best["best"][0]) == 1
    drawn = pack.run("GANRMHeatmap", images=pictures[:1], reward=judge, prompts="a fox")
    assert drawn["overlay"][0].shape == (1, 40, 48, 3)
    place = folders.input / "seen"
    place.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray((picture * 255).byte().numpy()).save(place / f"{number}.png")
    folder = pack.run("GANRMScoreFolder", folder="input/seen", reward=judge, keep=0, prompts="a fox")
    assert folder["table"].count(".png") == 3


def test_what_is_wrong_is_said_before_anything_runs(pack: Pack, model: str, folders: Folders) -> None:
    for inputs, words in (
        ({"model": ["ganrm_judges/nothing"]}, "is not on this machine"),
        ({"model": ["ganrm_judges/../../etc"]}, "is not on this machine"),
        ({"answer": ["maybe"]}, "There is no answer 'maybe'"),
        ({"reference_choice": ["worst"]}, "There is no choice of references 'worst'"),
    ):
        assert words in pack.refusal(NODE, **inputs)
    assert pack.refusal(NODE, model=[model]) == ""
    assert pack.refusal(NODE, model=[None]) == ""


def test_five_levels_and_spoilt_references_are_refused(
    pack: Pack, model: str, pictures: Tensor, errors: Any
) -> None:
    with pytest.raises(errors.DataError, match="picture alone"):
        made(pack, model, answer="five levels", references=pictures)
    spoilt = torch.cat([pictures[:1], pictures[1:2] * torch.nan])
    with pytest.raises(errors.ImageError, match="Reference 2 is spoilt"):
        made(pack, model, references=spoilt)


def test_models_of_other_packs_are_offered_and_pairs_are_not(
    pack: Pack, model: str, written: Path, folders: Folders
) -> None:
    place = folders.models / "LLM" / "Qwen"
    place.mkdir(parents=True)
    (place / "Other-VL").symlink_to(written)
    clip = folders.models / "ganrm_judges" / "clip"
    clip.mkdir()
    (clip / "config.json").write_text('{"model_type": "clip", "vision_config": {}}')
    (options,) = [socket.options for socket in pack.schema(NODE).inputs if socket.id == "model"]
    assert options == ["LLM/Qwen/Other-VL", MODEL] or options == [MODEL, "LLM/Qwen/Other-VL"]


def test_it_runs_again_when_the_model_was_replaced(
    pack: Pack, folders: Folders, written: Path, tmp_path: Path
) -> None:
    fingerprint = pack.node(NODE).fingerprint_inputs
    assert fingerprint(model=["ganrm_judges/Mine"]) == "missing"
    home = folders.models / "ganrm_judges" / "Mine"
    write_qwen2_vl(home)
    before = fingerprint(model=["ganrm_judges/Mine"])
    assert fingerprint(model=["ganrm_judges/Mine"]) == before != "missing"
    (home / "model.safetensors").write_bytes(b"other")
    assert fingerprint(model=["ganrm_judges/Mine"]) != before


class _BrightAnyPrompt(Bright):
    needs_prompt = False

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        return super().score(images)
