"""Preprocessing of published judges, against the libraries they were published with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from unit_support.tiny_judges import pictures

from ganrm_core.rewards.picture_transform import OPENAI_MEAN, OPENAI_STD, PictureTransform

SIZES = ((40, 57), (64, 33), (32, 32), (21, 90), (35, 32))
SIDE = 32


@pytest.mark.parametrize("size", SIZES)
class TestAgainstUpstream:
    def test_crop_is_that_of_transformers(self, size: tuple[int, int]) -> None:
        processor = clip_processor()
        expected = torch.as_tensor(processor(pil(size))["pixel_values"][0])
        assert torch.equal(PictureTransform(SIDE, fit="crop")(picture(size)), expected)

    def test_rounded_crop_is_that_of_openai_and_open_clip(self, size: tuple[int, int]) -> None:
        open_clip = pytest.importorskip("open_clip")
        expected = open_clip.image_transform(SIDE, is_train=False, mean=OPENAI_MEAN, std=OPENAI_STD)(
            pil(size)
        )
        ours = PictureTransform(SIDE, fit="crop, rounded")(picture(size))
        assert torch.allclose(ours, expected, atol=1e-6)

    def test_squash_is_that_of_siglip(self, size: tuple[int, int]) -> None:
        transformers = pytest.importorskip("transformers")
        processor = transformers.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}, resample=2)
        half = (0.5, 0.5, 0.5)
        expected = torch.as_tensor(processor(pil(size))["pixel_values"][0])
        ours = PictureTransform(SIDE, half, half, "squash", Image.Resampling.BILINEAR)(picture(size))
        assert torch.allclose(ours, expected, atol=1e-6)

    def test_padding_is_that_of_hps(self, size: tuple[int, int]) -> None:
        """Its ResizeMaxSize, written out with torchvision's functions."""
        functional = pytest.importorskip("torchvision.transforms.functional")
        image = picture(size)
        height, width = size
        scale = SIDE / max(size)
        if scale != 1:
            new = [round(height * scale), round(width * scale)]
            image = functional.resize(image, new, functional.InterpolationMode.BICUBIC)
            down, right = SIDE - new[0], SIDE - new[1]
            image = functional.pad(image, [right // 2, down // 2, right - right // 2, down - down // 2])
        expected = functional.normalize(image, OPENAI_MEAN, OPENAI_STD)
        assert torch.allclose(PictureTransform(SIDE, fit="pad")(picture(size)), expected, atol=1e-6)


def test_a_picture_counts_as_its_eight_bit_file() -> None:
    transform = PictureTransform(SIDE)
    exact = picture((40, 57))
    assert torch.equal(transform(exact + 0.4 / 255), transform(exact))


def picture(size: tuple[int, int]) -> Tensor:
    return pictures(size)[0].permute(2, 0, 1)


def pil(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray((pictures(size)[0] * 255).round().byte().numpy())


def clip_processor() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
