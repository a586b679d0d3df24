"""Tiny vision-language model that answers about shapes: trained here, saved as a `transformers` folder.

Idefics3 with a vision encoder of three layers on patches of 4 pixels and a language model of three, from random weights. It
learns from answers alone, drawn as a noisy judge would give them:

    is it a good picture?            yes with probability sigmoid((q − middle − own standard) / noise)
    is image 2 better than image 1?  yes with probability sigmoid((q₂ − q₁) / noise + liking of the second place)

with q the true quality, `middle` its median, and a standard of normal distribution that is drawn for each answer, as if every
answer were another person's (spread 0: all have the same). Both kinds of question come equally often. The liking for the second
place is put in, so that there is something to remove.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ganrm_core.backbones.hf_vision_model import quiet_transformers
from ganrm_core.rewards.vision_language.chat_model import ChatModel, Inputs
from ganrm_core.rewards.vision_language.loading import load_chat_model
from ganrm_core.rewards.vision_language.wording import Wording

from .drawing import SIDE, any_shape
from .files import generator_folder
from .reading import quality

WORDING = Wording("Judge how warm, large and central the shape is.")
NOISE, LIKING = 0.1, 1.0
STEPS = 1500
_PICTURES, _BATCH, _RATE = 10_000, 32, 1e-3
_WIDTH, _VISION_WIDTH, _PATCH, _MERGED = 96, 64, 4, 2
_PICTURE_TOKENS = (SIDE // _PATCH // _MERGED) ** 2
_SPECIAL = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<|im_start|>")
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def trained(seed: int, standards: float, steps: int = STEPS) -> ChatModel:
    """The model of a seed and a spread of the judges' own standards.

    From the generator's folder if it is there, else trained and saved there.
    """
    folder = generator_folder() / f"chat_model_{seed}_{standards:g}_{steps}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=generator_folder()) as new, quiet_transformers():
            new_model(Path(new), seed)
            model = load_chat_model(Path(new))
            _train(model, seed, standards, steps)
            model.net.save_pretrained(new)
            shutil.copytree(new, folder)
    return load_chat_model(folder)


def as_file(picture: NDArray[np.float32]) -> Image.Image:
    """A picture [SIDE, SIDE, 3] in 0–1 as the model is shown it."""
    return Image.fromarray((picture * 255).round().astype(np.uint8))


def new_model(folder: Path, seed: int) -> None:
    """Write configuration, random weights and processor."""
    import transformers as t

    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    layers = {"num_hidden_layers": 3, "num_attention_heads": 4}
    text = {
        **layers,
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": _WIDTH,
        "intermediate_size": 2 * _WIDTH,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**layers, "hidden_size": _VISION_WIDTH, "intermediate_size": 2 * _VISION_WIDTH}
    config = t.Idefics3Config(
        text_config=text,
        vision_config={**vision, "image_size": SIDE, "patch_size": _PATCH},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=_MERGED,
    )
    t.Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    side = {"longest_edge": SIDE}
    processor = t.Idefics3Processor(
        t.Idefics3ImageProcessor(size=side, max_image_size=side, do_image_splitting=False),
        tokenizer,
        image_seq_len=_PICTURE_TOKENS,
        chat_template=_CHAT,
    )
    processor.save_pretrained(folder)


def _train(model: ChatModel, seed: int, standards: float, steps: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    shapes = [any_shape(rng) for _ in range(_PICTURES)]
    qualities = torch.tensor([quality(shape) for shape in shapes])
    pixels = _pixels(model, np.stack([shape.picture() for shape in shapes]))
    answers = torch.tensor([model.tokenizer.convert_tokens_to_ids(word) for word in ("no", "yes")])
    alone, compared = _question(model, 1), _question(model, 2)
    network = model.net.train().requires_grad_(True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps, pct_start=0.05)
    started, errors = time.monotonic(), list[float]()
    for step in range(1, steps + 1):
        one = torch.randint(len(pixels), (_BATCH,))
        two = torch.randint(len(pixels), (_BATCH, 2))
        good = (qualities[one] - qualities.median() - standards * torch.randn(_BATCH)) / NOISE
        better = (qualities[two[:, 1]] - qualities[two[:, 0]]) / NOISE + LIKING
        loss = torch.zeros(())
        for question, shown, odds in ((alone, one[:, None], good), (compared, two, better)):
            said = torch.bernoulli(torch.sigmoid(odds)).long()
            logits = _logits(network, question, pixels[shown])
            loss = loss + F.cross_entropy(logits, answers[said])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        errors.append(float(loss.detach()) / 2)
        if step % 200 == 0 or step == steps:
            took = time.monotonic() - started
            print(f"step {step}: cross-entropy {np.mean(errors[-200:]):.4f}, {took:.0f} s", flush=True)
    network.eval().requires_grad_(False)


def _logits(network: Any, question: Inputs, pixels: Tensor) -> Tensor:
    """Logits of the next token [B, vocabulary] for a question about pixels [B, n, 3, SIDE, SIDE]."""
    count = len(pixels)
    inputs = {name: tensor.repeat(count, *[1] * (tensor.ndim - 1)) for name, tensor in question.items()}
    output = network(**{**inputs, "pixel_values": pixels}, use_cache=False, logits_to_keep=1)
    logits: Tensor = output.logits[:, -1]
    return logits


def _question(model: ChatModel, pictures: int) -> Inputs:
    words = WORDING.absolute("") if pictures == 1 else WORDING.comparison("")
    grey = Image.new("RGB", (SIDE, SIDE), "grey")
    return model.inputs([grey] * pictures, model.turn(pictures, words))


def _pixels(model: ChatModel, pictures: NDArray[np.float32]) -> Tensor:
    """[N, 3, SIDE, SIDE] as the processor makes them of [N, SIDE, SIDE, 3], which it only rounds and normalises."""
    prepared = torch.from_numpy(pictures).mul(255).round().div(127.5).sub(1).movedim(-1, 1)
    expected = model.inputs([as_file(pictures[0])], "<image>")["pixel_values"][0, 0]
    torch.testing.assert_close(prepared[0], expected)
    return prepared


def _tokenizer() -> Any:
    """Byte-level BPE that has a token of its own for all that is always said, and for yes and no."""
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    said = [WORDING.absolute(""), WORDING.comparison("")]
    pieces = [piece for text in said for piece in text.replace("yes", "\0").replace("no", "\0").split("\0")]
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        min_frequency=0,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*pieces, "\n", "user\n", "assistant\n"], trainer)
    tokenizer.add_tokens([AddedToken("yes", normalized=False), AddedToken("no", normalized=False)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        additional_special_tokens=list(_SPECIAL),
    )
