"""Normalisation of image tensors and arrays (any layout, batch or list) to float32 [3, H, W] in 0–1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..utils.errors import ImageError

MID_GREY = 128 / 255
"""Background of transparent pixels: the same grey as for files, where it is 128 of 255."""

OVERSHOOT = 0.5
"""How far values may lie beyond 0–1 and still be clipped as overshoot of a resize.

ComfyUI's own *Upscale Image* does not clip: on photographs its bicubic gives about −0.06 to 1.07, and on checkers
of two pixels, where such a kernel overshoots most, −0.45 to 1.45. Other ranges go further, and do so all over the
picture: −1 to 1 in its dark quarter, latents everywhere, 0–255 wherever it is not black. So a picture is refused only
where more than one in a thousand values lie beyond: sparks of sharpening or of a scene's lights are fewer.
"""

_RARE = 1e-3

ImageArray = Tensor | np.ndarray[Any, Any]


def as_images(images: ImageArray | Sequence[ImageArray], *, flatten: bool = False) -> list[Tensor]:
    """One float32 [3, H, W] in 0–1 per image: grey repeated, alpha blended over mid-grey.

    `images` is a float tensor or array, [B, H, W, C] or [H, W, C] with C 1, 3 or 4, or [B, 3, H, W] or
    [3, H, W]; or a list of such with sizes of their own. Where both layouts fit (such as [B, 3, H, 3]),
    channels-last wins. A list item is one image ([1, …] too); with `flatten`, an item that is a batch
    gives all its images. Values outside 0–1 are clipped, as saving does. The results stay on the device
    of the input and may share its memory: do not write into them.

    Raises `ImageError`, naming the image, for NaN or infinity, another range (see `OVERSHOOT`), whole
    numbers (0–255), a wrong shape, or no image at all.
    """
    if isinstance(images, (Tensor, np.ndarray)):
        batches = [_channels_first(_as_tensor(images, ""), "")]
    else:
        batches = [_item(image, _name(index, len(images)), flatten) for index, image in enumerate(images)]
    total = sum(len(batch) for batch in batches)
    if total == 0:
        raise ImageError("There are no images (an empty batch or list). Connect at least one image.")
    result: list[Tensor] = []
    for batch in batches:
        checked = _in_range(batch, len(result), total)
        result.extend(_rgb(checked).unbind(0))
    return result


def over_mid_grey(rgb: Tensor, alpha: Tensor) -> Tensor:
    """Blend `rgb` [..., 3, H, W] over mid-grey by `alpha` [..., 1, H, W], all 0–1."""
    return rgb * alpha + MID_GREY * (1 - alpha)


def as_image(image: ImageArray, index: int, count: int) -> Tensor:
    """One image of a list, as by `as_images`; errors name it as the one at `index` of `count`."""
    batch = _item(image, _name(index, count), flatten=False)
    return _rgb(_in_range(batch, index, count))[0]


def _item(image: ImageArray, where: str, flatten: bool) -> Tensor:
    batch = _channels_first(_as_tensor(image, where), where)
    if len(batch) != 1 and not flatten:
        raise ImageError(
            f"{where} is a batch of {len(batch)} images, but one image is expected here. Split the batch, "
            "or treat each list item as one clip."
        )
    return batch


def _as_tensor(image: ImageArray, where: str) -> Tensor:
    what = where or "The image tensor"
    if isinstance(image, np.ndarray):
        if image.dtype.kind not in "fiub":
            raise ImageError(
                f"{what} holds {image.dtype} values. Pass floating-point values between 0 and 1."
            )
        # A copy where PyTorch cannot wrap the array (negative strides, foreign byte order, read-only).
        native = np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("="))
        image = torch.from_numpy(native if native.flags.writeable else native.copy())
    if not isinstance(image, Tensor):
        raise ImageError(
            f"{what} is a {type(image).__name__}, not an image. Pass a float tensor [B, H, W, C] with values "
            "between 0 and 1."
        )
    if not image.is_floating_point():
        raise ImageError(
            f"{what} holds whole numbers ({image.dtype}). Convert it to floating point and divide by 255, "
            "so that its values lie between 0 and 1."
        )
    return image


def _channels_first(image: Tensor, where: str) -> Tensor:
    """[B, C, H, W] with C 1, 3 or 4, as a view."""
    shape = tuple(image.shape)
    what = where or "The image tensor"
    if image.ndim not in (3, 4):
        raise ImageError(
            f"{what} has the shape {shape}. Pass [B, H, W, C], [H, W, C], [B, 3, H, W] or [3, H, W]; "
            "give a mask a last axis of 1."
        )
    batch = image if image.ndim == 4 else image.unsqueeze(0)
    if batch.shape[-1] in (1, 3, 4):
        batch = batch.permute(0, 3, 1, 2)
    elif batch.shape[1] != 3:
        raise ImageError(
            f"{what} has the shape {shape}, in which no axis holds 1, 3 or 4 colour channels. Pass "
            "[B, H, W, C] or [B, 3, H, W]."
        )
    if 0 in batch.shape[1:]:
        raise ImageError(f"{what} has the shape {shape}, so it has no pixels. Leave it out.")
    return batch


def _in_range(batch: Tensor, first: int, total: int) -> Tensor:
    """`batch` as float32, clipped to 0–1. A valid batch costs one pass."""
    batch = batch.float()
    if len(batch) == 0:
        return batch
    # With a NaN both are NaN, and the comparisons below fail.
    lowest, highest = (float(value) for value in torch.aminmax(_in_memory_order(batch.detach())))
    if lowest >= 0 and highest <= 1:
        return batch
    if not (lowest >= -OVERSHOOT and highest <= 1 + OVERSHOOT):
        for offset, image in enumerate(batch.detach()):
            _check_range(image, _name(first + offset, total))
    return batch.clamp(0, 1)


def _check_range(image: Tensor, where: str) -> None:
    low, high = (float(value) for value in torch.aminmax(image))
    if low >= -OVERSHOOT and high <= 1 + OVERSHOOT:
        return
    beyond = (image < -OVERSHOOT) | (image > 1 + OVERSHOOT)
    if not torch.isfinite(image).all() or float(beyond.float().mean()) > _RARE:
        raise ImageError(_out_of_range(image, low, high, where))


def _in_memory_order(batch: Tensor) -> Tensor:
    """The same values, channels-last where they lie so in memory: sixteen times as fast to reduce."""
    channels_last = batch.permute(0, 2, 3, 1)
    return channels_last if channels_last.is_contiguous() else batch


def _out_of_range(image: Tensor, low: float, high: float, where: str) -> str:
    if not torch.isfinite(image).all():
        kind = "NaN" if torch.isnan(image).any() else "infinite"
        return (
            f"{where} holds {kind} values. It was spoilt where it was made: for a VAE, decode in full "
            "precision (fp32), and leave this image out."
        )
    if low < -OVERSHOOT:
        advice = "If it is a latent, decode it with a VAE; if it runs from -1 to 1, shift and scale it, (x + 1) / 2."
    else:
        advice = "Divide it by 255." if high > 2 else "Clamp it to 0–1."
    return f"{where} has values from {low:.4g} to {high:.4g}, but 0 to 1 is expected. {advice}"


def _rgb(batch: Tensor) -> Tensor:
    channels = batch.shape[1]
    if channels == 4:
        return over_mid_grey(batch[:, :3], batch[:, 3:])
    return batch.expand(-1, 3, -1, -1) if channels == 1 else batch


def _name(index: int, count: int) -> str:
    return f"Image {index + 1} of {count} (index {index})"
