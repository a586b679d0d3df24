"""Mutations of safetensors files: the header's JSON, the card in it, and the tensors' values, shapes and types."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from .json_mutations import as_text, mutated_document
from .mutation import ANY_BYTES, mutated

_TYPES = (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int8, torch.uint8, torch.bool)
_VALUES = (float("nan"), float("inf"), float("-inf"), 3e38, -3e38, 1e30, 0.0, 1e-45)

FileMutation = Callable[[bytes, Random], tuple[bytes, tuple[str, ...]]]


def any_bytes(content: bytes, random: Random) -> tuple[bytes, tuple[str, ...]]:
    return mutated(content, ANY_BYTES, random)


def header(content: bytes, random: Random) -> tuple[bytes, tuple[str, ...]]:
    """Types, shapes and offsets of the tensors as the file's header states them."""
    stated, data = _taken_apart(content)
    text, done = mutated_document(stated, random, 0.1)
    length = len(text)
    if random.random() < 0.05:
        length = random.choice((0, 1, length - 1, length + 8, 2**31, 2**63, 2**64 - 1))
        done += (f"length of the header set to {length}",)
    return struct.pack("<Q", length) + text + data, tuple(f"header: {each}" for each in done)


def card(content: bytes, random: Random) -> tuple[bytes, tuple[str, ...]]:
    """The JSON in the header's metadata, which says what the tensors mean."""
    stated, data = _taken_apart(content)
    (key,) = stated["__metadata__"]
    text, done = mutated_document(json.loads(stated["__metadata__"][key]), random, 0.1)
    stated["__metadata__"][key] = text.decode("latin-1")
    packed = as_text(stated)
    return struct.pack("<Q", len(packed)) + packed + data, tuple(f"card: {each}" for each in done)


def tensors(content: bytes, random: Random) -> tuple[bytes, tuple[str, ...]]:
    """One or two tensors with other values, shapes, types or names; the file itself stays a sound one."""
    metadata = _taken_apart(content)[0]["__metadata__"]
    held = load(content)
    done = tuple(_change_one(held, random) for _ in range(random.choice((1, 1, 2))))
    return save({name: tensor.contiguous() for name, tensor in held.items()}, metadata=metadata), done


def _change_one(held: dict[str, Tensor], random: Random) -> str:
    if not held:
        return "no tensor left"
    name = random.choice(sorted(held))
    tensor = held[name]
    match random.randrange(6):
        case 0 if tensor.is_floating_point():
            value, whole = random.choice(_VALUES), random.random() < 0.5
            flat = tensor.clone().flatten()
            place = 0 if whole else random.randrange(max(1, len(flat)))
            flat[place : None if whole else place + 1] = value
            held[name] = flat.view(tensor.shape)
            return f"{name}: {'all' if whole else 'one'} set to {value}"
        case 1:
            held[name] = tensor.to(random.choice(_TYPES))
            return f"{name}: as {held[name].dtype}"
        case 2:
            others = [
                tensor[..., None],
                tensor[None],
                tensor.flatten(),
                tensor.new_zeros(()),
                tensor.new_zeros(0),
            ]
            others += [tensor[: len(tensor) // 2], torch.cat([tensor, tensor])] if tensor.ndim else []
            held[name] = random.choice(others)
            return f"{name}: shape {tuple(tensor.shape)} now {tuple(held[name].shape)}"
        case 3:
            del held[name]
            return f"{name}: removed"
        case 4:
            names = f"{name}.more", "rpl.siblings.x.weight", "rpl.siblings.-1.bias", "rpl.", "", name.upper()
            other = random.choice(names)
            held[other] = held.pop(name)
            return f"{name}: renamed to {other!r}"
    held[name] = tensor * random.choice((-1, 0, 1000)) if tensor.dtype != torch.bool else ~tensor
    return f"{name}: scaled"


def _taken_apart(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header's JSON and the tensors' bytes."""
    (length,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + length]), content[8 + length :]
