"""PickScore v1 and HPS v2.1 in tiny, in their real file formats."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize
from unit_support.tiny_judges import PROMPTS, pictures, write_clip, write_open_clip

from ganrm_core.rewards.known.preference_clip import load_hps, load_pickscore

pytest.importorskip("transformers")
PICTURES = pictures((40, 57), (64, 33))


def test_pickscore_is_the_scaled_cosine_and_its_differences_are_log_odds(tmp_path: Path) -> None:
    model = write_clip(tmp_path / "PickScore_v1")
    reward = load_pickscore(tmp_path / "PickScore_v1")
    pair = reward.network
    with torch.no_grad():
        pixels = torch.stack([reward.prepare(image.permute(2, 0, 1)) for image in PICTURES])
        tokens = torch.cat([pair.tokens(prompt) for prompt in PROMPTS])
        output = model(input_ids=tokens, pixel_values=pixels)
        expected = model.logit_scale.exp() * (output.text_embeds * output.image_embeds).sum(1)
    scores = reward.score(PICTURES, PROMPTS)
    assert torch.allclose(reward.scale.published(scores.logit), expected, atol=1e-4)
    assert torch.allclose(scores.logit.diff(), expected.diff(), atol=1e-4)
    assert reward.name == "PickScore v1"


def test_hps_is_the_cosine_of_whole_pictures_padded_to_a_square(tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip")
    model = write_open_clip(tmp_path, tmp_path / "HPS.pt", "tiny-hps")
    reward = load_hps(tmp_path / "HPS.pt", "tiny-hps")
    assert reward.network.transform.fit == "pad"
    with torch.no_grad():
        pixels = torch.stack([reward.prepare(image.permute(2, 0, 1)) for image in PICTURES])
        texts = model.encode_text(open_clip.get_tokenizer("ViT-H-14")(list(PROMPTS)))
        images = normalize(model.encode_image(pixels), dim=-1)
        expected = (images @ normalize(texts, dim=-1).T).diag()
    scores = reward.score(PICTURES, PROMPTS)
    assert torch.allclose(reward.scale.published(scores.logit), expected, atol=1e-6)
    assert torch.allclose(scores.logit.diff(), 100 * expected.diff(), atol=1e-4)
