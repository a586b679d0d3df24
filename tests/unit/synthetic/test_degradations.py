from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ganrm_core.synthetic.degradations import FAULTS, MAX_LOSS, Original, apply_fault, fault_function
from ganrm_core.synthetic.filters import blotches, flatten_texture, gaussian_blur
from ganrm_core.synthetic.ssim import SsimTo
from ganrm_core.utils.errors import DataError, ImageError

STRENGTHS = (0.1, 0.4, 0.7, 1.0)


@pytest.fixture(scope="module")
def textured() -> Tensor:
    """A picture with colour, edges and texture at all scales, not square."""
    generator = torch.Generator().manual_seed(0)
    image = torch.full((3, 128, 160), 0.5)
    for cell, weight in ((40, 0.12), (16, 0.08), (6, 0.06), (2, 0.05)):
        image = image + weight * blotches(3, 128, 160, cell, generator)
    image[:, 30:80, 50:100] *= 0.6
    return image.clamp(0, 1)


@pytest.mark.parametrize("kind", FAULTS)
def test_strength_is_the_same_loss_for_every_kind(kind: str, textured: Tensor) -> None:
    for strength in STRENGTHS:
        faulty = apply_fault(textured, kind, strength, seed=3)
        assert faulty.ssim_loss == pytest.approx(strength * MAX_LOSS, abs=0.01)
        # Any two kinds are then within 0.02 of each other.
        assert SsimTo(textured).loss(faulty.image) == pytest.approx(faulty.ssim_loss, abs=1e-6)


@pytest.mark.parametrize("kind", FAULTS)
def test_loss_grows_with_strength(kind: str, textured: Tensor) -> None:
    losses = [apply_fault(textured, kind, strength, seed=1).ssim_loss for strength in (0.0, *STRENGTHS)]
    assert losses[0] == 0.0
    assert all(later > earlier for earlier, later in pairwise(losses))


@pytest.mark.parametrize("kind", FAULTS)
def test_the_raw_dial_never_turns_back(kind: str, textured: Tensor) -> None:
    # Bisection finds the target only if more amount never means less loss.
    turn, original = (
        fault_function(Original(textured), kind, torch.Generator().manual_seed(5)),
        SsimTo(textured),
    )
    losses = [original.loss(turn(step / 10)) for step in range(11)]
    assert losses[0] == pytest.approx(0, abs=1e-5)
    assert all(later >= earlier - 0.005 for earlier, later in pairwise(losses))
    assert losses[-1] > MAX_LOSS


@pytest.mark.parametrize("kind", FAULTS)
def test_shape_range_and_original_are_kept(kind: str, textured: Tensor) -> None:
    before = textured.clone()
    for strength in (0.0, 0.3, 1.0):
        image = apply_fault(textured, kind, strength, seed=2).image
        assert image.shape == textured.shape
        assert image.dtype == torch.float32
        assert torch.isfinite(image).all()
        assert float(image.min()) >= 0
        assert float(image.max()) <= 1
        assert image.data_ptr() != textured.data_ptr()
    assert torch.equal(before, textured)


@pytest.mark.parametrize("kind", FAULTS)
def test_same_seed_same_picture(kind: str, textured: Tensor) -> None:
    first, again = (apply_fault(textured, kind, 0.5, seed=7) for _ in range(2))
    assert torch.equal(first.image, again.image)
    assert first.ssim_loss == again.ssim_loss
    other = apply_fault(textured, kind, 0.5, seed=8)
    # Smoothing leaves nothing to chance; every other kind must differ between candidates.
    assert torch.equal(first.image, other.image) == (kind == "smooth")


@pytest.mark.parametrize("kind", FAULTS)
def test_flat_picture_tells_what_was_really_lost(kind: str) -> None:
    flat = torch.full((3, 64, 64), 0.5)
    faulty = apply_fault(flat, kind, 1.0, seed=0)
    assert faulty.ssim_loss == pytest.approx(SsimTo(flat).loss(faulty.image), abs=1e-6)
    assert faulty.ssim_loss <= MAX_LOSS + 0.01


def test_smooth_keeps_edges_that_decoder_loses() -> None:
    image = torch.full((3, 96, 96), 0.2)
    image[:, :, 48:] = 0.8
    image += 0.03 * blotches(3, 96, 96, 2, torch.Generator().manual_seed(0))
    steepest = {}
    for kind in ("smooth", "decoder"):
        spoilt = apply_fault(image.clamp(0, 1), kind, 0.9, seed=0).image
        steepest[kind] = float(spoilt[..., 49:51].mean() - spoilt[..., 45:47].mean())
    assert steepest["smooth"] > 0.55
    assert steepest["smooth"] > steepest["decoder"] + 0.1


def test_burnt_clips_and_saturates(textured: Tensor) -> None:
    burnt = apply_fault(textured, "burnt", 1.0, seed=0).image
    clipped = lambda image: float(((image <= 0) | (image >= 1)).float().mean())  # noqa: E731
    colour = lambda image: float((image.amax(0) - image.amin(0)).mean())  # noqa: E731
    assert clipped(burnt) > clipped(textured) + 0.1
    assert colour(burnt) > 1.5 * colour(textured)


def test_decoder_shows_its_eight_pixel_cells(textured: Tensor) -> None:
    change = apply_fault(textured, "decoder", 1.0, seed=0).image - gaussian_blur(textured, 3)
    steps = (change[:, :, 1:] - change[:, :, :-1]).abs().mean(dim=(0, 1))
    at_lines = steps[7::8].mean()
    between = torch.cat([steps[offset::8] for offset in (2, 3, 4)]).mean()
    assert float(at_lines) > 1.2 * float(between)


def test_warp_starts_in_one_place(textured: Tensor) -> None:
    moved = (apply_fault(textured, "warp", 0.2, seed=0).image - textured).abs().amax(0) > 0.02
    assert 0.01 < float(moved.float().mean()) < 0.5


@pytest.mark.parametrize("kind", FAULTS)
def test_small_pictures_work(kind: str) -> None:
    image = torch.rand((3, 32, 40), generator=torch.Generator().manual_seed(0))
    assert apply_fault(image, kind, 0.5, seed=0).image.shape == image.shape


def test_refusals(textured: Tensor) -> None:
    with pytest.raises(DataError, match="noise, smooth, burnt, decoder, warp"):
        apply_fault(textured, "melted", 0.5, seed=0)
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(DataError, match="between 0 and 1"):
            apply_fault(textured, "noise", strength, seed=0)
    for image in (torch.zeros(3, 31, 64), torch.zeros(4, 64, 64), torch.zeros(3, 64, 64, dtype=torch.uint8)):
        with pytest.raises(ImageError, match="32 × 32"):
            apply_fault(image, "noise", 0.5, seed=0)


def test_flatten_texture_leaves_a_step_edge_alone() -> None:
    image = torch.zeros(3, 40, 40)
    image[:, :, 20:] = 1
    assert torch.allclose(flatten_texture(image, 4), image, atol=0.02)
