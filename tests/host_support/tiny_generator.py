"""A diffusion model small enough for any CPU, in ComfyUI's own formats, made from a seed in seconds.

`write_tiny_generator` fills a models folder so that core's nodes run unchanged: CheckpointLoaderSimple →
CLIPTextEncode → EmptySD3LatentImage → KSampler → VAEDecode, and VAEEncode for img2img. The pictures are soft coloured
patches which differ by seed and by prompt. The MMDiT is random; the autoencoder is laid out by hand so that an
encoded image comes back blurred, but in its own colours.

Names and shapes are those the loader of ComfyUI 0.3.64 asks for: SD3's MMDiT (hidden size 64 · depth), CLIP-L under
`text_encoders.clip_l.transformer.`, TAESD with 16 channels.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import save_file

CHECKPOINT = "tiny_sd3.safetensors"
VAE = "tiny_vae.safetensors"

Tensors = dict[str, torch.Tensor]

_DEPTH = 2
_LATENT = 16
_PATCH = 2
_CLIP_WIDTH, _CLIP_LAYERS, _CLIP_WORDS, _CLIP_TOKENS = 768, 12, 49408, 77
_CONTEXT, _POOLED = 4096, 2048  # what SD3 pads its text encoders' outputs to
_VAE_WIDTH = 64
_ENCODER_STAGES = ((1,), (3, 4, 5), (7, 8, 9), (11, 12, 13))
_DECODER_STAGES = ((3, 4, 5), (8, 9, 10), (13, 14, 15), (18,))
_RANGE = 0.8  # latents of pixel values 0 and 1 lie this far apart
_BLUR = 3.0
_POOL = 1_000_003  # random numbers drawn for one tensor; a prime, so that repeats fall on no row


def write_tiny_generator(models: Path, seed: int = 0) -> None:
    """Writes checkpoints/tiny_sd3.safetensors (about 250 MB, with its VAE) and vae/tiny_vae.safetensors."""
    random = torch.Generator().manual_seed(seed)
    vae = vae_tensors(random)
    checkpoint = {
        **{f"model.diffusion_model.{name}": tensor for name, tensor in mmdit(random).items()},
        **{f"text_encoders.clip_l.transformer.{name}": tensor for name, tensor in _clip_l(random).items()},
        **{f"first_stage_model.{name}": tensor for name, tensor in vae.items()},
    }
    _save(checkpoint, models / "checkpoints" / CHECKPOINT)
    _save(vae, models / "vae" / VAE)


def _save(tensors: Tensors, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(path))


def mmdit(random: torch.Generator) -> Tensors:
    """The diffusion model alone, as a file for Load Diffusion Model holds it."""
    width = 64 * _DEPTH
    found: Tensors = {}

    def linear(name: str, inputs: int, outputs: int, gain: float = 1.0) -> None:
        found.update(_linear(random, name, inputs, outputs, gain))

    found["x_embedder.proj.weight"] = _normal(random, (width, _LATENT, _PATCH, _PATCH), _LATENT * _PATCH**2)
    found["x_embedder.proj.bias"] = torch.zeros(width)
    linear("context_embedder", _CONTEXT, width, gain=8)
    for name, inputs in (("t_embedder", 256), ("y_embedder", _POOLED)):
        linear(f"{name}.mlp.0", inputs, width)
        linear(f"{name}.mlp.2", width, width)
    for i in range(_DEPTH):
        for side in ("context_block", "x_block"):
            # The last block hands no text on, so that side has neither projection nor MLP.
            whole = side == "x_block" or i < _DEPTH - 1
            block = f"joint_blocks.{i}.{side}"
            linear(f"{block}.attn.qkv", width, 3 * width)
            linear(f"{block}.adaLN_modulation.1", width, (6 if whole else 2) * width)
            if whole:
                linear(f"{block}.attn.proj", width, width)
                linear(f"{block}.mlp.fc1", width, 4 * width)
                linear(f"{block}.mlp.fc2", 4 * width, width)
    linear("final_layer.adaLN_modulation.1", width, 2 * width)
    linear("final_layer.linear", width, _PATCH**2 * _LATENT)
    return found


def _clip_l(random: torch.Generator) -> Tensors:
    width = _CLIP_WIDTH
    found: Tensors = {
        "text_model.embeddings.token_embedding.weight": _normal(random, (_CLIP_WORDS, width), width),
        "text_model.embeddings.position_embedding.weight": _normal(random, (_CLIP_TOKENS, width), width),
    }
    norms = ["text_model.final_layer_norm"]
    for i in range(_CLIP_LAYERS):
        layer = f"text_model.encoder.layers.{i}"
        norms += [f"{layer}.layer_norm1", f"{layer}.layer_norm2"]
        for part in "qkv":
            found.update(_linear(random, f"{layer}.self_attn.{part}_proj", width, width))
        found.update(_linear(random, f"{layer}.self_attn.out_proj", width, width))
        found.update(_linear(random, f"{layer}.mlp.fc1", width, 4 * width))
        found.update(_linear(random, f"{layer}.mlp.fc2", 4 * width, width))
    for name in norms:
        found |= {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}
    found["text_projection.weight"] = _normal(random, (width, width), width)
    return {name: tensor.half() for name, tensor in found.items()}


def vae_tensors(random: torch.Generator) -> Tensors:
    """A hand-made autoencoder: colours averaged over 8 × 8 pixels going in, blurred coming out.

    The decoder blurs because the MMDiT is random: what it leaves of the noise becomes soft patches, not grain.
    """
    latents = {"vae_scale": torch.tensor(1.5305), "vae_shift": torch.tensor(0.0609)}  # SD3's own
    return {**_encoder(), **_decoder(random), **latents}


def _encoder() -> Tensors:
    first, last = _conv(3, _VAE_WIDTH), _conv(_VAE_WIDTH, _LATENT)
    for colour in range(3):
        first["weight"][colour, colour, 1, 1] = 1.0
        last["weight"][colour, colour, 1, 1] = _RANGE
        last["bias"][colour] = -_RANGE / 2
    found = _named("taesd_encoder.0", first) | _named("taesd_encoder.14", last)
    for number in (2, 6, 10):
        found[f"taesd_encoder.{number}.weight"] = _halving()
    return found | _blocks("taesd_encoder", _ENCODER_STAGES)


def _decoder(random: torch.Generator) -> Tensors:
    """Channels 0 to 2 carry what is brighter than grey, 3 to 5 what is darker: neither is lost in a ReLU, and the
    zeros around a picture's edge are grey."""
    first, last = _conv(_LATENT, _VAE_WIDTH), _conv(_VAE_WIDTH, 3)
    # The latent channels that an encoded picture leaves empty give a generated one more colour.
    colours = torch.cat([torch.eye(3), 0.2 * torch.randn(3, _LATENT - 3, generator=random)], dim=1)
    first["weight"][:6, :, 1, 1] = torch.cat([colours, -colours])
    for colour in range(3):
        last["weight"][colour, colour, 1, 1] = 1 / _RANGE
        last["weight"][colour, colour + 3, 1, 1] = -1 / _RANGE
        last["bias"][colour] = 0.5
    found = _named("taesd_decoder.1", first) | _named("taesd_decoder.19", last)
    found |= _blocks("taesd_decoder", _DECODER_STAGES)
    blurring = _DECODER_STAGES[0]
    for number in blurring:
        for part, gain in ((0, 1.0), (2, 1.0), (4, _BLUR)):
            found[f"taesd_decoder.{number}.conv.{part}.weight"] = gain * _blur()
    # Each of those blocks gave out 1 part of what came in and _BLUR parts of its blur.
    found["taesd_decoder.7.weight"] = _blur() / (1 + _BLUR) ** len(blurring)
    for number in (12, 17):
        found[f"taesd_decoder.{number}.weight"] = _blur()
    return found


