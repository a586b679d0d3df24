"""Node "Prompt Fit"."""

from __future__ import annotations

import pytest
import torch
from contract_support.pack import Folders, Pack
from contract_support.tiny_networks import put_clip_halves, put_pickscore
from safetensors.torch import save_file

NODE = "GANRMPromptFit"
HALF = "clip_vision/vision.safetensors"


@pytest.fixture
def halves(folders: Folders) -> Folders:
    put_clip_halves(folders.models)
    return folders


def test_clip_in_two_files_finds_its_other_half(pack: Pack, halves: Folders) -> None:
    model, text = pack.schema(NODE).inputs[:2]
    assert HALF in model.options
    assert text.options == ["automatic", "text_encoders/clip_l.safetensors"]
    made = pack.run(NODE, model=HALF)
    pictures = torch.rand(2, 40, 50, 3)
    scores = made["reward"].score(pictures, ["a red fox", "two cats"])
    chosen = pack.run(NODE, model=HALF, text_encoder="text_encoders/clip_l.safetensors")["reward"]
    assert torch.equal(scores.logit, chosen.score(pictures, ["a red fox", "two cats"]).logit)
    assert "vision.safetensors, clip_l.safetensors" in made["info"]


def test_several_fitting_halves_or_none_are_a_question(pack: Pack, halves: Folders) -> None:
    texts = halves.models / "text_encoders"
    (texts / "other.safetensors").write_bytes((texts / "clip_l.safetensors").read_bytes())
    assert "Several text encoders" in pack.refusal(NODE, model=HALF)
    for file in texts.iterdir():
        file.unlink()
    save_file({"shared.weight": torch.zeros(2, 2)}, texts / "t5.safetensors")
    assert "No text encoder" in pack.refusal(NODE, model=HALF)


def test_a_whole_folder_needs_no_text_encoder(pack: Pack, folders: Folders) -> None:
    put_pickscore(folders.models, "my_clip")
    assert pack.schema(NODE).inputs[0].options == ["ganrm_judges/my_clip"]
    gentle, steep = (
        pack.run(NODE, model="ganrm_judges/my_clip", formula=formula)["reward"]
        for formula in ("similarity", "pickscore")
    )
    picture = torch.rand(1, 40, 50, 3)
    cosine = gentle.reward.scale.published(gentle.score(picture, ["a fox"]).logit)
    scaled = steep.reward.scale.published(steep.score(picture, ["a fox"]).logit)
    assert torch.allclose(scaled, steep.reward.network.scale * cosine, atol=1e-4)


def test_names_that_no_list_offers_are_refused(pack: Pack, halves: Folders) -> None:
    for model in ("clip_vision/../whole", "/etc/passwd", "ganrm_judges/nothing"):
        assert "is not on this machine" in pack.refusal(NODE, model=model)
    assert "no formula" in pack.refusal(NODE, model=HALF, formula="cosine")
    assert pack.node(NODE).fingerprint_inputs(model="nothing") == "missing"
    assert pack.node(NODE).fingerprint_inputs(model=HALF).startswith("vision.safetensors")
