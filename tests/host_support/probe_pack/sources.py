"""Probe nodes that make pictures, latents, masks and scores, in batches or lists, recognisable one by one."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

Json = dict[str, Any]
_FORM = {"form": (["batch", "list"], {"default": "batch"})}


class _Source:
    """A node with one output list; whatever `OPTIONAL` names may be left out of a prompt."""

    CATEGORY = "probe"
    FUNCTION = "make"
    OUTPUT_IS_LIST = (True,)
    OPTIONAL: ClassVar[Json] = {}

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {"required": {}, "optional": cls.OPTIONAL}


class ProbeImages(_Source):
    """Random pictures of "64x48, 8x8"-like sizes."""

    RETURN_TYPES = ("IMAGE",)
    OPTIONAL: ClassVar[Json] = {
        "sizes": ("STRING", {}),
        **_FORM,
        "seed": ("INT", {}),
        "frames": ("INT", {}),
    }

    def make(
        self, sizes: str, form: str = "batch", seed: int = 0, frames: int = 1
    ) -> tuple[list[torch.Tensor]]:
        pairs = [part.split("x") for part in sizes.split(",")]
        items = [_picture(int(w), int(h), seed + i, frames) for i, (w, h) in enumerate(pairs)]
        return (items if form == "list" else [torch.cat(items)],)


class ProbeLatents(_Source):
    """Latents of 64 × 64 pictures, filled with `first + i` throughout, their noise masks with i / 100."""

    RETURN_TYPES = ("LATENT",)
    OPTIONAL: ClassVar[Json] = {
        "count": ("INT", {}),
        **_FORM,
        "first": ("FLOAT", {}),
        "batch_index": ("STRING", {}),
    }

    def make(
        self, count: int, form: str = "batch", first: float = 0.0, batch_index: str = ""
    ) -> tuple[list[Json]]:
        latent: Json = {
            "samples": (first + _ramp(count)).expand(-1, 16, 8, 8).clone(),
            "noise_mask": (_ramp(count) / 100).expand(-1, 1, 64, 64).clone(),
        }
        if batch_index:
            latent["batch_index"] = [int(part) for part in batch_index.split(",")]
        if form == "batch":
            return ([latent],)
        return ([{key: value[i : i + 1] for key, value in latent.items()} for i in range(count)],)


class ProbeMasks(_Source):
    """Masks of 64 × 64, filled with i / 100."""

    RETURN_TYPES = ("MASK",)
    OPTIONAL: ClassVar[Json] = {"count": ("INT", {}), **_FORM}

    def make(self, count: int, form: str = "batch") -> tuple[list[torch.Tensor]]:
        masks = (_ramp(count)[:, 0] / 100).expand(-1, 64, 64).clone()
        return ([masks] if form == "batch" else list(masks.split(1)),)


class ProbeScores(_Source):
    """A list of FLOATs, as another pack's scorer gives it."""

    RETURN_TYPES = ("FLOAT",)
    OPTIONAL: ClassVar[Json] = {"scores": ("STRING", {})}

    def make(self, scores: str) -> tuple[list[float]]:
        return ([float(part) for part in scores.split(",")],)


def _picture(width: int, height: int, seed: int, frames: int) -> torch.Tensor:
    # Smooth blobs on [0, 1]: noise alone would look the same to every scorer.
    noise = torch.rand(frames, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    grown = torch.nn.functional.interpolate(noise, (height, width), mode="bicubic", align_corners=True)
    return grown.clamp(0, 1).movedim(1, -1).contiguous()


def _ramp(count: int) -> torch.Tensor:
    return torch.arange(count, dtype=torch.float32).reshape(-1, 1, 1, 1)
