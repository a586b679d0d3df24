from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganrm_core.backbones.base import BackboneSpec, Tap
from ganrm_core.data.augmentation import views
from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.data.image_tensors import as_images
from ganrm_core.data.transforms import resize
from ganrm_core.rewards.discriminator.preprocessing import backbone_input, normalise
from ganrm_core.rewards.discriminator.readout import SecondLook

SPEC = BackboneSpec(
    family="none",
    name="none",
    weights_sha256="0" * 64,
    input_size=32,
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.25, 0.5),
    taps=(Tap("a", 4),),
    embedding="a",
)
SIZES = [(1, 1), (1, 50), (50, 1), (32, 32), (31, 33), (64, 48), (300, 200), (7, 500)]


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


class TestResize:
    @pytest.mark.parametrize(("height", "width"), SIZES)
    def test_shape_and_range(self, height: int, width: int) -> None:
        # Black and white noise, where a bicubic kernel overshoots most.
        picture = (noise(height, width) > 127).float()
        resized = resize(picture, 32)
        assert resized.shape == (3, 32, 32)
        assert resized.min() >= 0
        assert resized.max() <= 1

    def test_does_not_write_into_its_input(self) -> None:
        picture = to_float(noise(40, 40))
        before = picture.clone()
        resize(picture, 32)
        assert torch.equal(picture, before)

    def test_the_right_size_passes_untouched(self) -> None:
        picture = to_float(noise(32, 32))
        assert torch.equal(resize(picture, 32), picture)

    @pytest.mark.parametrize("size", [(1, 1), (1, 50), (90, 3)])
    def test_a_plain_colour_stays_that_colour(self, size: tuple[int, int]) -> None:
        colour = torch.tensor([0.0, 0.3, 1.0]).view(3, 1, 1)
        torch.testing.assert_close(resize(colour.expand(3, *size), 32), colour.expand(3, 32, 32))

    @pytest.mark.parametrize(("height", "width"), [(64, 64), (200, 300), (333, 77), (500, 40)])
    def test_downscaling_equals_pillow(self, height: int, width: int) -> None:
        picture = noise(height, width, seed=5)
        # As floats: on bytes Pillow rounds and clips between its two passes.
        channels = [Image.fromarray(channel.numpy()) for channel in to_float(picture)]
        pillow = [np.array(channel.resize((32, 32), Image.Resampling.BICUBIC)) for channel in channels]
        expected = torch.from_numpy(np.stack(pillow)).clamp(0, 1)
        assert (resize(to_float(picture), 32) - expected).abs().max() <= 1e-5

    def test_downscaling_a_smooth_picture_equals_pillow_on_bytes(self) -> None:
        rows, columns = torch.meshgrid(torch.arange(200), torch.arange(300), indexing="ij")
        picture = torch.stack([rows, columns * 255 // 300, (rows + columns) // 2]).to(torch.uint8)
        pillow = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((32, 32), Image.Resampling.BICUBIC)
        expected = to_float(torch.from_numpy(np.array(pillow)).permute(2, 0, 1))
        assert (resize(to_float(picture), 32) - expected).abs().max() <= 1 / 255

    def test_downscaling_does_not_alias(self) -> None:
        stripes = (torch.arange(320) % 2).float().expand(3, 320, 320)
        assert (resize(stripes, 32)[:, :, 2:-2] - 0.5).abs().max() < 0.02


class Elsewhere(torch.Tensor):
    """Pixels on a device that has no antialiased resizing, as MPS before PyTorch 2.8."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.interpolate and kwargs.get("antialias"):
            raise NotImplementedError("The operator 'aten::_upsample_bicubic2d_aa.out' is not implemented")
        result = super().__torch_function__(func, types, args, kwargs or {})
        return result.as_subclass(torch.Tensor) if func is torch.Tensor.cpu else result


class TestADeviceWithoutAntialiasedResizing:
    def test_the_stand_in_lacks_it(self) -> None:
        pixels = to_float(noise(40, 50)).as_subclass(Elsewhere).unsqueeze(0)
        with pytest.raises(NotImplementedError):
            torch.nn.functional.interpolate(pixels, (9, 9), mode="bicubic", antialias=True)

    def test_resize(self) -> None:
        picture = to_float(noise(40, 50))
        assert torch.equal(resize(picture.as_subclass(Elsewhere), 32), resize(picture, 32))

    def test_second_look(self) -> None:
        pixels = to_float(torch.stack([noise(56, 56, seed) for seed in range(3)]))
        look = SecondLook("smaller", ("a",))
        assert torch.equal(look.changed(pixels.as_subclass(Elsewhere)), look.changed(pixels))

    def test_views(self) -> None:
        picture = to_float(noise(60, 50))
        seen = views(picture.as_subclass(Elsewhere), 4, 32, seed=3)
        assert torch.equal(seen.as_subclass(torch.Tensor), views(picture, 4, 32, seed=3))


class TestBackboneInput:
    def test_neighbours_change_nothing(self) -> None:
        pictures = [to_float(noise(height, width, seed=i)) for i, (height, width) in enumerate(SIZES)]
        together = backbone_input(pictures, SPEC)
        assert together.shape == (len(SIZES), 3, 32, 32)
        for picture, row in zip(pictures, together, strict=True):
            assert torch.equal(backbone_input([picture], SPEC)[0], row)
        backwards = backbone_input(pictures[::-1], SPEC)
        assert torch.equal(backwards.flip(0), together)

    def test_normalises_each_channel(self) -> None:
        pixels = torch.tensor([0.5, 0.65, 0.8]).view(3, 1, 1).expand(3, 32, 32)
        given = backbone_input([pixels], SPEC)
        torch.testing.assert_close(given.mean(dim=(0, 2, 3)), torch.tensor([0.0, 1.0, 1.0]))
        assert torch.equal(normalise(pixels, SPEC), given[0])

    @pytest.mark.parametrize(("height", "width"), SIZES)
    def test_a_file_and_a_tensor_give_the_same_bits(self, tmp_path: Path, height: int, width: int) -> None:
        """A picture is trained on as a file and scored as ComfyUI's float tensor [1, H, W, 3]."""
        pixels = noise(height, width, seed=9).permute(1, 2, 0).contiguous().numpy()
        path = tmp_path / "picture.png"
        Image.fromarray(pixels).save(path)
        tensor = torch.from_numpy(pixels.astype(np.float32) / 255.0).unsqueeze(0)
        from_file = backbone_input([to_float(read_image(path))], SPEC)
        from_tensor = backbone_input(as_images(tensor), SPEC)
        from_batch = backbone_input(as_images(torch.cat([tensor, 1 - tensor])), SPEC)
        assert torch.equal(from_file, from_tensor)
        assert torch.equal(from_file[0], from_batch[0])
