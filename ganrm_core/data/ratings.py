"""Star ratings of picture files, in the file or in an XMP sidecar, and choosing files by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..utils.errors import DataError, ImageError
from ..utils.files import is_file, shown
from ..utils.progress import Progress, ProgressCallback, no_progress
from .embedded_rating import embedded_rating
from .skipped_files import NAMED, Skipped, names_and_reasons, reason_of
from .xmp_rating import MOST_BYTES, MOST_STARS, REJECTED, UNRATED, MetadataError, Rating, xmp_rating

_AT_LEAST, _AT_MOST = "at least ", "at most "
ANY, NOT_RATED, IS_REJECTED = "any", "unrated", "rejected"
CHOICES = (
    ANY,
    *(f"{_AT_LEAST}{stars}" for stars in range(1, MOST_STARS + 1)),
    *(f"{_AT_MOST}{stars}" for stars in range(1, MOST_STARS)),
    NOT_RATED,
    IS_REJECTED,
)
"""Which pictures of a rated folder are meant. "at most 2" holds the rejected ones and none without a rating."""


def read_rating(path: Path) -> Rating | None:
    """The rating of a picture; None where it has none.

    A sidecar that holds a rating overrules the file, also with 0: programs write one so as to leave the file alone. Of
    two sidecars that named after the whole file name counts. Modification times do not: copies and clouds change them.

    Raises ImageError for a picture that is missing or none, MetadataError for metadata that is refused.
    """
    for sidecar in sidecars(path):
        if (found := _sidecar_rating(sidecar)) is not None:
            return found
    return embedded_rating(path)


def sidecars(path: Path) -> list[Path]:
    """The XMP sidecars of a picture that exist: `name.ext.xmp` (darktable, digiKam) before `name.xmp` (Adobe)."""
    names = (f"{name}{suffix}" for name in (path.name, path.stem) for suffix in (".xmp", ".XMP"))
    return [sidecar for name in names if is_file(sidecar := path.with_name(name))]


@dataclass(frozen=True)
class RatedFiles:
    """Stars of files (-1 rejected, 0 none), in order; `by_model`: those that a model gave, `refused`: without stars here."""

    stars: Mapping[Path, int]
    by_model: frozenset[Path] = frozenset()
    refused: Sequence[Skipped] = field(default=())

    def fitting(self, choice: str) -> tuple[Path, ...]:
        """The files that one of `CHOICES` means."""
        return tuple(path for path, stars in self.stars.items() if fits(choice, stars))

    def counted(self) -> str:
        """Such as "of 7 pictures 2 have 5 stars, 1 has 1 star, 1 is rejected and 3 have no rating"."""
        counts = Counter(self.stars.values())
        parts = []
        for stars in (*range(MOST_STARS, 0, -1), REJECTED, UNRATED):
            if count := counts[stars]:
                verb = (
                    ("is" if count == 1 else "are") if stars == REJECTED else "has" if count == 1 else "have"
                )
                what = {REJECTED: "rejected", UNRATED: "no rating", 1: "1 star"}.get(stars, f"{stars} stars")
                parts.append(f"{count} {verb} {what}")
        if self.refused:
            parts.append(f"{len(self.refused)} cannot be told")
        total = len(self.stars) + len(self.refused)
        told = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        return f"of {total} picture{'s' if total > 1 else ''} {told}"

    def given_by_model(self, paths: Sequence[Path]) -> str:
        """A sentence counting those of `paths` whose stars are a model's own; "" if there are none."""
        count = len(self.by_model.intersection(paths))
        if not count:
            return ""
        return (
            f"Rated by a model, and not changed since: {count} of {len(paths)}. A taste that learns from such ratings learns "
            "what that model knows already."
        )

    def refusals(self) -> str:
        """A sentence naming files whose rating was not read, and why; "" if there are none."""
        if not self.refused:
            return ""
        named = names_and_reasons(self.refused, NAMED, list(self.stars))
        return f"Left out, since the rating cannot be read: {named}."


def read_ratings(paths: Sequence[Path], progress: ProgressCallback = no_progress) -> RatedFiles:
    """Ratings of files. Those that cannot be read are in `refused`, with the reason."""
    stars: dict[Path, int] = {}
    by_model: set[Path] = set()
    refused: list[Skipped] = []
    for done, path in enumerate(paths, start=1):
        try:
            rating = read_rating(path) or Rating(UNRATED)
        except ImageError as error:
            refused.append(Skipped(path, reason_of(error)))
        else:
            stars[path] = rating.stars
            if rating.by_model:
                by_model.add(path)
        progress(Progress("reading ratings", done, len(paths)))
    return RatedFiles(stars, frozenset(by_model), refused)


def fits(choice: str, stars: int) -> bool:
    """Whether one of `CHOICES` means a picture with these stars (-1 rejected, 0 none)."""
    if choice.startswith(_AT_LEAST):
        return stars >= int(choice.removeprefix(_AT_LEAST))
    if choice.startswith(_AT_MOST):
        return stars != UNRATED and stars <= int(choice.removeprefix(_AT_MOST))
    return choice == ANY or stars == {NOT_RATED: UNRATED, IS_REJECTED: REJECTED}[choice]


def phrase(choice: str) -> str:
    """A choice in words, such as "rated at least 4"."""
    return choice if choice in (NOT_RATED, IS_REJECTED) else f"rated {choice}"


def none_fits(place: str, choice: str, rated: RatedFiles) -> DataError:
    """The error for a folder, called `place`, none of whose pictures fits."""
    refusals = rated.refusals()
    return DataError(
        f"No picture in {place} is {phrase(choice)}: {rated.counted()}. Rate pictures there (in Lightroom, digiKam, "
        f"darktable, Bridge or Windows), or choose another rating.{' ' if refusals else ''}{refusals}"
    )


def _sidecar_rating(sidecar: Path) -> Rating | None:
    try:
        with sidecar.open("rb") as file:
            return xmp_rating(file.read(MOST_BYTES + 1))
    except MetadataError as error:
        raise MetadataError(f"in its sidecar {shown(sidecar.name)}: {error}") from error
    except OSError as error:
        raise MetadataError(f"its sidecar {shown(sidecar.name)} cannot be read: {error.strerror}") from error
