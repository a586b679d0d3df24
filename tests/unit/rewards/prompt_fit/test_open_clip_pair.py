"""Prompt fit by an OpenCLIP checkpoint, against OpenCLIP itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from unit_support.tiny_encoders import Malice
from unit_support.tiny_judges import PROMPTS, SIDE, pictures, write_open_clip

from ganrm_core.rewards.prompt_fit.loading import load_pair
from ganrm_core.rewards.prompt_fit.reward import PromptFit
from ganrm_core.utils.errors import BackboneError

open_clip = pytest.importorskip("open_clip")
PICTURES = pictures((40, 57), (64, 33))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("open_clip")
    return folder / "tiny.pt", write_open_clip(folder, folder / "tiny.pt")


def test_it_gives_the_cosines_of_open_clip(checkpoint: tuple[Path, Any]) -> None:
    path, model = checkpoint
    transform = open_clip.image_transform(
        SIDE, is_train=False, mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD
    )
    pixels = torch.stack(
        [transform(Image.fromarray((image * 255).round().byte().numpy())) for image in PICTURES]
    )
    with torch.no_grad():
        pictures_of, texts = (
            model.encode_image(pixels, normalize=True),
            model.encode_text(open_clip.get_tokenizer("ViT-L-14")(list(PROMPTS)), normalize=True),
        )
    expected = (pictures_of * texts).sum(1).double()
    reward = PromptFit(load_pair(f"open_clip:tiny-judge/{path.name}", search_folders=[path.parent]))
    found = reward.scale.published(reward.score(PICTURES, PROMPTS).logit.double())
    assert torch.allclose(found, expected, atol=1e-6)
    assert reward.identity.files == (path,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip:nothing/tiny.pt", "no model 'nothing'"),
        ("open_clip:ViT-B-16-SigLIP/tiny.pt", "tokenizer"),
        ("open_clip:tiny-judge/absent.pt", "no model"),
        ("open_clip:ViT-B-32/tiny.pt", "not an OpenCLIP ViT-B-32"),
    ],
)
def test_errors_say_what_to_do(checkpoint: tuple[Path, Any], name: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        load_pair(name, search_folders=[checkpoint[0].parent])


def test_code_in_a_checkpoint_is_never_run(checkpoint: tuple[Path, Any], tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"state_dict": Malice(tmp_path / "trace")}, path)
    with pytest.raises(BackboneError, match="holds code, which is never run"):
        load_pair(f"open_clip:tiny-judge/{path}")
    assert not (tmp_path / "trace").exists()
