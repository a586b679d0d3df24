"""Opening picture files: what they are, by content, and decoding them whole or not at all."""

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
from .format_plugins import plugin_format, prepare, what_is_missing
from .png_chunks import WithoutTexts
from .tiff_layouts import TiffLayout, layout_in, layout_of

# What is tried, by content. A fixed list, because Pillow's full one starts outside programs (EPS), guesses
# wildly (TGA has no signature) and decodes cut-short JPEG 2000 and ICO files without a word. HEIF and JXL
# are there once their Pillow plug-in is loaded.
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
    """Turn what decoding raises into UnreadableImageError naming `path`; ImageError and MemoryError pass."""
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


@dataclass(frozen=True)
class PictureFile:
    """A file of which only the header is read. `image.info` is without a PNG's texts, but for those that hold EXIF."""

    image: ImageFile.ImageFile
    _source: PictureSource
    _png: WithoutTexts | None

    def load(self) -> Image.Image:
        """Decode the first frame. Raises anything for a file that is damaged or cut short."""
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
    """Open a file for reading. Raises UnreadableImageError for what is missing, empty or no ordinary file."""
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
        return PictureSource(io.FileIO(path, "rb"))
    except OSError as error:
        _raise_os_error(error, path)
    except ValueError as error:  # a NUL character in the name
        raise UnreadableImageError(path, "its name is not a valid path", "Choose a picture file") from error


def identified(source: PictureSource, path: str | os.PathLike[str]) -> PictureFile:
    """The picture in `source` with only its header read.

    Pillow's own `open` is not used: its size limit is a global that may refuse what is allowed here,
    or have been switched off. Raises UnreadableImageError for what is no picture, or of a kind that
    cannot be read right, and anything for a damaged header.
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
                raise _not_read(layout, path) from error
            problem = problem or error
    if problem is not None:
        raise problem
    raise UnreadableImageError(path, *_what_it_is_instead(start))


def check_layout(image: Image.Image, path: str | os.PathLike[str]) -> None:
    """Raise UnreadableImageError for a TIFF of a kind that Pillow opens but reads wrong."""
    layout = layout_of(image)
    if layout is not None and layout.read_wrong_as(image.mode):
        raise _not_read(layout, path)


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


def _open_png(source: PictureSource) -> tuple[ImageFile.ImageFile, WithoutTexts]:
    png = WithoutTexts(source)
    return Image.OPEN["PNG"][0](cast(BinaryIO, png), ""), png  # it is asked only to read, seek and tell


def _not_read(layout: TiffLayout, path: str | os.PathLike[str]) -> UnreadableImageError:
    return UnreadableImageError(
        path, f"this kind of TIFF is not read ({layout})", "Save it with 8 or 16 bits, as PNG or TIFF"
    )


def _verify_png(source: PictureSource) -> None:
    # With the switch on, Pillow overlooks damaged data too; the checksums do not.
    source.seek(0)
    _open_png(source)[0].verify()


def _what_it_is_instead(start: bytes) -> tuple[str, str]:
    if wanted := plugin_format(start):
        return what_is_missing(wanted)
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
