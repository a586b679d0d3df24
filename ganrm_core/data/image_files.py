"""Opening picture files: format detection by content, strict decoding, and errors that name the file."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from PIL import Image, ImageFile

from ..utils.errors import ImageError
from ..utils.files import shown
from .format_plugins import missing_plugin, plugin_format, prepare
from .png_chunks import PngWithoutText
from .tiff_layouts import TiffLayout, layout_in, layout_of

# Formats tried, by content. A fixed list, because Pillow's full one starts external programs (EPS), guesses
# (TGA has no signature) and decodes truncated JPEG 2000 and ICO files silently. HEIF and JXL are available once
# their Pillow plug-in is loaded.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "JXL", "PPM", "QOI")

_UNREAD_PNM = {b"P7": "PAM (P7)", b"PF": "colour PFM (PF)", b"Pf": "PFM (Pf)"}
_SMALLER = "Save it in a smaller size"


class UnreadableImageError(ImageError):
    """A picture that cannot be used. `reason` is the short form, without file and advice."""

    def __init__(self, path: str | os.PathLike[str], reason: str, advice: str) -> None:
        super().__init__(f"Cannot read the picture {shown(path)}: {reason}. {advice}.")
        self.reason = reason


@contextmanager
def readable(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn decoder errors into UnreadableImageError naming `path`; ImageError and MemoryError pass."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(
            path, "it has more pixels than Pillow decodes in this format", _SMALLER
        ) from error
    except Exception as error:  # decoders raise anything: OSError, SyntaxError, ValueError, struct.error…
        raise UnreadableImageError(
            path,
            f"the file is damaged or cut short ({_one_line(error)})",
            "Save or download it again, or remove it",
        ) from error


class PictureSource(io.BufferedReader):
    """File reader that notices when a decoder asks for more data than there is.

    Pillow has a process-wide switch (LOAD_TRUNCATED_IMAGES) that makes it return truncated pictures silently, and
    other code in the same process does turn it on. This check does not depend on it.
    """

    ran_dry = False
    cut_off = False

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size is not None and size > 0:
            self.ran_dry |= not data
            self.cut_off |= len(data) < size
        return data


@dataclass(frozen=True)
class PictureFile:
    """A picture file whose header is parsed; pixels are decoded by `load`.

    `image.info` has a PNG's texts only as far as they hold EXIF.
    """

    image: ImageFile.ImageFile
    _source: PictureSource
    _png: PngWithoutText | None

    def load(self) -> Image.Image:
        """Decode the first frame. Raises anything for a damaged or truncated file."""
        source, image = self._source, self.image
        source.ran_dry = source.cut_off = False
        image.load()
        if source.cut_off if self._png else source.ran_dry:
            raise EOFError("the decoder ran out of data")
        if self._png:
            image.info.update(self._png.info())  # texts may follow the pixels
            if ImageFile.LOAD_TRUNCATED_IMAGES:
                _verify_png(source)
        return image


def open_file(path: str | os.PathLike[str]) -> PictureSource:
    """Open a file for reading. Raises UnreadableImageError if it is missing, empty or not a regular file."""
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableImageError(path, "it is a folder", "Choose a picture file")
        # Opening a pipe would block.
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError(path, "it is not an ordinary file", "Choose a picture file")
        if status.st_size == 0:
            raise UnreadableImageError(
                path, "the file is empty (0 bytes)", "Save or download it again, or remove it"
            )
        return PictureSource(io.FileIO(path, "rb"))
    except OSError as error:
        _raise_os_error(error, path)
    except ValueError as error:  # a NUL character in the name
        raise UnreadableImageError(path, "its name is not a valid path", "Choose a picture file") from error


def identified(source: PictureSource, path: str | os.PathLike[str]) -> PictureFile:
    """Detect the format and parse the header of `source`.

    Pillow's own `open` is not used: its size limit is a global that may refuse what is allowed here, or may have
    been switched off. Raises UnreadableImageError for files that are no picture or cannot be decoded correctly, and
    anything for a damaged header.
    """
    Image.init()
    start = source.read(32)
    if wanted := plugin_format(start):
        prepare(wanted, start)
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
            return _opened(name, factory, source, path)
        except (SyntaxError, IndexError, TypeError, KeyError, EOFError, ValueError, OSError) as error:
            if name == "TIFF" and isinstance(error, SyntaxError) and (layout := layout_in(source)):
                raise _unsupported_tiff(layout, path) from error
            problem = problem or error
    if problem is not None:
        raise problem
    raise UnreadableImageError(path, *_unknown_format(start))


def check_layout(image: Image.Image, path: str | os.PathLike[str]) -> None:
    """Raise UnreadableImageError for a TIFF layout that Pillow opens but decodes wrongly."""
    layout = layout_of(image)
    if layout is not None and layout.read_wrong_as(image.mode):
        raise _unsupported_tiff(layout, path)


def _opened(
    name: str,
    factory: Callable[..., ImageFile.ImageFile],
    source: PictureSource,
    path: str | os.PathLike[str],
) -> PictureFile:
    # An empty name keeps Pillow from mapping the file, which could change under it.
    if name != "PNG":
        image = factory(source, "")
        check_layout(image, path)
        return PictureFile(image, source, None)
    image, png = _open_png(source)
    image.info.update(png.info())
    return PictureFile(image, source, png)


def _open_png(source: PictureSource) -> tuple[ImageFile.ImageFile, PngWithoutText]:
    png = PngWithoutText(source)
    return Image.OPEN["PNG"][0](cast(BinaryIO, png), ""), png  # only read, seek and tell are called


def _unsupported_tiff(layout: TiffLayout, path: str | os.PathLike[str]) -> UnreadableImageError:
    return UnreadableImageError(
        path, f"this kind of TIFF is not read ({layout})", "Save it with 8 or 16 bits, as PNG or TIFF"
    )


def _verify_png(source: PictureSource) -> None:
    # With LOAD_TRUNCATED_IMAGES on, Pillow also ignores damaged data; checksums find it.
    source.seek(0)
    _open_png(source)[0].verify()


def _unknown_format(start: bytes) -> tuple[str, str]:
    """(reason, advice) for a file that no decoder accepts."""
    if wanted := plugin_format(start):
        return missing_plugin(wanted)
    if start[4:8] == b"ftyp" or start.startswith(b"\x1a\x45\xdf\xa3"):
        return "it is a video, not a picture", "Save its frames as pictures"
    if start[:2] in _UNREAD_PNM and start[2:3].isspace():
        return f"{_UNREAD_PNM[start[:2]]} pictures are not read", "Save it as PNG or PPM"
    return "it is not a picture in a known format", "Save it as PNG, JPEG or WebP, or remove it"


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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
