"""Checks of a LATENT input that holds a single still image."""

from __future__ import annotations

from typing import Any

import comfy.sample
import torch
from torch import Tensor

from ...ganrm_core.utils.errors import DataError

Latent = dict[str, Any]
"""What travels on a LATENT socket: `samples` and optional keys such as `noise_mask` and `batch_index`."""


def single_latent(latent: Latent, model: Any) -> Latent:
    """The one latent that all candidates start from: the first of a batch of equal ones, with its mask.

    `model`: decides the number of channels. Raises DataError for a batch of different latents or masks, and for video.
    """
    samples = latent["samples"]
    if not isinstance(samples, Tensor) or samples.ndim not in (4, 5):
        raise DataError(
            "This latent is no picture. Connect the latent of a picture, such as Empty Latent Image."
        )
    samples = comfy.sample.fix_empty_latent_channels(model, samples, *_downscale_ratios(latent))
    if samples.ndim == 5 and samples.shape[2] > 1:
        raise DataError(
            "This latent is a video. The Best-of-N Sampler makes still pictures: sample videos with KSampler, and "
            "compare them with Best of N, candidate 'each list item'."
        )
    if not _all_equal(samples):
        raise DataError(
            f"The latent holds {len(samples)} different pictures. Every candidate starts from the same one: pick it "
            "with Latent From Batch."
        )
    single = {**latent, "samples": samples[:1]}
    if single.get("batch_index") is not None:
        single["batch_index"] = single["batch_index"][:1]
    mask = single.get("noise_mask")
    if mask is not None and mask.ndim > 2 and len(mask) > 1:
        if not _all_equal(mask):
            raise DataError(
                f"The latent holds {len(mask)} different masks. Every candidate starts from the same one: pick it with "
                "Latent From Batch."
            )
        single["noise_mask"] = mask[:1]
    return single


def _downscale_ratios(latent: Latent) -> list[Any]:
    """What newer hosts' KSampler passes on, so that an empty latent made for another model gets this one's size."""
    ratios = [latent.get("downscale_ratio_spacial"), latent.get("downscale_ratio_temporal")]
    return ratios if any(ratio is not None for ratio in ratios) else []


def _all_equal(batch: Tensor) -> bool:
    return all(torch.equal(batch[0], other) for other in batch[1:])
