"""The kinds of picture a reward accepts: tensors, files, PIL images, and lists that mix them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from ganrm_core.data.image_io import from_pil, read_image, to_float
from ganrm_core.rewards.base import each_of, how_many, opened
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.selection.best_of_n import best_of_n
from ganrm_core.utils.errors import ImageError


def pixels(height: int = 20, width: int = 30, count: int = 3, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, count), dtype=np.uint8)


RGB, RGBA = Image.fromarray(pixels()), Image.fromarray(pixels(count=4))
EXIF = Image.Exif()
EXIF[0x0112] = 6  # turned by 90°
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PIL_IMAGES: dict[str, tuple[Image.Image, dict[str, Any]]] = {
    "rgb": (RGB, {}),
    "grey": (RGB.getchannel(0), {}),
    "alpha": (RGBA, {}),
    "grey and alpha": (RGBA.convert("LA"), {}),
    "1 bit": (RGB.convert("1"), {}),
    "16 bits": (Image.fromarray(pixels()[..., 0].astype(np.uint16) * 257 + 100), {}),
    "palette": (RGB.quantize(16), {}),
    "palette, one transparent": (RGB.quantize(8), {"transparency": 3}),
    "turned": (RGB, {"exif": EXIF.tobytes()}),
    "profile": (RGB.getchannel(0), {"icc_profile": SRGB}),
}


@pytest.mark.parametrize("name", PIL_IMAGES)
def test_a_pil_image_gives_the_pixels_of_the_saved_file(name: str, tmp_path: Path) -> None:
    picture = PIL_IMAGES[name][0].copy()
    picture.info |= PIL_IMAGES[name][1]
    before, info = picture.tobytes(), dict(picture.info)
    path = tmp_path / "a.png"
    kept = {key: info[key] for key in ("exif", "icc_profile", "transparency") if key in info}
    picture.save(path, **kept)
    expected = read_image(path)
    assert torch.equal(from_pil(picture), expected)
    with Image.open(path) as lazy:
        assert torch.equal(opened(lazy), to_float(expected))
        assert torch.equal(opened(lazy), to_float(expected)), "it is left as it was"
    assert (picture.tobytes(), picture.info) == (before, info)


def test_every_kind_of_picture_scores_the_same(untrained_model: Any, tiny_file: Path, tmp_path: Path) -> None:
    model: RewardModel = untrained_model(f"file:{tiny_file}")
    several = [Image.fromarray(pixels(40 + 9 * seed, 50, seed=seed)) for seed in range(3)]
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for picture, path in zip(several, paths, strict=True):
        picture.save(path)
    tensors = [torch.from_numpy(np.array(picture)).float() / 255 for picture in several]
    expected = model.score(paths).logit
    mixed = ([several[0], paths[1], tensors[2]], [str(paths[0]), tensors[1], several[2]])
    for images in (several, tuple(several), tensors, *mixed):
        assert torch.equal(model.score(images).logit, expected)
        assert how_many(images) == 3
    for one in (several[1], paths[1], str(paths[1]), [several[1]]):
        assert model.score(one).logit == pytest.approx(expected[1:2], abs=1e-5)
        assert how_many(one) == 1
    both = CombinedReward([model, model])
    assert len(both.score(several[0])) == 1
    assert len(both.score([several[0], paths[1]])) == 2
    assert best_of_n(model, several).kept == (int(expected.argmax()),)


def test_a_bad_picture_in_a_mixed_list_is_named() -> None:
    good = Image.fromarray(pixels())
    for bad, message in (
        (torch.full((4, 4, 3), float("nan")), r"Image 2 of 3 \(index 1\) holds NaN"),
        (torch.zeros(2, 4, 4, 3), r"Image 2 of 3 \(index 1\) is a batch of 2"),
        (None, r"Image 2 of 3 \(index 1\) is a NoneType"),
        (torch.zeros(0, 4, 4, 3), r"Image 2 of 3 \(index 1\) is a batch of 0"),
    ):
        with pytest.raises(ImageError, match=message):
            each_of([good, bad, good])


def test_every_unreadable_file_is_named_at_once(
    untrained_model: Any, tiny_file: Path, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    Image.fromarray(pixels()).save(paths[1])
    for path in (paths[0], paths[2]):
        path.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"(?s)0\.png.*2\.png"):
        untrained_model(f"file:{tiny_file}").score(paths)
