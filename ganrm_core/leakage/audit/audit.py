"""Leak audit: can a classifier tell two folders apart by file properties, without looking at what they show?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data.labelled_files import Source, check_enough, find_training_files
from ...data.near_duplicates import group_near_duplicates, signature
from ...data.skipped_files import Skipped, describe_skipped, reason_of
from ...data.splits import FIFTHS, IntArray, assign_folds, refuse_too_alike
from ...data.streaming import stream_images
from ...metrics.binary import Interval, auc_interval
from ...utils.errors import ImageError
from ...utils.progress import Progress, ProgressCallback, no_progress
from ...utils.short_names import short_names
from ..forensics.file_stats import FileStats, file_stats
from .cross_folder_copies import copies_across
from .messages import content_sentence, near_duplicate_sentence, sentences
from .nuisances import CLASSIFIED, NEAR_DUPLICATES, columns_of, is_content, with_frames_of_few_widths
from .permutation_test import held_out_scores, is_beyond_chance

LEAST_LOW_END = 0.6
"""An AUC whose confidence interval starts below this is not reported as a leak."""


@dataclass(frozen=True)
class Family:
    """One family of nuisances, and whether it separates the folders.

    `auc`: held-out AUC of a classifier that sees nothing else; None for near-duplicates, which are counted.
    `liked`, `ordinary`: what the pictures of each folder are like in this respect, in a few words ("PNGs",
    "JPEGs of quality about 75").
    """

    name: str
    auc: Interval | None
    separates: bool
    sentence: str
    liked: str
    ordinary: str

    def to_json(self) -> dict[str, Any]:
        auc = None if self.auc is None else self.auc.to_json()
        return {
            "name": self.name,
            "auc": auc,
            "separates": self.separates,
            "sentence": self.sentence,
            "liked": self.liked,
            "ordinary": self.ordinary,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Family:
        auc = data["auc"]
        return cls(
            name=str(data["name"]),
            auc=None if auc is None else Interval(*(float(value) for value in auc)),
            separates=bool(data["separates"]),
            sentence=str(data["sentence"]),
            liked=str(data["liked"]),
            ordinary=str(data["ordinary"]),
        )


@dataclass(frozen=True)
class Audit:
    """Result of an audit: every family of nuisances, the number of pictures, and notes on the files.

    `notes`: sentences about copies that count once, files left out. `skipped`: those files; not kept in JSON.
    """

    families: tuple[Family, ...]
    n_liked: int
    n_ordinary: int
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """A sentence for each family that separates the folders."""
        return [family.sentence for family in self.families if family.separates]

    def to_json(self) -> dict[str, Any]:
        return {
            "n_liked": self.n_liked,
            "n_ordinary": self.n_ordinary,
            "families": [family.to_json() for family in self.families],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Audit:
        """Inverse of `to_json`. Raises LookupError, TypeError or ValueError for anything else."""
        return cls(
            families=tuple(Family.from_json(family) for family in data["families"]),
            n_liked=int(data["n_liked"]),
            n_ordinary=int(data["n_ordinary"]),
            notes=tuple(str(note) for note in data["notes"]),
        )


def audit_folders(
    liked: Source,
    ordinary: Source,
    *,
    recursive: bool = False,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
) -> Audit:
    """Audit two folders, or lists of files. Every picture is decoded once.

    Unreadable files are left out: they are in `Audit.skipped`, and some are named in the notes. Raises DataError for
    sets that could not be trained on either: missing, fewer than 10 pictures, the same file in both.
    """
    files = find_training_files(liked, ordinary, recursive=recursive, progress=progress)
    paths = [*files.liked, *files.ordinary]
    skipped: list[Skipped] = []
    kept, facts, signatures = [], [], []
    progress(Progress("looking at the pictures", 0, len(paths)))
    for index, image in stream_images(paths, skipped=skipped):
        try:
            facts.append(file_stats(paths[index], image))
        except ImageError as error:  # changed or removed since it was decoded
            skipped.append(Skipped(paths[index], reason_of(error)))
            continue
        signatures.append(signature(image))
        kept.append(index)
        progress(Progress("looking at the pictures", index + 1, len(paths)))
    labels = np.array([int(index < len(files.liked)) for index in kept], dtype=np.int64)
    check_enough(labels, files.names, skipped, paths)
    groups = group_near_duplicates(np.stack(signatures), progress=progress)
    audit = audit_files(
        facts, labels, groups, paths=[paths[index] for index in kept], seed=seed, progress=progress
    )
    notes = (*files.warnings, *filter(None, [describe_skipped(skipped, among=paths)]))
    return replace(audit, notes=notes, skipped=tuple(skipped))


def audit_files(
    facts: Sequence[FileStats],
    labels: IntArray,
    groups: IntArray,
    *,
    paths: Sequence[Path] | None = None,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
) -> Audit:
    """Audit pictures by their file statistics; `labels` [N] 1 liked, 0 ordinary, `groups` [N] near-duplicates.

    A family separates the folders if the 95 % interval of its held-out AUC lies above .6 and a permutation test
    gives p ≤ .001: each of the nine families gives a false alarm at most once in 1,000 clean sets, all together
    less than once in 100. `paths` name an example of near-duplicates. Raises DataError for fewer than five
    different pictures in a class.
    """
    refuse_too_alike(labels, groups)
    facts = with_frames_of_few_widths(facts)
    folds = assign_folds(labels, groups, FIFTHS, seed)
    found = []
    for done, name in enumerate(CLASSIFIED):
        progress(Progress("looking for leaks", done, len(CLASSIFIED)))
        found.append(_family(name, facts, labels, groups, folds, seed))
    found.append(_near_duplicates(labels, groups, paths, seed))
    progress(Progress("looking for leaks", len(CLASSIFIED), len(CLASSIFIED)))
    n_liked = int(labels.sum())
    return Audit(tuple(found), n_liked, len(labels) - n_liked)


def _family(
    name: str, facts: Sequence[FileStats], labels: IntArray, groups: IntArray, folds: IntArray, seed: int
) -> Family:
    columns = columns_of(name, facts)
    auc = auc_interval(held_out_scores(columns, labels, folds), labels, groups, seed=seed)
    separates = auc.low > LEAST_LOW_END and is_beyond_chance(columns, labels, groups, folds, seed=seed)
    liked = [one for one, label in zip(facts, labels, strict=True) if label == 1]
    ordinary = [one for one, label in zip(facts, labels, strict=True) if label == 0]
    if separates and is_content(name, liked, ordinary):
        return Family(name, auc, False, *content_sentence(name, liked, ordinary, auc))
    return Family(name, auc, separates, *sentences(name, liked, ordinary, auc, separates))


def _near_duplicates(labels: IntArray, groups: IntArray, paths: Sequence[Path] | None, seed: int) -> Family:
    copies = copies_across(labels, groups, seed=seed)
    pair = None
    if paths is not None and copies.pair is not None:
        liked, ordinary = short_names([paths[place] for place in copies.pair], paths)
        pair = liked, ordinary
    return Family(
        name=NEAR_DUPLICATES,
        auc=None,
        separates=copies.separates,
        sentence=near_duplicate_sentence(copies.share, pair, copies.separates),
        liked=f"{copies.share_of_liked:.0%} with a near-copy among the ordinary ones",
        ordinary=f"{copies.share_of_ordinary:.0%} with a near-copy among the liked ones",
    )
