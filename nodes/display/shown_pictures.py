"""Pictures that a node has shown, kept on disk: the artist who types and runs again gets the same ones, at once.

Hosts drop outputs from their cache while a workflow is open: when memory runs short, or when another workflow ran in
between. A node whose `images` are lazy asks here before it has them made again.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...ganrm_core.post_training.tensor_store import TensorStore, entry_key
from ...ganrm_core.utils.errors import DataError
from ..host import folders
from ..host.upstream import upstream_hash

INPUT = "images"
MOST_BYTES = 2 * 10**9
"""Of all nodes together: about 150 pictures of 1024 × 1024."""
_MOST_NODES = 200


@dataclass(frozen=True)
class _Shown:
    """What a node showed: the key of its pictures, and the numbers that were typed then."""

    key: str
    pick: str


_last: OrderedDict[tuple[str, str], _Shown] = OrderedDict()
"""By node, and by all that is upstream of it but for seeds."""


class ShownPictures:
    """The pictures of one run of a node: those that come in, or those kept from an earlier run."""

    def __init__(self, hidden: Any, pick: str = "") -> None:
        """`hidden`: the node's, with prompt and unique_id. `pick`: numbers of pictures, as typed under those shown.

        Numbers typed since the last run are meant for its pictures, also where only seeds have changed since.
        """
        prompt, node = getattr(hidden, "prompt", None), str(getattr(hidden, "unique_id", None))
        now = upstream_hash(prompt, node, INPUT)
        but_for_seeds = upstream_hash(prompt, node, INPUT, seeds=False)
        self._place = (node, but_for_seeds or "")
        self._pick = pick.strip()
        self._key = entry_key("shown", upstream=now) if now and but_for_seeds else None
        self.earlier = False
        """Whether these are pictures of an earlier run, made with other seeds than a new run would use."""
        last = _last.get(self._place) if self._key else None
        if (
            last
            and self._pick
            and last.pick != self._pick
            and last.key != self._key
            and _store().has(last.key)
        ):
            self._key, self.earlier = last.key, True

    def missing(self, given: Sequence[Tensor | None] | None) -> list[str]:
        """The names of inputs that have to be made: none where the pictures are kept (see `check_lazy_status`)."""
        if _present(given) or (self._key and _store().has(self._key)):
            return []
        return [INPUT]

    def take(self, given: Sequence[Tensor | None] | None) -> list[Tensor]:
        """The pictures; those given are kept. Raises DataError where kept ones have been lost meanwhile."""
        present = _present(given)
        if self._key is None:
            return present
        if present and not self.earlier:
            self._keep(present)
        else:
            present = self._kept()
        _last[self._place] = _Shown(self._key, self._pick)
        _last.move_to_end(self._place)
        while len(_last) > _MOST_NODES:
            _last.popitem(last=False)
        return present

    def _keep(self, pictures: list[Tensor]) -> None:
        store = _store()
        size = sum(picture.numel() * picture.element_size() for picture in pictures)
        if self._key is None or store.has(self._key):
            return
        if size > MOST_BYTES:
            logging.info("GAN-RM: %d MB of pictures are too many to keep for the next run.", size // 10**6)
            return
        store.store(self._key, {f"{number:06d}": picture for number, picture in enumerate(pictures)})

    def _kept(self) -> list[Tensor]:
        tensors = _store().load(self._key) if self._key else None
        if tensors is None:
            raise DataError(
                "The pictures that this node showed before cannot be read any more. Run again: they are made anew."
            )
        return [tensors[name] for name in sorted(tensors)]


def _present(given: Sequence[Tensor | None] | None) -> list[Tensor]:
    return [picture for picture in given or () if picture is not None]


def _store() -> TensorStore:
    return TensorStore(folders.temporary_folder() / "shown", MOST_BYTES)