def _blocks(name: str, stages: tuple[tuple[int, ...], ...]) -> Tensors:
    """Residual blocks that add nothing."""
    numbers = [number for stage in stages for number in stage]
    convs = [f"{name}.{number}.conv.{part}" for number in numbers for part in (0, 2, 4)]
    return {key: each for conv in convs for key, each in _named(conv, _conv(_VAE_WIDTH, _VAE_WIDTH)).items()}


def _halving() -> torch.Tensor:
    """A stride-2 convolution that averages 2 × 2 pixels."""
    weight = torch.zeros(_VAE_WIDTH, _VAE_WIDTH, 3, 3)
    for colour in range(3):
        weight[colour, colour, 1:, 1:] = 0.25
    return weight


def _blur() -> torch.Tensor:
    """A binomial blur of the six channels that carry colour."""
    weight = torch.zeros(_VAE_WIDTH, _VAE_WIDTH, 3, 3)
    line = torch.tensor([0.25, 0.5, 0.25])
    for channel in range(6):
        weight[channel, channel] = torch.outer(line, line)
    return weight


def _conv(inputs: int, outputs: int) -> Tensors:
    return {"weight": torch.zeros(outputs, inputs, 3, 3), "bias": torch.zeros(outputs)}


def _named(name: str, tensors: Tensors) -> Tensors:
    return {f"{name}.{part}": tensor for part, tensor in tensors.items()}


def _linear(random: torch.Generator, name: str, inputs: int, outputs: int, gain: float = 1.0) -> Tensors:
    weight = gain * _normal(random, (outputs, inputs), inputs)
    return {f"{name}.weight": weight, f"{name}.bias": torch.zeros(outputs)}


def _normal(random: torch.Generator, shape: tuple[int, ...], fan_in: int) -> torch.Tensor:
    # Drawing 123 million numbers for CLIP would take longer than all the rest.
    count = math.prod(shape)
    pool: torch.Tensor = torch.randn(min(count, _POOL), generator=random) / fan_in**0.5
    return pool.repeat(-(-count // _POOL))[:count].reshape(shape)
