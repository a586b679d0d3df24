"""Nodes that make inputs: pictures, latents, masks and scores, in batches or lists, recognisable one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
import numpy as np
import torch
from PIL import Image, ImageOps

Json = dict[str, Any]
_FORM = (["batch", "list"], {"default": "batch"})


class ProbeImages:
    """Pictures from a seed, or of a folder inside `input`; no sizes make an empty list or an empty batch."""

    CATEGORY = "probe"
    FUNCTION = "make"
    RETURN_TYPES = ("IMAGE",)
    OUTPUT_IS_LIST = (True,)

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {
            "required": {
                "sizes": ("STRING", {"default": "64x48, 64x48", "tooltip": "Width x height of each item."}),
                "form": _FORM,
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**31, "control_after_generate": False}),
                "channels": ("INT", {"default": 3, "min": 1, "max": 4}),
                "frames": (
                    "INT",
                    {"default": 1, "min": 1, "max": 64, "tooltip": "Frames of each list item."},
                ),
            },
            "optional": {"folder": ("STRING", {"default": ""})},
        }

    def make(
        self, sizes: str, form: str, seed: int, channels: int, frames: int, folder: str = ""
    ) -> tuple[list[torch.Tensor]]:
        if folder:
            items = [
                _read(path) for path in sorted((Path(folder_paths.get_input_directory()) / folder).iterdir())
            ]
        else:
            items = [_picture(size, seed + i, channels, frames) for i, size in enumerate(_sizes(sizes))]
        if form == "list":
            return (items,)
        return ([torch.cat(items) if items else torch.zeros(0, 64, 64, channels)],)


class ProbeConditioning:
    """What an unconditional model of such widths is told: nothing."""

    CATEGORY = "probe"
    FUNCTION = "make"
    RETURN_TYPES = ("CONDITIONING",)

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {
            "required": {
                "width": ("INT", {"default": 64, "min": 1, "max": 8192}),
                "pooled": ("INT", {"default": 64, "min": 1, "max": 8192}),
            }
        }

    def make(self, width: int, pooled: int) -> tuple[list[Any]]:
        return ([[torch.zeros(1, 1, width), {"pooled_output": torch.zeros(1, pooled)}]],)


class ProbeLatents:
    """Latents whose item i is filled with `first + i` throughout, noise masks with i / 100."""

    CATEGORY = "probe"
    FUNCTION = "make"
    RETURN_TYPES = ("LATENT",)
    OUTPUT_IS_LIST = (True,)

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {
            "required": {
                "count": ("INT", {"default": 4, "min": 0, "max": 4096}),
                "form": _FORM,
                "first": ("FLOAT", {"default": 0.0, "min": -1e6, "max": 1e6}),
                "channels": ("INT", {"default": 16, "min": 1, "max": 64}),
                "height": ("INT", {"default": 8, "min": 1, "max": 512}),
                "width": ("INT", {"default": 8, "min": 1, "max": 512}),
                "batch_index": (
                    "STRING",
                    {"default": "", "tooltip": "Numbers, one per item; empty for none."},
                ),
                "noise_mask": ("BOOLEAN", {"default": False}),
            }
        }

    def make(
        self,
        count: int,
        form: str,
        first: float,
        channels: int,
        height: int,
        width: int,
        batch_index: str,
        noise_mask: bool,
    ) -> tuple[list[Json]]:
        latent: Json = {"samples": _ramp(count, first).expand(-1, channels, height, width).clone()}
        if batch_index:
            latent["batch_index"] = [int(part) for part in batch_index.split(",")]
        if noise_mask:
            latent["noise_mask"] = (_ramp(count, 0.0) / 100).expand(-1, 1, height * 8, width * 8).clone()
        if form == "batch":
            return ([latent],)
        return ([{key: value[i : i + 1] for key, value in latent.items()} for i in range(count)],)


class ProbeMasks:
    """Masks whose item i is filled with i / 100."""

    CATEGORY = "probe"
    FUNCTION = "make"
    RETURN_TYPES = ("MASK",)
    OUTPUT_IS_LIST = (True,)

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {
            "required": {
                "count": ("INT", {"default": 4, "min": 0, "max": 4096}),
                "form": _FORM,
                "height": ("INT", {"default": 64, "min": 1, "max": 4096}),
                "width": ("INT", {"default": 64, "min": 1, "max": 4096}),
            }
        }

    def make(self, count: int, form: str, height: int, width: int) -> tuple[list[torch.Tensor]]:
        masks = (_ramp(count, 0.0)[:, 0] / 100).expand(-1, height, width).clone()
        return ([masks] if form == "batch" else list(masks.split(1)),)


class ProbeScores:
    """Stands for another pack's scorer: numbers as a list of FLOATs, or as one FLOAT that is a list."""

    CATEGORY = "probe"
    FUNCTION = "make"
    RETURN_TYPES = ("FLOAT",)
    OUTPUT_IS_LIST = (True,)

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {
            "required": {
                "scores": ("STRING", {"default": "0.1, 0.9"}),
                "form": (["list", "one value"], {"default": "list"}),
            }
        }

    def make(self, scores: str, form: str) -> tuple[list[Any]]:
        numbers = [float(part) for part in scores.split(",") if part.strip()]
        return (numbers if form == "list" else [numbers],)


def _sizes(text: str) -> list[tuple[int, int]]:
    pairs = [part.strip().split("x") for part in text.split(",") if part.strip()]
    return [(int(width), int(height)) for width, height in pairs]


def _picture(size: tuple[int, int], seed: int, channels: int, frames: int) -> torch.Tensor:
    # Smooth blobs on [0, 1]: noise alone would look the same to every scorer.
    width, height = size
    noise = torch.rand(frames, channels, 5, 5, generator=torch.Generator().manual_seed(seed))
    grown = torch.nn.functional.interpolate(noise, (height, width), mode="bicubic", align_corners=True)
    return grown.clamp(0, 1).movedim(1, -1).contiguous()


def _read(path: Path) -> torch.Tensor:
    with Image.open(path) as picture:
        pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), dtype=np.float32)
    return torch.from_numpy(pixels / 255)[None]


def _ramp(count: int, first: float) -> torch.Tensor:
    return first + torch.arange(count, dtype=torch.float32).reshape(-1, 1, 1, 1)
