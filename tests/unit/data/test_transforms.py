"""Resizing: like Pillow, antialiased, in range, the same on every device, for files and tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganrm_core.backbones.base import BackboneSpec, Tap
from ganrm_core.data.augmentation import views
from ganrm_core.data.image_io import read_image, to_float, to_pil
from ganrm_core.data.image_tensors import as_images
from ganrm_core.data.transforms import resize, smaller, softened
from ganrm_core.rewards.discriminator.preprocessing import backbone_input, normalise

SPEC = BackboneSpec("none", "none", "0" * 64, 32, (0.5, 0.4, 0.3), (0.2, 0.25, 0.5), (Tap("a", 4),), "a")
SIZES = [(1, 1), (1, 50), (50, 1), (32, 32), (31, 33), (64, 48), (300, 200), (7, 500)]


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_shape_and_range(height: int, width: int) -> None:
    # Black and white noise, where a bicubic kernel overshoots most.
    picture = (noise(height, width) > 127).float()
    before = picture.clone()
    resized = resize(picture, 32)
    assert resized.shape == (3, 32, 32)
    assert resized.min() >= 0
    assert resized.max() <= 1
    assert torch.equal(picture, before)
    assert (height, width) != (32, 32) or torch.equal(resized, picture)
    plain = torch.tensor([0.0, 0.3, 1.0]).view(3, 1, 1)
    torch.testing.assert_close(resize(plain.expand(3, height, width), 32), plain.expand(3, 32, 32))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (200, 300), (333, 77), (500, 40)])
def test_downscaling_equals_pillow_and_does_not_alias(height: int, width: int) -> None:
    picture = to_float(noise(height, width, seed=5))
    # As floats: on bytes Pillow rounds and clips between its two passes.
    channels = [Image.fromarray(channel.numpy()) for channel in picture]
    pillow = [np.array(channel.resize((32, 32), Image.Resampling.BICUBIC)) for channel in channels]
    assert (resize(picture, 32) - torch.from_numpy(np.stack(pillow)).clamp(0, 1)).abs().max() <= 1e-5
    stripes = (torch.arange(320) % 2).float().expand(3, 320, 320)
    assert (resize(stripes, 32)[:, :, 2:-2] - 0.5).abs().max() < 0.02


def test_softening_is_a_gaussian_of_one_pixel() -> None:
    spot = torch.zeros(1, 3, 9, 9)
    spot[..., 4, 4] = 1
    made = softened(spot)
    offsets = torch.arange(-3.0, 4)
    kernel = torch.exp(-offsets.square() / 2) / torch.exp(-offsets.square() / 2).sum()
    torch.testing.assert_close(made[0, 1, 1:8, 1:8], kernel[:, None] * kernel)
    plain = torch.full((1, 3, 9, 9), 0.4)
    torch.testing.assert_close(softened(plain), plain)


class Elsewhere(torch.Tensor):
    """Pixels on a device that has no antialiased resizing, as MPS before PyTorch 2.8."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.interpolate and kwargs.get("antialias"):
            raise NotImplementedError("The operator 'aten::_upsample_bicubic2d_aa.out' is not implemented")
        result = super().__torch_function__(func, types, args, kwargs or {})
        return result.as_subclass(torch.Tensor) if func is torch.Tensor.cpu else result


def test_a_device_without_antialiased_resizing() -> None:
    picture = to_float(noise(60, 50))
    elsewhere, pair = picture.as_subclass(Elsewhere), to_float(torch.stack([noise(56, 56), noise(56, 56, 1)]))
    with pytest.raises(NotImplementedError):
        torch.nn.functional.interpolate(elsewhere.unsqueeze(0), (9, 9), mode="bicubic", antialias=True)
    assert torch.equal(resize(elsewhere, 32), resize(picture, 32))
    assert smaller(pair).shape == (2, 3, 24, 24)
    assert torch.equal(smaller(pair.as_subclass(Elsewhere)), smaller(pair))
    made = views(elsewhere, 4, 32, seed=3).as_subclass(torch.Tensor)
    assert torch.equal(made, views(picture, 4, 32, seed=3))


def test_the_backbones_input_is_normalised_and_neighbours_change_nothing() -> None:
    pictures = [to_float(noise(height, width, seed=i)) for i, (height, width) in enumerate(SIZES)]
    together = backbone_input(pictures, SPEC)
    assert together.shape == (len(SIZES), 3, 32, 32)
    for picture, row in zip(pictures, together, strict=True):
        assert torch.equal(backbone_input([picture], SPEC)[0], row)
    pixels = torch.tensor([0.5, 0.65, 0.8]).view(3, 1, 1).expand(3, 32, 32)
    given = backbone_input([pixels], SPEC)
    torch.testing.assert_close(given.mean(dim=(0, 2, 3)), torch.tensor([0.0, 1.0, 1.0]))
    assert torch.equal(normalise(pixels, SPEC), given[0])


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_file_and_a_tensor_give_the_same_bits(tmp_path: Path, height: int, width: int) -> None:
    """A picture is trained on as a file and scored as ComfyUI's float tensor [1, H, W, 3]."""
    pixels, path = noise(height, width, seed=9), tmp_path / "picture.png"
    to_pil(pixels).save(path)
    tensor = torch.from_numpy(pixels.permute(1, 2, 0).numpy().astype(np.float32) / 255.0).unsqueeze(0)
    from_file = backbone_input([to_float(read_image(path))], SPEC)
    assert torch.equal(from_file, backbone_input(as_images(tensor), SPEC))
