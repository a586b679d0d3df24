"""Prompt fit by a CLIP or SigLIP folder, against `transformers` itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from torch import Tensor
from unit_support.tiny_judges import PROMPTS, pictures, write_clip, write_siglip

from ganrm_core.rewards.prompt_fit.loading import load_pair
from ganrm_core.rewards.prompt_fit.reward import Formula, PromptFit
from ganrm_core.rewards.prompt_fit.siglip_tokens import SiglipTokens
from ganrm_core.utils.errors import BackboneError, DataError

PICTURES = pictures((40, 57), (64, 33))
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("models") / "clip"
    return folder, write_clip(folder)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("models") / "siglip"
    return folder, write_siglip(folder)


def published(folder: Path, formula: Formula, images: list[Tensor] = PICTURES) -> Tensor:
    reward = PromptFit(load_pair(str(folder)), formula)
    return reward.scale.published(reward.score(images, PROMPTS[: len(images)]).logit.double())


def upstream(model: Any, folder: Path, tokens: Any) -> Any:
    kind = "CLIPImageProcessorPil" if model.config.model_type == "clip" else "SiglipImageProcessorPil"
    processor = getattr(transformers, kind).from_pretrained(folder)
    files = [Image.fromarray((image * 255).round().byte().numpy()) for image in PICTURES]
    return model(pixel_values=processor(files, return_tensors="pt")["pixel_values"], **tokens)


class TestClip:
    def test_it_gives_the_logits_of_the_model(self, clip: tuple[Path, Any]) -> None:
        folder, model = clip
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        # Padded to the longest, with a mask: another way to the same embedding.
        output = upstream(model, folder, tokenizer(list(PROMPTS), padding=True, return_tensors="pt"))
        expected = output.logits_per_image.diag().double()
        assert torch.allclose(published(folder, "pickscore"), expected, atol=1e-5)
        cosines = expected / float(model.logit_scale.detach().exp())
        assert torch.allclose(published(folder, "similarity"), cosines, atol=1e-6)

    def test_a_score_depends_on_no_other_picture_or_prompt(self, clip: tuple[Path, Any]) -> None:
        reward = PromptFit(load_pair(str(clip[0])), "pickscore")
        together = reward.score(PICTURES, PROMPTS).logit
        alone = [reward.score([image], [text]).logit for image, text in zip(PICTURES, PROMPTS, strict=True)]
        assert torch.equal(together, torch.cat(alone))
        assert torch.equal(
            together, PromptFit(load_pair(str(clip[0])), "pickscore").score(PICTURES, PROMPTS).logit
        )

    def test_a_long_prompt_is_cut_off_at_the_length_of_the_training(self, clip: tuple[Path, Any]) -> None:
        pair = load_pair(str(clip[0]))
        tokens = pair.tokens("red fox " * 60)
        assert tokens.shape == (1, 77)
        assert tokens[0, -1] == clip[1].config.text_config.eos_token_id


class TestSiglip:
    def test_it_gives_the_logits_of_the_model(self, siglip: tuple[Path, Any]) -> None:
        folder, model = siglip
        tokens = torch.cat([load_pair(str(folder)).tokens(prompt) for prompt in PROMPTS])
        expected = upstream(model, folder, {"input_ids": tokens}).logits_per_image.diag().double()
        assert torch.allclose(published(folder, "pickscore"), expected, atol=1e-4)
        reward = PromptFit(load_pair(str(folder)), "pickscore")
        assert torch.allclose(reward.score(PICTURES, PROMPTS).score.double(), expected.sigmoid(), atol=1e-5)

    def test_prompts_are_read_as_in_its_training(self, siglip: tuple[Path, Any]) -> None:
        from sentencepiece import SentencePieceProcessor

        pieces = SentencePieceProcessor(model_file=str(siglip[0] / "spiece.model"))
        tokens = SiglipTokens(siglip[0] / "spiece.model", 16)
        ids = pieces.encode("a red fox in the snow")
        assert tokens(" A  RED fox, in the (snow)!").tolist() == [ids + [1] * (16 - len(ids))]
        cut = tokens("two cats " * 30)[0]
        assert len(cut) == 16
        assert cut[-1] == 1

    def test_the_tokens_are_those_of_transformers(self, siglip: tuple[Path, Any]) -> None:
        pytest.importorskip("google.protobuf")
        tokenizer = transformers.SiglipTokenizer.from_pretrained(siglip[0])
        theirs = tokenizer(list(PROMPTS), padding="max_length", max_length=16, truncation=True)["input_ids"]
        tokens = SiglipTokens(siglip[0] / "spiece.model", 16)
        assert [tokens(prompt)[0].tolist() for prompt in PROMPTS] == theirs

    def test_siglip_2_is_read_by_its_own_tokenizer_in_lower_case(
        self, siglip: tuple[Path, Any], tmp_path: Path
    ) -> None:
        folder = tmp_path / "siglip2"
        folder.mkdir()
        for file in siglip[0].iterdir():
            if not file.name.startswith(("spiece", "tokenizer")):
                (folder / file.name).write_bytes(file.read_bytes())
        _write_fast_tokenizer(folder)
        pair = load_pair(str(folder))
        assert (
            pair.tokens("A red FOX").tolist() == pair.tokens("a red fox").tolist() == [[3, 4, 5, *[0] * 13]]
        )


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", {"model_type": "siglip2"}, "NaFlex"),
        ("config.json", {"model_type": "bert"}, "type bert"),
        ("config.json", {"model_type": "clip", "text_config": {"attn_implementation": "a/b"}}, "never run"),
        ("preprocessor_config.json", None, "lacks preprocessor_config.json"),
        ("preprocessor_config.json", {"size": {"height": 8, "width": 9}}, "not square"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 32}, "crop_size": 28}, "another size"),
        ("preprocessor_config.json", {"size": {"longest_edge": 32}}, "not known here"),
        ("model.safetensors", "damaged", "cannot be loaded as CLIPModel"),
        ("tokenizer_config.json", "damaged", "tokenizer"),
    ],
)
def test_errors_name_the_folder_and_what_to_do(
    clip: tuple[Path, Any], tmp_path: Path, file: str, content: Any, message: str
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for source in clip[0].iterdir():
        (folder / source.name).write_bytes(source.read_bytes())
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(BackboneError, match=message) as raised:
        load_pair(str(folder))
    assert "broken" in str(raised.value)


def test_an_unknown_formula_is_refused(clip: tuple[Path, Any]) -> None:
    with pytest.raises(DataError, match="similarity, pickscore"):
        PromptFit(load_pair(str(clip[0])), cast(Any, "cosine"))


def _write_fast_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"<pad>": 0, "<eos>": 1, "<unk>": 2, "a": 3, "red": 4, "fox": 5}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "<eos>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
