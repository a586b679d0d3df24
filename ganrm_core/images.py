"""Picture files to RGB tensors: any format, depth, colour space and orientation, the same way every time."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image, ImageFile
from torch import Tensor

from .colour_profiles import in_srgb
from .errors import ImageError
from .files import shown

MAX_PIXELS = 16384 * 16384
"""The largest picture that is decoded (268,435,456 pixels, about 0.8 GB as a tensor).

Larger sizes are read from the header and refused before any memory is spent. It does not hang on
Pillow's own, global limit; only for WebP and TIFF can that one, if lower, refuse a picture earlier.
"""

MID_GREY = 128
"""What shows through transparent pixels (0–255)."""

# What is tried, by content. A fixed list, because Pillow's full one starts outside programs (EPS), guesses
# wildly (TGA has no signature) and decodes cut-short JPEG 2000 and ICO files without a word. HEIF and JXL
# are there once their Pillow plug-in is loaded.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "JXL", "PPM", "QOI")

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112

Pixels = np.ndarray[Any, Any]


class UnreadableImageError(ImageError):
    """A picture file that cannot be used. `reason` is the short form, without file and advice."""

    def __init__(self, path: str | os.PathLike[str], reason: str, advice: str) -> None:
        super().__init__(f"Cannot read the picture {shown(path)}: {reason}. {advice}.")
        self.reason = reason


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """The picture in `path` as uint8 [3, H, W], sRGB, 0–255.

    The content decides the format, not the name. EXIF orientation is applied, an embedded colour
    profile is converted to sRGB (a broken one is ignored), transparency is laid over mid-grey, 16-bit
    greys are scaled, an animation gives its first frame. Reads no and changes no global setting that
    could alter the result, so it may run in several threads. Raises `ImageError` for a file that is
    missing, unreadable, empty, no picture, damaged, cut short or larger than `MAX_PIXELS`.
    """
    with _open_file(path) as source:
        try:
            return _as_tensor(_decoded(source, path), path)
        except MemoryError as error:
            raise UnreadableImageError(
                path, "there is not enough memory to decode it", "Save it in a smaller size"
            ) from error


def to_float(image: Tensor) -> Tensor:
    """uint8 of any shape → float32 of the same shape, 0–1."""
    if image.dtype != torch.uint8:
        raise ImageError(f"Expected a uint8 image (0–255), got {image.dtype}. Pass the output of read_image.")
    return image.to(torch.float32) / 255.0


def to_pil(image: Tensor) -> Image.Image:
    """uint8 [3, H, W] → a PIL picture."""
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


class _Source(io.BufferedReader):
    """Remembers whether a decoder asked for more than there is.

    Pillow has a process-wide switch that makes it hand out cut-short pictures silently, and other
    programs in the same process do turn it on. This notices regardless of the switch.
    """

    ran_dry = False
    cut_off = False

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size is not None and size > 0:
            self.ran_dry |= not data
            self.cut_off |= len(data) < size
        return data


def _open_file(path: str | os.PathLike[str]) -> _Source:
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableImageError(path, "it is a folder", "Choose a picture file")
        # Opening a pipe would wait for ever.
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError(path, "it is not an ordinary file", "Choose a picture file")
        if status.st_size == 0:
            raise UnreadableImageError(
                path, "the file is empty (0 bytes)", "Save or download it again, or remove it"
            )
        return _Source(io.FileIO(path, "rb"))
    except OSError as error:
        _raise_os_error(error, path)
    except ValueError as error:  # a NUL character in the name
        raise UnreadableImageError(path, "its name is not a valid path", "Choose a picture file") from error


def _raise_os_error(error: OSError, path: str | os.PathLike[str]) -> NoReturn:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        reason, advice = "it is not there (any more)", "Put it back, or read the folder again"
    elif error.errno in (errno.EACCES, errno.EPERM):
        reason, advice = "you have no permission to read it", "Change the permissions of the file"
    elif error.errno == errno.ELOOP:
        reason, advice = "it is a link that leads back to itself", "Remove the link"
    else:
        reason, advice = error.strerror or str(error), "Check the disk and the file"
    raise UnreadableImageError(path, reason, advice) from error


def _decoded(source: _Source, path: str | os.PathLike[str]) -> Image.Image:
    """The loaded first frame, turned upright."""
    try:
        picture = _identified(source, path)
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise UnreadableImageError(
                path,
                f"{width} × {height} pixels are more than the {MAX_PIXELS:,} that are decoded",
                "Save it in a smaller size",
            )
        source.ran_dry = source.cut_off = False
        picture.load()
        if source.cut_off if picture.format == "PNG" else source.ran_dry:
            raise EOFError("the decoder ran out of data")
        if picture.format == "PNG" and ImageFile.LOAD_TRUNCATED_IMAGES:
            _verify_png(source)
        return _upright(picture)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(
            path, "it has more pixels than Pillow decodes in this format", "Save it in a smaller size"
        ) from error
    except Exception as error:  # decoders raise anything: OSError, SyntaxError, ValueError, struct.error…
        raise UnreadableImageError(
            path,
            f"the file is damaged or cut short ({_one_line(error)})",
            "Save or download it again, or remove it",
        ) from error


def _identified(source: _Source, path: str | os.PathLike[str]) -> ImageFile.ImageFile:
    """The picture with only its header read.

    Pillow's own `open` is not used: its size limit is a global that may refuse what is allowed here,
    or have been switched off.
    """
    Image.init()
    start = source.read(32)
    problem: Exception | None = None
    for name in _FORMATS:
        if name not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[name]
        match = accept(start[:16]) if accept else True
        if not match or isinstance(match, str):  # a text says why this Pillow cannot read the format
            continue
        source.seek(0)
        try:
            # An empty name keeps Pillow from mapping the file, which could change under it.
            return factory(source, "")
        except (SyntaxError, IndexError, TypeError, KeyError, EOFError, ValueError, OSError) as error:
            problem = problem or error
    if problem is not None:
        raise problem
    raise UnreadableImageError(path, *_what_it_is_instead(start))


def _what_it_is_instead(start: bytes) -> tuple[str, str]:
    brand = start[8:12] if start[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "HEIC/HEIF pictures need the Python package pillow-heif", "Install it, or save as PNG or JPEG"
    if brand == b"avif":
        return "AVIF pictures need Pillow 11.3 or later", "Update Pillow, or save as PNG or JPEG"
    if start.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")):
        return "JPEG XL pictures need a Pillow plug-in", "Install one, or save as PNG or JPEG"
    if brand or start.startswith(b"\x1a\x45\xdf\xa3"):
        return "it is a video, not a picture", "Save its frames as pictures"
    return "it is not a picture in a known format", "Save it as PNG, JPEG or WebP, or remove it"


def _verify_png(source: _Source) -> None:
    # With the switch on, Pillow overlooks damaged data too; the checksums do not.
    source.seek(0)
    Image.OPEN["PNG"][0](source, "").verify()


def _upright(picture: Image.Image) -> Image.Image:
    try:
        orientation = picture.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # EXIF of any brokenness must not cost the picture
        return picture
    operation = _TRANSPOSE.get(orientation) if isinstance(orientation, int) else None
    if operation is None:
        return picture
    turned = picture.transpose(operation)
    turned.info = picture.info
    return turned


def _as_tensor(picture: Image.Image, path: str | os.PathLike[str]) -> Tensor:
    colour, alpha = _colour_and_alpha(picture, path)
    try:
        rgb = in_srgb(colour, picture.info.get("icc_profile"))
    except (ValueError, OSError) as error:
        raise UnreadableImageError(
            path, f"its colour mode {picture.mode} is not known", "Save it as PNG or JPEG"
        ) from error
    if alpha is not None and alpha.getextrema() != (255, 255):
        flat = Image.new("RGB", rgb.size, (MID_GREY,) * 3)
        flat.paste(rgb, mask=alpha)
        rgb = flat
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous()


def _colour_and_alpha(
    picture: Image.Image, path: str | os.PathLike[str]
) -> tuple[Image.Image, Image.Image | None]:
    """8-bit colour (still in the picture's own colour space) and the opacity, if it has one."""
    mode = picture.mode
    if mode.startswith("I;16"):
        values = np.asarray(picture)
        return _eight_bit(values / np.float32(257.0)), _keyed_out(values, picture.info)
    if mode == "I":
        return _eight_bit(_integers(np.asarray(picture), path)), None
    if mode == "F":
        return _eight_bit(_floats(np.asarray(picture), path)), None
    if mode == "PA" or ("transparency" in picture.info and mode in ("1", "L", "P", "RGB")):
        picture = picture.convert("RGBA")
    elif mode == "La":
        picture = picture.convert("LA")
    elif mode == "RGBa":
        picture = picture.convert("RGBA")
    elif mode == "P":
        picture = picture.convert("RGB")
    elif mode == "1":
        picture = picture.convert("L")
    if picture.mode in ("RGBA", "LA"):
        return picture.convert(picture.mode[:-1]), picture.getchannel("A")
    return picture, None


def _integers(values: Pixels, path: str | os.PathLike[str]) -> Pixels:
    # A 32-bit file says nothing about its range: scanners and scientific cameras put 8 or 16 bits in it.
    highest = int(values.max())
    if highest > 65535:
        raise UnreadableImageError(
            path, f"its 32-bit values reach {highest}, which is no known range", "Save it with 16 or 8 bits"
        )
    scaled: Pixels = np.divide(values, 257.0 if highest > 255 else 1.0, dtype=np.float32)
    return scaled


def _floats(values: Pixels, path: str | os.PathLike[str]) -> Pixels:
    lowest, highest = float(values.min()), float(values.max())
    if not np.isfinite([lowest, highest]).all():
        raise UnreadableImageError(path, "it holds values that are not numbers", "Save it as PNG")
    # Floats run to 1 (a little more after sharpening), 255 or 65535.
    for limit, scale in ((2.0, 255.0), (255.0, 1.0), (65535.0, 1 / 257.0)):
        if lowest >= -65535.0 and highest <= limit:
            scaled: Pixels = np.multiply(values, scale, dtype=np.float32)
            return scaled
    raise UnreadableImageError(
        path,
        f"its values run from {lowest:g} to {highest:g}, which is no known range",
        "Save it with 16 or 8 bits",
    )


def _eight_bit(values: Pixels) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _keyed_out(values: Pixels, info: dict[Any, Any]) -> Image.Image | None:
    transparent = info.get("transparency")
    if not isinstance(transparent, int):
        return None
    return Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
