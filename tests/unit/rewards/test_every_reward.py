"""What holds for every kind of reward: a score depends on its own picture and prompt alone, and is the same every time.

A new kind of reward is added to `MAKERS`. Elsewhere: progress and Cancel of published networks in test_network_reward.py, of
combinations in test_combined.py; on a server, /free and Cancel in tests/host/test_every_reward.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.tiny_networks import put_clip_halves
from torch import Tensor
from unit_support.tiny_aesthetic import TINY_PREDICTORS, write_predictor
from unit_support.tiny_chat_models import write_qwen2_vl
from unit_support.tiny_image_reward import write_image_reward
from unit_support.tiny_judges import write_clip, write_open_clip, write_siglip

from ganrm_core.rewards.base import Reward
from ganrm_core.rewards.combined import CombinedReward, calibration_by, model_itself
from ganrm_core.rewards.known.aesthetic import load_predictor
from ganrm_core.rewards.known.image_reward import load_image_reward
from ganrm_core.rewards.known.judges import JUDGES
from ganrm_core.rewards.known.preference_clip import load_hps, load_pickscore
from ganrm_core.rewards.network_spec import NetworkSpec
from ganrm_core.rewards.prompt_fit.loading import load_pair
from ganrm_core.rewards.prompt_fit.reward import PromptFit
from ganrm_core.rewards.standardisation import standards_on_images

for _package in ("transformers", "open_clip", "sentencepiece"):
    pytest.importorskip(_package)

PROMPTS = ["a red fox", "two cats", "two cats in the snow", "a fox", "a red fox"]
Maker = Callable[[Path, Any], Reward]


def taste(_folder: Path, tastes: Callable[[], Reward]) -> Reward:
    return tastes()


def combined(folder: Path, tastes: Callable[[], Reward]) -> Reward:
    return CombinedReward([tastes(), clip(folder, tastes)], [1.0, -0.5])


def standardised(folder: Path, tastes: Callable[[], Reward]) -> Reward:
    rewards = [tastes(), clip(folder, tastes)]
    standards = standards_on_images(
        rewards, pictures(8, seed=5), ["two cats"] * 8, calibration_of=calibration_by(model_itself)
    )
    return CombinedReward(rewards, [1.0, 0.5], standards=standards)


def clip(folder: Path, _tastes: Any) -> Reward:
    write_clip(folder / "clip")
    return PromptFit(load_pair(str(folder / "clip")))


def siglip(folder: Path, _tastes: Any) -> Reward:
    write_siglip(folder / "siglip")
    return PromptFit(load_pair(str(folder / "siglip")), "pickscore")


def two_files(folder: Path, _tastes: Any) -> Reward:
    put_clip_halves(folder)
    files = folder / "clip_vision" / "vision.safetensors", folder / "text_encoders" / "clip_l.safetensors"
    return PromptFit(load_pair(*map(str, files)))


def open_clip(folder: Path, _tastes: Any) -> Reward:
    write_open_clip(folder, folder / "tiny.pt", "tiny-every")
    return PromptFit(load_pair(f"open_clip:tiny-every/{folder / 'tiny.pt'}"), "pickscore")


def laion(folder: Path, _tastes: Any) -> Reward:
    predictor, family = TINY_PREDICTORS["laion"]
    return load_predictor(predictor, *write_predictor(folder, predictor, family)[:2])


def aesthetic(folder: Path, _tastes: Any) -> Reward:
    predictor, family = TINY_PREDICTORS["v2.5"]
    return load_predictor(predictor, *write_predictor(folder, predictor, family)[:2])


def pickscore(folder: Path, _tastes: Any) -> Reward:
    write_clip(folder / "PickScore_v1")
    return load_pickscore(folder / "PickScore_v1")


def hps(folder: Path, _tastes: Any) -> Reward:
    write_open_clip(folder, folder / "HPS.pt", "tiny-every-hps")
    return load_hps(folder / "HPS.pt", "tiny-every-hps")


def image_reward(folder: Path, _tastes: Any) -> Reward:
    return load_image_reward(write_image_reward(folder))


def vision_language(folder: Path, _tastes: Any) -> Reward:
    write_qwen2_vl(folder / "chat")
    return NetworkSpec("vision-language-fit", (folder / "chat",)).load()


JUDGE_MAKERS = (laion, aesthetic, pickscore, hps, image_reward)
OTHER_MAKERS = (taste, combined, standardised, clip, siglip, two_files, open_clip, vision_language)
MAKERS: tuple[Maker, ...] = (*OTHER_MAKERS, *JUDGE_MAKERS)


def pictures(count: int, seed: int = 3) -> list[Tensor]:
    """Coarse pictures of different sizes and contrasts."""
    random = torch.Generator().manual_seed(seed)
    coarse = [
        torch.rand(1, 3, 4, 4, generator=random) * (0.3 + 0.7 * place / count) for place in range(count)
    ]
    sizes = [(40 + 7 * place, 64 - 5 * place) for place in range(count)]
    made = zip(coarse, sizes, strict=True)
    return [
        torch.nn.functional.interpolate(each, size, mode="bilinear")[0].permute(1, 2, 0)
        for each, size in made
    ]


@pytest.fixture(scope="module")
def make(
    tmp_path_factory: pytest.TempPathFactory, untrained_model: Any, tiny_file: Path
) -> Callable[[Maker], Callable[[], Reward]]:
    def maker(of: Maker) -> Callable[[], Reward]:
        return lambda: of(tmp_path_factory.mktemp(of.__name__), lambda: untrained_model(f"file:{tiny_file}"))

    return maker


@pytest.mark.parametrize("of", MAKERS, ids=lambda of: of.__name__)
def test_a_score_depends_on_its_picture_and_prompt_alone_and_is_the_same_every_time(
    make: Any, of: Maker
) -> None:
    images, loads = pictures(len(PROMPTS)), make(of)
    reward = loads()
    together = reward.score(images, PROMPTS).logit
    assert len(set(together.tolist())) == len(images), "it tells these pictures apart"
    turned = reward.score(images[::-1], PROMPTS[::-1]).logit.flip(0)
    alone = [reward.score([each], [text]).logit for each, text in zip(images, PROMPTS, strict=True)]
    for found in (torch.cat(alone), turned):
        assert float((found - together).abs().max()) < 1e-5
    assert torch.equal(reward.score(images, PROMPTS).logit, together)
    assert torch.equal(loads().score(images, PROMPTS).logit, together), "loaded anew"


def test_every_judge_is_among_them() -> None:
    assert len(JUDGE_MAKERS) == len(JUDGES)
