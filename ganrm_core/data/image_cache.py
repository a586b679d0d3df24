"""In-memory cache of decoded pictures, so that small ones are decoded once for two passes."""

from __future__ import annotations

from threading import Lock

from torch import Tensor

_MOST_BYTES = 256 << 20


class ImageCache:
    """Decoded pictures by the SHA-256 of their files, up to 256 MB in all. Thread-safe.

    Each is handed out once and freed. Pictures beyond the limit are not kept: they must be decoded again.
    """

    def __init__(self) -> None:
        self._images: dict[str, Tensor] = {}
        self._free = _MOST_BYTES
        self._lock = Lock()

    def keep(self, content: str, image: Tensor) -> None:
        with self._lock:
            if content not in self._images and image.nbytes <= self._free:
                self._images[content] = image
                self._free -= image.nbytes

    def take(self, content: str) -> Tensor | None:
        """Remove and return the picture; None where it is not in the cache."""
        with self._lock:
            image = self._images.pop(content, None)
            if image is not None:
                self._free += image.nbytes
            return image

    def clear(self) -> None:
        with self._lock:
            self._images.clear()
            self._free = _MOST_BYTES
