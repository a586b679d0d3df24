"""Tiny vision-language models with random weights, tokenizer, processor and chat template, in their real file formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from unit_support.tiny_encoders import enlivened

_WORDS = ("yes", "Yes", "Ġyes", "no", "No", "Ġno", "excellent", "good", "Ġgood", "fair", "poor", "bad")
_LAYERS = {"num_hidden_layers": 2, "intermediate_size": 24}
_VISION = {**_LAYERS, "hidden_size": 16, "num_attention_heads": 2, "image_size": 16, "patch_size": 4}
_QWEN_VISION = {
    "depth": 2,
    "hidden_size": 16,
    "out_hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 24,
    "patch_size": 4,
}
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}PICTURE{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_qwen2_vl(folder: Path) -> None:
    import transformers as t

    vision = {"depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4}
    _write_qwen(folder, t.Qwen2VLConfig, t.Qwen2VLForConditionalGeneration, t.Qwen2VLProcessor, vision)


def write_qwen2_5_vl(folder: Path) -> None:
    import transformers as t

    vision = {**_QWEN_VISION, "window_size": 16, "fullatt_block_indexes": [1]}
    _write_qwen(
        folder, t.Qwen2_5_VLConfig, t.Qwen2_5_VLForConditionalGeneration, t.Qwen2_5_VLProcessor, vision
    )


def write_qwen3_vl(folder: Path) -> None:
    import transformers as t

    vision = {**_QWEN_VISION, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    _write_qwen(
        folder, t.Qwen3VLConfig, t.Qwen3VLForConditionalGeneration, t.Qwen3VLProcessor, vision, head_dim=8
    )


def _write_qwen(
    folder: Path, config: Any, kind: Any, processor: Any, vision: dict[str, Any], **text: Any
) -> None:
    import transformers as t

    tokenizer = _tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    text |= _text(tokenizer)
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
    made = config(
        text_config=text,
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    whole = processor(
        t.Qwen2VLImageProcessor(patch_size=4, merge_size=2, min_pixels=64, max_pixels=1024),
        tokenizer,
        t.Qwen2VLVideoProcessor(patch_size=4, merge_size=2),
        chat_template=_chat("<|vision_start|><|image_pad|><|vision_end|>"),
    )
    _save(folder, kind, made, whole)


def write_internvl(folder: Path) -> None:
    import transformers as t

    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = _tokenizer(**names)
    side = {"height": 16, "width": 16}
    config = t.InternVLConfig(
        text_config={"model_type": "qwen2", **_text(tokenizer)},
        vision_config=_VISION,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    processor = t.InternVLProcessor(
        t.GotOcr2ImageProcessor(size=side, crop_to_patches=True, min_patches=1, max_patches=2),
        tokenizer,
        t.InternVLVideoProcessor(size=side),
        image_seq_length=4,
        chat_template=_chat("<IMG_CONTEXT>\n"),
    )
    _save(folder, t.InternVLForConditionalGeneration, config, processor)


def write_idefics3(folder: Path) -> None:
    import transformers as t

    _write_idefics(
        folder,
        t.Idefics3Config,
        t.Idefics3ForConditionalGeneration,
        t.Idefics3ImageProcessor,
        t.Idefics3Processor,
    )


def write_smolvlm(folder: Path) -> None:
    """Needs the package num2words, or something in its place."""
    import transformers as t

    def processor(image_processor: Any, tokenizer: Any, **settings: Any) -> Any:
        side = {"longest_edge": 16}
        video = t.SmolVLMVideoProcessor(size=side, max_image_size=side)
        return t.SmolVLMProcessor(image_processor, tokenizer, video, **settings)

    _write_idefics(
        folder, t.SmolVLMConfig, t.SmolVLMForConditionalGeneration, t.SmolVLMImageProcessor, processor
    )


def _write_idefics(folder: Path, config: Any, kind: Any, image_processor: Any, processor: Any) -> None:
    tokenizer = _tokenizer("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    made = config(
        text_config={"model_type": "llama", **_text(tokenizer)},
        vision_config=_VISION,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
    )
    side = {"longest_edge": 16}
    whole = processor(
        image_processor(size=side, max_image_size=side, do_image_splitting=False),
        tokenizer,
        image_seq_len=4,
        chat_template=_chat("<image>"),
    )
    _save(folder, kind, made, whole)


def write_llava_onevision(folder: Path) -> None:
    import transformers as t

    tokenizer = _tokenizer("<image>", "<video>")
    grids, side = [[16, 16], [16, 32], [32, 16]], {"height": 16, "width": 16}
    config = t.LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **_text(tokenizer)},
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **_VISION},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grids,
    )
    processor = t.LlavaOnevisionProcessor(
        t.LlavaOnevisionImageProcessor(size=side, image_grid_pinpoints=grids),
        tokenizer,
        t.LlavaOnevisionVideoProcessor(size=side),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=_chat("<image>"),
    )
    _save(folder, t.LlavaOnevisionForConditionalGeneration, config, processor)


WRITERS = {
    "qwen2_vl": write_qwen2_vl,
    "qwen2_5_vl": write_qwen2_5_vl,
    "qwen3_vl": write_qwen3_vl,
    "internvl": write_internvl,
    "idefics3": write_idefics3,
    "smolvlm": write_smolvlm,
    "llava_onevision": write_llava_onevision,
}


def _save(folder: Path, kind: Any, config: Any, processor: Any) -> None:
    torch.manual_seed(5)
    enlivened(kind(config)).save_pretrained(folder)
    processor.save_pretrained(folder)


def _chat(picture: str) -> str:
    return _CHAT.replace("PICTURE", picture)


def _text(tokenizer: Any) -> dict[str, Any]:
    return {
        **_LAYERS,
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _tokenizer(*special: str, **named: str) -> Any:
    """Byte-level BPE of single bytes and `_WORDS`, with `special` tokens, or those `named` as their processor knows them."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate(letters)}
    merges = []
    for word in _WORDS:
        for end in range(1, len(word)):
            if word[: end + 1] not in vocabulary:
                merges.append((word[:end], word[end]))
                vocabulary[word[: end + 1]] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        extra_special_tokens={"turn_token": "<|im_start|>", **named} if named else ["<|im_start|>", *special],
    )
