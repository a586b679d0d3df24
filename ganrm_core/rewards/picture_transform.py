"""Preprocessing of pictures as published judges do it: on 8-bit pictures, by Pillow or on tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

Fit = Literal["crop", "crop, rounded", "squash", "pad"]
"""How a picture becomes square.

"crop": the shorter side to the size, then the middle, its corner rounded down as in `transformers`; "crop, rounded":
half to even as in torchvision (OpenAI, OpenCLIP). "squash": without keeping the aspect ratio (SigLIP). "pad": the longer
side to the size, then black around it; on float tensors (HPS v2).
"""

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class PictureTransform:
    """Size, normalisation and resampling filter (a number of `PIL.Image.Resampling`; bicubic for "pad")."""

    size: int
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    fit: Fit = "crop, rounded"
    resample: int = Image.Resampling.BICUBIC

    def __call__(self, image: Tensor) -> Tensor:
        """Float [3, H, W] in 0–1 on any device → normalised float32 [3, size, size] on the CPU."""
        eight_bits = (image.detach().to("cpu", torch.float32) * 255).round().clamp(0, 255).to(torch.uint8)
        square = self._padded(eight_bits) if self.fit == "pad" else self._by_pillow(eight_bits)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (square - mean) / std

    def _by_pillow(self, image: Tensor) -> Tensor:
        picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        width, height = picture.size
        if self.fit == "squash":
            picture = picture.resize((self.size, self.size), Image.Resampling(self.resample))
        else:
            short = min(width, height)
            size = (int(self.size * width / short), int(self.size * height / short))
            if size != picture.size:
                picture = picture.resize(size, Image.Resampling(self.resample))
            left, top = (self._corner(side) for side in size)
            picture = picture.crop((left, top, left + self.size, top + self.size))
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255

    def _corner(self, side: int) -> int:
        rest = side - self.size
        return rest // 2 if self.fit == "crop" else round(rest / 2)

    def _padded(self, image: Tensor) -> Tensor:
        pixels = image.float() / 255
        height, width = pixels.shape[1:]
        scale = self.size / max(height, width)
        if scale == 1.0:
            new = (height, width)
        else:
            new = (round(height * scale), round(width * scale))
            # Not clamped: upstream resizes the float tensor.
            pixels = interpolate(
                pixels.unsqueeze(0), new, mode="bicubic", antialias=True, align_corners=False
            )[0]
        down, right = self.size - new[0], self.size - new[1]
        return pad(pixels, (right // 2, right - right // 2, down // 2, down - down // 2))
