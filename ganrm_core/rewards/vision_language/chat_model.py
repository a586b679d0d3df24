"""An image-text-to-text model of `transformers` with its processor: one conversation of pictures and a question at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ...backbones.hf_vision_model import import_transformers, quiet_transformers
from ...utils.errors import BackboneError

MOST_PIXELS = 1024 * 1024
"""Larger pictures are reduced to this area: some processors make ten thousand tokens of a large photograph."""
_TOKENS, _ACTIVATIONS_PER_TOKEN, _BYTES = 4096, 40, 4


class ChatModel(nn.Module):
    """Keeps the number format of its folder (float16, bfloat16, quantised). Nothing is sampled: answers are greedy."""

    def __init__(self, net: nn.Module, processor: Any, files: tuple[Path, ...]) -> None:
        """Raises BackboneError where the processor has no chat template."""
        super().__init__()
        self.net: Any = net.eval().requires_grad_(False)
        self.files = files
        self._processor = processor
        self._special = _special_tokens(processor)
        # Of a long conversation only the last logits count: all of them would be a gigabyte.
        last_only = "logits_to_keep" in inspect.signature(self.net.forward).parameters
        self._options: dict[str, Any] = {"logits_to_keep": 1} if last_only else {}
        self.turn([], "")

    @property
    def tokenizer(self) -> Any:
        return self._processor.tokenizer

    @property
    def bytes_per_picture(self) -> int:
        """Estimated activation memory of a question with its pictures."""
        config = self.net.config.get_text_config()
        return _TOKENS * _ACTIVATIONS_PER_TOKEN * _BYTES * int(getattr(config, "hidden_size", 4096))

    def plain(self, text: str) -> str:
        """Without the model's special tokens: a prompt must not open a turn of its own or announce a picture."""
        while any(token in text for token in self._special):
            for token in self._special:
                text = text.replace(token, "")
        return text

    def turn(self, pictures: Sequence[Image.Image], question: str) -> str:
        """The conversation up to the model's answer; `question` is text without special tokens."""
        content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": question}]
        try:
            text: str = self._processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
        except Exception as error:
            raise BackboneError(
                "The model has no chat template that takes pictures. Put chat_template.jinja beside its config.json, or "
                "choose a model that was trained to answer (its name often ends in Instruct)."
            ) from error
        return text

    def next_token(self, pictures: Sequence[Image.Image], text: str) -> Tensor:
        """Logits of the token after `text`, float32 [vocabulary]."""
        with torch.inference_mode():
            output = self.net(**self._inputs(pictures, text), use_cache=False, **self._options)
        logits: Tensor = output.logits[0, -1].float()
        return logits

    def go_on(
        self, pictures: Sequence[Image.Image], text: str, most: int, after_token: Callable[[], None]
    ) -> str:
        """What the model writes after `text`: at most `most` tokens, the likeliest each; without special tokens.

        `after_token` is called for each; its exception passes through.
        """
        inputs = self._inputs(pictures, text)
        transformers = import_transformers()

        def watch(ids: Tensor, _scores: Any, **_: Any) -> Tensor:
            after_token()
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

        with torch.inference_mode(), quiet_transformers():
            ids = self.net.generate(
                **inputs,
                max_new_tokens=most,
                do_sample=False,
                num_beams=1,
                stopping_criteria=transformers.StoppingCriteriaList([watch]),
            )
        written = self.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return self.plain(written)

    def _inputs(self, pictures: Sequence[Image.Image], text: str) -> Any:
        weight = next(self.net.parameters())
        inputs = self._processor(text=[text], images=[list(pictures)], return_tensors="pt")
        dtype = getattr(self.net, "dtype", weight.dtype)
        return inputs.to(weight.device, dtype=dtype)


def as_picture(image: Tensor) -> Image.Image:
    """Float [3, H, W] in 0–1 → 8-bit picture of at most MOST_PIXELS."""
    eight_bits = (image.detach().to("cpu", torch.float32) * 255).round().clamp(0, 255).to(torch.uint8)
    picture = Image.fromarray(eight_bits.permute(1, 2, 0).contiguous().numpy())
    scale = (MOST_PIXELS / (picture.width * picture.height)) ** 0.5
    if scale < 1:
        width, height = (max(1, int(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return picture


def _special_tokens(processor: Any) -> tuple[str, ...]:
    tokenizer = processor.tokenizer
    found = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    found |= {str(getattr(processor, name, "") or "") for name in ("image_token", "video_token")}
    return tuple(sorted(found - {""}))
