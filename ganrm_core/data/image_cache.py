"""Decoded pictures, kept until they are wanted a second time: decoding is a good part of the work on small ones."""

from __future__ import annotations

from threading import Lock

from torch import Tensor

_MOST_BYTES = 256 << 20


class ImageCache:
    """As many as fit into 256 MB, by the sha256 of their files; the others must be decoded again.

    May be used by several threads.
    """

    def __init__(self) -> None:
        self._images: dict[str, Tensor] = {}
        self._free = _MOST_BYTES
        self._changing = Lock()

    def keep(self, content: str, image: Tensor) -> None:
        with self._changing:
            if content not in self._images and image.nbytes <= self._free:
                self._images[content] = image
                self._free -= image.nbytes

    def take(self, content: str) -> Tensor | None:
        """The picture, which is not kept any longer; None where it is not here."""
        with self._changing:
            image = self._images.pop(content, None)
            if image is not None:
                self._free += image.nbytes
            return image

    def clear(self) -> None:
        with self._changing:
            self._images.clear()
            self._free = _MOST_BYTES
