"""Image-text-to-text model of `transformers` with its processor: pictures and a question in, logits or text out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
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
_ROUNDING = 2.0**-5
"""Relative and absolute difference that rounding to 16 bits can make in a logit, and no scale or cap of the logits does."""

Inputs = Mapping[str, Tensor]
"""What a processor makes of one conversation, on the CPU; the first dimension of each tensor may be joined."""


class ChatModel(nn.Module):
    """Keeps the number format of its folder (float16, bfloat16, quantised). Nothing is sampled: texts are greedy."""

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
        self.turn(1, "")

    @property
    def tokenizer(self) -> Any:
        return self._processor.tokenizer

    @property
    def bytes_per_question(self) -> int:
        """Estimated activation memory of a question with its pictures."""
        config = self.net.config.get_text_config()
        return _TOKENS * _ACTIVATIONS_PER_TOKEN * _BYTES * int(getattr(config, "hidden_size", 4096))

    def plain(self, text: str) -> str:
        """Without the model's special tokens: a prompt must not open a turn of its own or announce a picture."""
        while any(token in text for token in self._special):
            for token in self._special:
                text = text.replace(token, "")
        return text

    def turn(self, pictures: int, question: str) -> str:
        """The conversation up to the model's answer; `question` is text without special tokens."""
        content = [*({"type": "image"} for _ in range(pictures)), {"type": "text", "text": question}]
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

    def inputs(self, pictures: Sequence[Image.Image], text: str) -> Inputs:
        """Pictures and a conversation from `turn`, which may go on with the beginning of the answer."""
        start = getattr(self.tokenizer, "bos_token", None)
        # Where a template writes the first token itself, the tokenizer must not add a second one.
        options = {"add_special_tokens": False} if start and text.startswith(start) else {}
        made = self._processor(text=[text], images=[list(pictures)], return_tensors="pt", **options)
        return {name: value for name, value in made.items() if isinstance(value, Tensor)}

    def logits(self, asked: Sequence[Inputs], tokens: Tensor) -> Tensor:
        """Logits of `tokens` [K] as the next one of each conversation, float32 [B, K] on the CPU.

        All of `asked` must have the same `shape_of`: nothing is padded. Raises whatever the model does.
        """
        together = {name: torch.cat([each[name] for each in asked]) for name in asked[0]}
        head: nn.Module = self.net.get_output_embeddings() or nn.Identity()
        states: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _, given: states.extend(x[:, -1] for x in given[:1]))
        try:
            with torch.inference_mode():
                output = self.net(**self._placed(together), use_cache=False, **self._options)
                rounded = output.logits[:, -1, tokens.to(output.logits.device)].float()
                return _unrounded(head, states, tokens, rounded).cpu()
        finally:
            hook.remove()

    def go_on(self, asked: Inputs, most: int, after_token: Callable[[], None]) -> str:
        """What the model writes next: at most `most` tokens, the likeliest each; without special tokens.

        `after_token` is called for each; its exception passes through.
        """
        transformers = import_transformers()

        def watch(ids: Tensor, _scores: Any, **_: Any) -> Tensor:
            after_token()
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

        with torch.inference_mode(), quiet_transformers():
            ids = self.net.generate(
                **self._placed(asked),
                max_new_tokens=most,
                do_sample=False,
                num_beams=1,
                stopping_criteria=transformers.StoppingCriteriaList([watch]),
            )
        written = self.tokenizer.decode(ids[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
        return self.plain(written)

    def _placed(self, inputs: Inputs) -> dict[str, Tensor]:
        device = next(self.net.parameters()).device
        dtype = self.net.dtype
        return {n: t.to(device, dtype if t.is_floating_point() else None) for n, t in inputs.items()}


def shape_of(inputs: Inputs) -> Hashable:
    """What must be equal for conversations to go through the model together."""
    length = inputs["input_ids"].shape[1]
    return (length, *((name, tensor.shape[1:], tensor.dtype) for name, tensor in sorted(inputs.items())))


def as_picture(image: Tensor) -> Image.Image:
    """Float [3, H, W] in 0–1 → 8-bit picture of at most MOST_PIXELS."""
    eight_bits = (image.detach().to("cpu", torch.float32) * 255).round().clamp(0, 255).to(torch.uint8)
    picture = Image.fromarray(eight_bits.permute(1, 2, 0).contiguous().numpy())
    scale = (MOST_PIXELS / (picture.width * picture.height)) ** 0.5
    if scale < 1:
        width, height = (max(1, int(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return picture


def _unrounded(head: nn.Module, states: Sequence[Tensor], tokens: Tensor, rounded: Tensor) -> Tensor:
    """The logits of `tokens` from the last hidden state in float32.

    In bfloat16 a logit near 20 is a multiple of 1/8, so that many pictures would tie. Where the model does more than a
    linear layer (a cap, a scale, quantised weights) the `rounded` ones stay.
    """
    if not (isinstance(head, nn.Linear) and states):
        return rounded
    weight = head.weight
    if not (weight.is_floating_point() and weight.element_size() == 2):
        return rounded
    rows = tokens.to(weight.device)
    bias = None if head.bias is None else head.bias[rows].float()
    exact = nn.functional.linear(states[-1].float(), weight[rows].float(), bias)
    return exact if torch.allclose(exact, rounded, rtol=_ROUNDING, atol=_ROUNDING) else rounded


def _special_tokens(processor: Any) -> tuple[str, ...]:
    tokenizer = processor.tokenizer
    found = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    found |= {str(getattr(processor, name, "") or "") for name in ("image_token", "video_token")}
    return tuple(sorted(found - {""}))
