"""Near-duplicates are grouped, other pictures stay apart."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance
from scipy.sparse.csgraph import connected_components
from unit_support.image_files import encoded

from ganrm_core.data.near_duplicates import THRESHOLD, group_near_duplicates, signature
from ganrm_core.utils.errors import DataError, ImageError


def scene(seed: int, size: int = 240) -> Image.Image:
    """A picture with large shapes and some detail, different for each seed."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(8):
        x, y = random.integers(0, size, 2)
        radius = int(random.integers(size // 20, size // 5))
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture


def tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)


def watermarked(picture: Image.Image) -> Image.Image:
    marked = picture.copy()
    ImageDraw.Draw(marked).text((130, 200), "© the artist", fill="white", font_size=18)
    return marked


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg": lambda picture: Image.open(io.BytesIO(encoded(picture, "JPEG", quality=25))),
    "half size": lambda picture: picture.resize((120, 120), Image.Resampling.BICUBIC),
    "cropped at the left": lambda picture: picture.crop((10, 0, 240, 240)),
    "cropped on all sides": lambda picture: picture.crop((5, 5, 235, 235)),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "watermark": watermarked,
}


@pytest.fixture(scope="module")
def originals() -> np.ndarray:
    return np.stack([signature(tensor(scene(seed))) for seed in range(30)])


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_join_their_original(change: str, originals: np.ndarray) -> None:
    copies = np.stack([signature(tensor(CHANGES[change](scene(seed)))) for seed in range(6)])
    groups = group_near_duplicates(np.concatenate([originals, copies]))
    assert groups.tolist() == [*range(30), *range(6)]


def test_different_pictures_stay_apart(originals: np.ndarray) -> None:
    similarity = originals @ originals.T - np.eye(len(originals))
    assert similarity.max() < THRESHOLD - 0.1
    mirrored = np.stack([signature(tensor(scene(seed)).flip(-1)) for seed in range(12)])
    assert group_near_duplicates(np.concatenate([originals, mirrored])).max() == 41


def test_pictures_of_one_colour_are_known_by_it() -> None:
    def flat(red: int, green: int, blue: int, size: int = 20) -> np.ndarray:
        return signature(tensor(Image.new("RGB", (size, size), (red, green, blue))))

    colours = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (0, 0, 255), (80, 80, 80), (0, 0, 0)]
    signatures = np.stack([flat(*colour) for colour in colours] + [flat(255, 0, 0, 90), flat(253, 2, 1)])
    assert group_near_duplicates(signatures).tolist() == [0, 1, 2, 3, 4, 5, 0, 3, 3]
    noisy = 90 + torch.randint(0, 3, (3, 64, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    signatures = np.stack([flat(91, 91, 91), signature(noisy), signature(noisy.flip(-1))])
    assert group_near_duplicates(signatures).tolist() == [0, 0, 0]


@pytest.mark.parametrize("threshold", [0.3, 0.45, 0.6, 0.99])
def test_groups_are_the_connected_components(threshold: float) -> None:
    # More than two blocks of rows, and chains that cross them.
    vectors = np.random.default_rng(0).normal(size=(1100, 12)).astype(np.float32)
    vectors[:, 0] += 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) * 1.0001
    groups = group_near_duplicates(vectors, threshold)
    expected = connected_components(vectors @ vectors.T >= threshold, directed=False)[1]
    assert groups.dtype == np.int64
    assert groups.tolist() == expected.tolist()


def test_none_one_and_what_is_refused() -> None:
    assert group_near_duplicates(np.zeros((0, 7))).tolist() == []
    assert group_near_duplicates(np.zeros((1, 7))).tolist() == [0]
    for image in (torch.zeros(3, 4, 4), torch.zeros(4, 4, 3, dtype=torch.uint8)):
        with pytest.raises(ImageError, match="uint8 image"):
            signature(image)
    for signatures in (np.zeros(7), np.full((2, 7), np.nan)):
        with pytest.raises(DataError, match="finite signatures"):
            group_near_duplicates(signatures)


def test_a_huge_picture_has_the_signature_of_its_small_copy() -> None:
    small = torch.randint(0, 256, (3, 32, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    huge = small.repeat_interleave(40, 1).repeat_interleave(40, 2)
    assert np.abs(signature(huge) - signature(small)).max() < 0.1
