"""Third and fourth family of tasks: two illustrators drew the same subjects, and one of the two is liked.

The third family was made to choose the recipe by; the fourth shares no illustrator with it and is for reporting alone.
Unlike in the first two families the difference is not one of degree that we set, and pictures are flat.

Both drawings of a subject are treated alike: rendered at one size, cut to what is drawn, laid on white with one margin.
Where one illustrator's are picture files both pass through one more compression. Flags are cut to a square in their middle,
so that no outline tells the set. Subjects that look alike in either hand count once. Pictures are kept in
benchmarks/results.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import drawn_sets as sets
import numpy as np
import torch
from drawn_sets import DrawnSet
from packages import RESULTS
from PIL import Image
from tasks import Split
from torch import Tensor

from ganrm_core.data.near_duplicates import group_near_duplicates, signature

SIDE, CONTENT = 256, 224
MOST_DRAWN, MOST_SUBJECTS = 640, 500
"""Subjects that are rendered, and that are kept when look-alikes are gone."""
MOST_TEST = 150
"""Subjects judged on, each in both drawings."""
GROUP_SUBJECTS = 48
"""Set aside from training for the groups of candidates; sheets are dealt from them."""
_SEEN = 16  # alpha from which a pixel counts as drawn
_LAYOUT = 1  # to be raised when pictures change


@dataclass(frozen=True)
class Pair:
    """The liked set and the ordinary one.

    `middle`: a square of this share of the drawing's shorter side is cut from its middle. `compressed`: both as WebP.
    `aligned`: the same lines lie at the same places, so that fading from one to the other gives natural pictures.
    """

    name: str
    liked: DrawnSet
    ordinary: DrawnSet
    middle: float | None = None
    compressed: bool = False
    aligned: bool = False


THIRD = (
    Pair("emojione/fluent", sets.EMOJIONE_2, sets.FLUENT_FLAT),
    Pair("emojione 1/fluent", sets.EMOJIONE_1, sets.FLUENT_FLAT),
    Pair("emojione 1/2", sets.EMOJIONE_1, sets.EMOJIONE_2),
    Pair("shaded/flat", sets.FLUENT_SHADED, sets.FLUENT_FLAT, aligned=True),
    Pair("3d/shaded", sets.FLUENT_3D, sets.FLUENT_SHADED, compressed=True),
    Pair("flagpack/coreui", sets.FLAGPACK, sets.COREUI_FLAGS, middle=1.0),
    Pair("tabler/lucide", sets.TABLER, sets.LUCIDE),
    Pair("pixel/pixelarticons", sets.PIXEL, sets.PIXELARTICONS),
)
FOURTH = (
    Pair("openmoji/streamline", sets.OPENMOJI, sets.STREAMLINE),
    Pair("fxemoji/streamline", sets.FXEMOJI, sets.STREAMLINE),
    Pair("circle/flag-icons", sets.CIRCLE_FLAGS, sets.FLAG_ICONS, middle=0.68),
    Pair("vscode/material", sets.VSCODE, sets.MATERIAL_FILES),
    Pair("iconoir/hugeicons", sets.ICONOIR, sets.HUGEICONS),
)


@dataclass(frozen=True)
class Drawings:
    """Subjects and both drawings of each as PNG bytes, in a random but fixed order."""

    subjects: list[str]
    liked: list[bytes]
    ordinary: list[bytes]

    def picture(self, index: int, liked: bool) -> Tensor:
        """Float [3, 256, 256] in 0–1."""
        data = (self.liked if liked else self.ordinary)[index]
        return torch.from_numpy(np.array(Image.open(io.BytesIO(data)))).permute(2, 0, 1).float() / 255


@dataclass(frozen=True)
class IllustratorTask:
    """A pair as a task of fewshot.py and within_group.py."""

    pair: Pair
    kind: str = "artist"

    @property
    def name(self) -> str:
        return self.pair.name

    @property
    def version(self) -> str:
        """What features are made from, for naming their file."""
        parts = [(each.package, each.version) for each in (self.pair.liked, self.pair.ordinary)]
        return repr(
            (parts, self.pair.middle, self.pair.compressed, SIDE, CONTENT, MOST_DRAWN, MOST_SUBJECTS, _LAYOUT)
        )

    @cached_property
    def drawings(self) -> Drawings:
        digest = hashlib.sha256(self.version.encode()).hexdigest()[:12]
        path = RESULTS / f"drawings-{file_name(self.name)}-{digest}.pt"
        if path.exists():
            kept = torch.load(path, weights_only=True)
            return Drawings(kept["subjects"], *([bytes(d.numpy()) for d in kept[k]] for k in _HANDS))
        found = drawn(self.pair)
        path.parent.mkdir(parents=True, exist_ok=True)
        bytes_of = {hand: [_as_tensor(data) for data in getattr(found, hand)] for hand in _HANDS}
        torch.save({"subjects": found.subjects, **bytes_of}, path)
        return found

    def pool_size(self, pool: Sequence[Tensor]) -> int:
        del pool  # these tasks have pictures of their own
        return len(self.drawings.subjects)

    def pictures(self, pool: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """The liked and the ordinary picture of every subject: float [3, 256, 256] in 0–1."""
        for index in range(self.pool_size(pool)):
            yield self.drawings.picture(index, True), self.drawings.picture(index, False)

    def split(self, size: int, per_class: int, seed: int) -> Split:
        """No subject is learned from in both hands; those to judge on are seen in both."""
        if size < 2 * per_class + 2:
            raise ValueError(f"{size} subjects cannot give two classes of {per_class} and a test set.")
        order = torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()
        train, rest = order[: 2 * per_class], order[2 * per_class :][:MOST_TEST]
        return Split(train[:per_class], train[per_class:], rest, rest)

    def group(self, pool: Sequence[Tensor], index: int) -> tuple[list[Tensor], list[float]]:
        """One group of graded candidates, and how much of each is the liked illustrator's.

        Aligned pairs fade from one drawing to the other. For any other pair a candidate is a sheet of the same four
        subjects, none to all of which the liked illustrator drew.
        """
        del pool
        rng = torch.Generator().manual_seed(1_000_000 + index)
        if self.pair.aligned:
            liked, ordinary = (self.drawings.picture(index, hand) for hand in (True, False))
            shares = [(place + 0.5) / 7.5 for place in range(8)]
            return [_eight_bits(torch.lerp(ordinary, liked, share)) for share in shares], shares
        chosen = torch.randperm(GROUP_SUBJECTS, generator=rng)[:4].tolist()
        sheets = []
        for by_liked in range(5):
            places = torch.randperm(4, generator=rng).tolist()
            hands = [place < by_liked for place in torch.randperm(4, generator=rng).tolist()]
            sheets.append(sheet([self.drawings.picture(chosen[p], hands[p]) for p in places]))
        return sheets, [count / 4 for count in range(5)]

    def group_subjects(self, groups: int) -> int:
        """How many subjects, from the first on, are in groups and may not be learned from."""
        return groups if self.pair.aligned else GROUP_SUBJECTS


_HANDS = ("liked", "ordinary")


def illustrator_tasks(pairs: Sequence[Pair]) -> list[IllustratorTask]:
    return [IllustratorTask(pair) for pair in pairs]


def drawn(pair: Pair) -> Drawings:
    """Render what both drew; subjects that look alike to the eye of near-duplicate search count once."""
    liked, ordinary = pair.liked.drawings(), pair.ordinary.drawings()
    shared = sorted(liked.keys() & ordinary.keys())
    order = torch.randperm(len(shared), generator=torch.Generator().manual_seed(0)).tolist()
    subjects: list[str] = []
    hands: tuple[list[Image.Image], list[Image.Image]] = ([], [])
    for subject in (shared[place] for place in order[:MOST_DRAWN]):
        first, second = (framed(hand[subject](), pair.middle) for hand in (liked, ordinary))
        if first is None or second is None:
            continue
        subjects.append(subject)
        for pictures, picture in zip(hands, (first, second), strict=True):
            pictures.append(recompressed(picture) if pair.compressed else picture)
    firsts = [_first_of_their_kind(pictures) for pictures in hands]
    kept = sorted(firsts[0] & firsts[1])[:MOST_SUBJECTS]
    return Drawings([subjects[i] for i in kept], *([_png(pictures[i]) for i in kept] for pictures in hands))


def framed(drawing: Image.Image, middle: float | None) -> Image.Image | None:
    """RGB, 256 × 256: what is drawn, as large as a margin of 16 pixels allows, or the drawing's middle.

    None where hardly anything is drawn.
    """
    drawing = drawing.convert("RGBA")
    if middle is not None:
        side = middle * min(drawing.size)
        left, top = (drawing.width - side) / 2, (drawing.height - side) / 2
        cut = drawing.crop((round(left), round(top), round(left + side), round(top + side)))
        return _on_white(cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (0, 0))
    box = drawing.getchannel("A").point(lambda alpha: 255 if alpha > _SEEN else 0).getbbox()
    if box is None or max(box[2] - box[0], box[3] - box[1]) < 16:
        return None
    cut = drawing.crop(box)
    scale = CONTENT / max(cut.size)
    width, height = (max(1, round(scale * side)) for side in cut.size)
    cut = cut.resize((width, height), Image.Resampling.LANCZOS)
    return _on_white(cut, ((SIDE - width) // 2, (SIDE - height) // 2))


def _on_white(drawing: Image.Image, corner: tuple[int, int]) -> Image.Image:
    paper = Image.new("RGBA", (SIDE, SIDE), "white")
    paper.alpha_composite(drawing, corner)
    return paper.convert("RGB")


def recompressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=75)
    return Image.open(file).convert("RGB")


def sheet(pictures: Sequence[Tensor]) -> Tensor:
    """Four pictures [3, 256, 256] as one of that size, two by two."""
    rows = [torch.cat(list(pictures[i : i + 2]), dim=2) for i in (0, 2)]
    whole = torch.cat(rows, dim=1).unsqueeze(0)
    small = torch.nn.functional.interpolate(whole, (SIDE, SIDE), mode="bicubic", antialias=True)
    return _eight_bits(small[0].clamp(0, 1))


def file_name(task: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in task)


def _first_of_their_kind(pictures: Sequence[Image.Image]) -> set[int]:
    signatures = [signature(torch.from_numpy(np.array(p)).permute(2, 0, 1)) for p in pictures]
    return set(np.unique(group_near_duplicates(np.stack(signatures)), return_index=True)[1].tolist())


def _eight_bits(picture: Tensor) -> Tensor:
    return picture.mul(255).round().div(255)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=6)
    return file.getvalue()


def _as_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)
