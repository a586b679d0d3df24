"""Report data: held-out scores, metrics and pictures of a model, as the HTML and the image report take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ..data.image_io import read_image
from ..utils.errors import ImageError
from ..utils.files import shown

if TYPE_CHECKING:
    from ..metrics.summary import SummaryMetrics
    from ..utils.progress import History
    from .messages import Extremes


@dataclass(frozen=True)
class ReportData:
    """A trained or evaluated model.

    `scores` (0–1), `labels` (1 liked, 0 ordinary) and `paths` are of one length N, of pictures the model had not
    seen; `metrics` were measured on them. `thresholds` as in the model's card. `counts` (such as "liked pictures":
    120) and `facts` are shown with the metrics; of a fact with several lines the first is prominent. `history` is
    for the image report only. Raises ValueError for different lengths.
    """

    title: str
    scores: ArrayLike
    labels: ArrayLike
    paths: Sequence[Path]
    metrics: SummaryMetrics
    thresholds: Mapping[str, float]
    warnings: Sequence[str] = ()
    counts: Mapping[str, int] | None = None
    facts: Sequence[tuple[str, str]] = ()
    history: History | None = None

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.liked) == len(self.paths):
            raise ValueError(
                f"{len(self.values)} scores, {len(self.liked)} labels and {len(self.paths)} paths do not run parallel"
            )

    @property
    def values(self) -> NDArray[Any]:
        """Scores as float64 [N]."""
        return np.asarray(self.scores, float)

    @property
    def liked(self) -> NDArray[Any]:
        """Labels as bool [N]."""
        return np.asarray(self.labels) > 0.5

    def examples(self, kind: Extremes, most: int) -> list[tuple[Path, float]]:
        """At most `most` pictures with their scores, the most extreme first."""
        values = self.values
        return [(self.paths[i], float(values[i])) for i in kind.chosen(values, self.liked, most)]


def thumbnail(path: Path, side: int) -> Image.Image | str:
    """The picture of a file, at most `side` pixels wide and high; or why it cannot be read."""
    try:
        pixels = read_image(path)
    except ImageError as error:
        return str(getattr(error, "reason", "it cannot be read"))
    picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def file_name(path: Path) -> str:
    """Name of a file as messages write it, without their quotes."""
    return shown(Path(path).name)[1:-1]
