"""Prompt fit by a CLIP in ComfyUI's two folders, against the whole CLIP in `transformers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from unit_support.tiny_encoders import enlivened
from unit_support.tiny_judges import PROMPTS, pictures

from ganrm_core.rewards.prompt_fit.loading import load_pair
from ganrm_core.rewards.prompt_fit.reward import PromptFit
from ganrm_core.utils.errors import BackboneError

transformers = pytest.importorskip("transformers")
open_clip = pytest.importorskip("open_clip")
PICTURES = pictures((40, 57), (64, 33))
SHAPE = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}
Files = tuple[Path, Path, Any]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("comfy")
    torch.manual_seed(6)
    config = transformers.CLIPConfig(
        vision_config={**SHAPE, "image_size": 32, "patch_size": 8}, text_config=SHAPE, projection_dim=24
    )
    model = enlivened(transformers.CLIPModel(config))
    model.logit_scale.data.fill_(4.6)
    model.save_pretrained(folder)
    from safetensors.torch import load_file

    tensors = load_file(folder / "model.safetensors")
    vision, text = folder / "clip_vision.safetensors", folder / "clip_l.safetensors"
    save_file(part(tensors, "vision_model.", "visual_projection."), vision)
    save_file(part(tensors, "text_model.", "text_projection."), text)
    return vision, text, model


def part(tensors: dict[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefixes)}


def test_it_gives_the_cosines_of_the_whole_clip(files: Files) -> None:
    vision, text, model = files
    reward = PromptFit(load_pair(vision.name, text.name, [vision.parent]))
    pixels = torch.stack([reward.prepare(image.permute(2, 0, 1)) for image in PICTURES])
    tokens = open_clip.get_tokenizer("ViT-L-14")(list(PROMPTS))
    with torch.no_grad():
        output = model(input_ids=tokens, pixel_values=pixels)
    expected = (output.image_embeds * output.text_embeds).sum(1).double()
    found = reward.scale.published(reward.score(PICTURES, PROMPTS).logit.double())
    assert torch.allclose(found, expected, atol=1e-6)


def test_a_file_without_projection_or_of_another_model_is_refused(files: Files, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    vision, text, _ = files
    plain, other, strange = (tmp_path / f"{name}.safetensors" for name in ("plain", "other", "t5"))
    tensors = load_file(text)
    save_file(part(tensors, "text_model."), plain)
    save_file({**tensors, "text_projection.weight": torch.zeros(32, 64)}, other)
    save_file({"shared.weight": torch.zeros(3, 3)}, strange)
    for file, message in (
        (plain, "lacks CLIP's projection"),
        (other, "24 and 32 wide"),
        (strange, "no CLIP text encoder"),
    ):
        with pytest.raises(BackboneError, match=message):
            load_pair(str(vision), str(file))
    bare = tmp_path / "bare.safetensors"
    save_file(part(load_file(vision), "vision_model."), bare)
    with pytest.raises(BackboneError, match="lacks CLIP's projection"):
        load_pair(str(bare), str(text))
    with pytest.raises(BackboneError, match="text encoder that belongs to it"):
        load_pair(str(vision))
    with pytest.raises(BackboneError, match="no model"):
        load_pair("nothing.safetensors")
