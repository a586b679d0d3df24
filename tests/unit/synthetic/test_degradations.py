from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganrm_core.synthetic.degradations import FAULTS, MAX_LOSS, Original, apply_fault
from ganrm_core.synthetic.filters import blotches
from ganrm_core.synthetic.ssim import SsimTo
from ganrm_core.utils.errors import DataError, ImageError

every_kind = pytest.mark.parametrize("kind", FAULTS)


@pytest.fixture(scope="module")
def textured() -> Tensor:
    """A picture with colour, edges and texture at all scales, not square."""
    generator = torch.Generator().manual_seed(0)
    image = torch.full((3, 96, 128), 0.5)
    for cell, weight in ((40, 0.12), (16, 0.08), (6, 0.06), (2, 0.05)):
        image = image + weight * blotches(3, 96, 128, cell, generator)
    image[:, 20:70, 40:90] *= 0.6
    return image.clamp(0, 1)


@every_kind
def test_strength_is_the_same_loss_for_every_kind(kind: str, textured: Tensor) -> None:
    before, original = textured.clone(), Original(textured)
    for strength in (0.0, 0.1, 0.4, 1.0):
        faulty = original.degraded(kind, strength, seed=3)
        # Any two kinds are then within 0.02 of each other.
        assert faulty.ssim_loss == pytest.approx(strength * MAX_LOSS, abs=0.01)
        assert SsimTo(textured).loss(faulty.image) == pytest.approx(faulty.ssim_loss, abs=1e-6)
        assert faulty.image.shape == textured.shape
        assert faulty.image.dtype == torch.float32
        assert ((faulty.image >= 0) & (faulty.image <= 1)).all()
        assert faulty.image.data_ptr() != textured.data_ptr()
    assert torch.equal(before, textured)


@every_kind
def test_the_seed_decides(kind: str) -> None:
    image = torch.rand((3, 32, 40), generator=torch.Generator().manual_seed(0))  # the smallest there may be
    first, again, other = (apply_fault(image, kind, 0.5, seed) for seed in (7, 7, 8))
    assert torch.equal(first.image, again.image)
    assert first.ssim_loss == again.ssim_loss
    # Smoothing is not random; every other kind must differ between candidates.
    assert torch.equal(first.image, other.image) == (kind == "smooth")


def test_a_flat_picture_says_what_was_really_lost() -> None:
    flat = torch.full((3, 64, 64), 0.5)
    faulty = apply_fault(flat, "smooth", 1.0, seed=0)
    assert faulty.ssim_loss == pytest.approx(SsimTo(flat).loss(faulty.image), abs=1e-6)
    assert faulty.ssim_loss <= MAX_LOSS + 0.01


def test_refusals(textured: Tensor) -> None:
    with pytest.raises(DataError, match="noise, smooth, burnt, decoder, warp"):
        apply_fault(textured, "melted", 0.5, seed=0)
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(DataError, match="between 0 and 1"):
            apply_fault(textured, "noise", strength, seed=0)
    for image in (torch.zeros(3, 31, 64), torch.zeros(4, 64, 64), torch.zeros(3, 64, 64, dtype=torch.uint8)):
        with pytest.raises(ImageError, match="32 × 32"):
            apply_fault(image, "noise", 0.5, seed=0)
