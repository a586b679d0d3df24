"""Node "Known Judge"."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Pack
from contract_support.rewards import Bright
from contract_support.tiny_networks import put_pickscore
from torch import Tensor

NODE = "GANRMKnownReward"
PROMPTS = ["a red fox", "two cats"]


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(2, 40, 50, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def made(pack: Pack, folders: Folders) -> Any:
    put_pickscore(folders.models)
    return pack.run(NODE, judge="PickScore v1")


def test_the_judge_is_found_by_its_published_name_and_scores(made: Any, pack: Pack, pictures: Tensor) -> None:
    reward = made["reward"]
    library = pack.module("ganrm_core.rewards.known.preference_clip")
    alone = library.load_pickscore(reward.reward.identity.files[0].parent)
    assert torch.equal(reward.score(pictures, PROMPTS).logit, alone.score(pictures, PROMPTS).logit)
    assert reward.needs_prompt
    assert not any(parameter.is_inference() for parameter in reward.reward.network.parameters())
    for words in ("PickScore v1\nIt reads the prompt too.", "21 gives 0.50, 22.1 gives 0.75", "PickScore_v1"):
        assert words in made["info"]


def test_it_says_that_it_needs_the_prompt(made: Any, pictures: Tensor, errors: Any) -> None:
    with pytest.raises(errors.DataError, match="PickScore v1 judges pictures by their prompt"):
        made["reward"].score(pictures)


def test_combine_takes_it_beside_a_taste(made: Any, pack: Pack, pictures: Tensor) -> None:
    both = pack.run("GANRMEnsemble", reward_1=made["reward"], reward_2=_BrightAnyPrompt(pack))["reward"]
    assert both.needs_prompt
    odds = made["reward"].score(pictures, PROMPTS).logit.double()
    bright = _BrightAnyPrompt(pack).score(pictures).score.double().logit()
    assert torch.allclose(both.score(pictures, PROMPTS).logit.double(), (odds + bright) / 2, atol=1e-4)


def test_a_missing_judge_is_named_with_its_source_before_anything_runs(pack: Pack, folders: Folders) -> None:
    for judge, words in (
        ("HPS v2.1", "Get HPS_v2.1_compressed.pt from huggingface.co/xswu/HPSv2"),
        ("ImageReward", "vocab.txt of bert-base-uncased"),
        ("nobody", "There is no judge 'nobody'"),
    ):
        assert words in pack.refusal(NODE, judge=judge, file="automatic", backbone="automatic")
    head = folders.models / "ganrm_judges" / "sac+logos+ava1-l14-linearMSE.pth"
    head.parent.mkdir(parents=True, exist_ok=True)
    head.write_bytes(b"weights")
    assert "CLIP ViT-L/14" in pack.refusal(NODE, judge="LAION aesthetic v2")
    assert "not there" in pack.refusal(NODE, judge="HPS v2.1", file="ganrm_judges/../../secret.pt")


def test_it_runs_again_when_the_file_was_replaced(made: Any, pack: Pack, folders: Folders) -> None:
    fingerprint = pack.node(NODE).fingerprint_inputs
    before = fingerprint(judge="PickScore v1")
    assert fingerprint(judge="PickScore v1") == before != "missing"
    (folders.models / "ganrm_judges" / "PickScore_v1" / "model.safetensors").write_bytes(b"other")
    assert fingerprint(judge="PickScore v1") != before
    assert fingerprint(judge="HPS v2.1") == "missing"


def test_a_reward_has_the_identity_of_its_weights(made: Any, pack: Pack) -> None:
    fingerprint = pack.module("nodes.host.training.fingerprints").reward_fingerprint
    assert fingerprint(made["reward"]) == made["reward"].reward.identity.sha256()


class _BrightAnyPrompt(Bright):
    needs_prompt = False

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        return super().score(images)
