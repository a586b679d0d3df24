"""The audit of two folders: loud on leaks, quiet on clean data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ganrm_core.data.image_io import read_image
from ganrm_core.data.near_duplicates import group_near_duplicates, signature
from ganrm_core.data.splits import assign_folds
from ganrm_core.leakage.audit.audit import Audit, Family, audit_files, audit_folders
from ganrm_core.leakage.audit.permutation_test import is_beyond_chance
from ganrm_core.leakage.forensics.file_stats import FileStats, file_stats
from ganrm_core.synthetic.sample_images import demo_pictures
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress

Ganrm = Callable[..., Any]
MakeFolder = Callable[..., Path]
Labels = NDArray[np.int64]

needs_pictures = pytest.mark.skipif(
    find_spec("comfyui_workflow_templates_media_image") is None,
    reason="the demo's picture packages are absent",
)


def plain_facts(number: int) -> FileStats:
    """Facts of an imaginary PNG, different from picture to picture in whatever differs in real ones."""
    rng = np.random.default_rng(number)
    fall = np.linspace(5.5, 1.0, 12) + rng.normal(0, 0.4) * np.linspace(0, 1, 12) + rng.normal(0, 0.05, 12)
    width, height = rng.choice([512, 768, 1024], 2)
    return FileStats(
        container="PNG",
        lossless=True,
        jpeg_quality=None,
        jpeg_subsampling=None,
        webp_quantiser=None,
        bytes_per_pixel=float(rng.lognormal(0.3, 0.4)),
        width=int(width),
        height=int(height),
        mode="RGB",
        alpha="none",
        colour_tag="none",
        border=(0, 0, 0, 0),
        bands=tuple(fall.tolist()),
        jpeg_traces=0.1 * float(abs(rng.normal(0, 0.02)) > 0.05),
        colour=tuple(rng.uniform(0.2, 0.7, 5).tolist()),
    )


def leaking(change: Callable[[FileStats], FileStats], count: int = 40) -> Audit:
    """The audit of `count` pictures a class, every ordinary one changed."""
    labels = np.arange(2 * count) % 2
    facts = [plain_facts(i) if label else change(plain_facts(i)) for i, label in enumerate(labels)]
    return audit_files(facts, labels, np.arange(2 * count))


def family(audit: Audit, name: str) -> Family:
    return next(family for family in audit.families if family.name == name)


def separating(audit: Audit) -> set[str]:
    return {family.name for family in audit.families if family.separates}


def jpeg(facts: FileStats) -> FileStats:
    return replace(facts, container="JPEG", lossless=False, jpeg_quality=75, jpeg_subsampling=2)


def webp(facts: FileStats) -> FileStats:
    return replace(facts, container="WEBP", lossless=False, webp_quantiser=27)


def half_size(facts: FileStats) -> FileStats:
    return replace(facts, width=facts.width // 2, height=facts.height // 2)


def soft(facts: FileStats) -> FileStats:
    return replace(facts, bands=(*facts.bands[:6], *(band - 1 for band in facts.bands[6:])))


def bordered(facts: FileStats) -> FileStats:
    return replace(facts, border=(2, 2, 2, 2))


def dark(facts: FileStats) -> FileStats:
    return replace(facts, colour=(*(value / 2 for value in facts.colour[:3]), *facts.colour[3:]))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("compression", jpeg, ["the liked ones are PNGs, the ordinary ones JPEGs of quality about 75"]),
        ("compression", webp, ["WebPs of quality about 80"]),
        ("compression", lambda one: replace(one, jpeg_traces=0.6), ["earlier", "JPEG compression"]),
        ("size and shape", half_size, ["px"]),
        ("size and shape", lambda one: replace(one, width=one.width + 1), ["px"]),
        ("sharpness", soft, ["the ordinary ones less", "taste"]),
        ("colour tags", lambda one: replace(one, colour_tag="sRGB"), ["an sRGB profile", "never sees"]),
        ("overall colour", dark, ["the liked ones are brighter, the ordinary ones darker", "taste"]),
        ("alpha and pixel format", lambda one: replace(one, mode="RGBA", alpha="opaque"), ["RGBA"]),
        ("borders", bordered, ["the liked ones have no border, the ordinary ones a border of 2 px"]),
    ],
)  # fmt: skip
def test_a_leak_is_named(name: str, change: Callable[[FileStats], FileStats], words: Sequence[str]) -> None:
    audit = leaking(change)
    assert separating(audit) == {name}
    found = family(audit, name)
    assert found.auc is not None
    assert found.auc.value >= 0.9
    assert audit.warnings == [found.sentence]
    for word in (*words, f"AUC {found.auc.value:.2f}"):
        assert word in found.sentence
    assert found.liked != found.ordinary


@pytest.mark.parametrize("past", [{"lossless": False}, {"jpeg_traces": 0.4}])
def test_bytes_per_pixel_of_files_with_a_lossy_past_are_a_leak(past: dict[str, Any]) -> None:
    labels = np.arange(80) % 2
    facts = [replace(plain_facts(i), **past) for i in range(80)]
    facts = [
        one if label else replace(one, bytes_per_pixel=0.2) for one, label in zip(facts, labels, strict=True)
    ]
    audit = audit_files(facts, labels, np.arange(80))
    assert separating(audit) == {"bytes per pixel"}
    assert "about 0.20 bytes per pixel" in audit.warnings[0]


def test_bytes_per_pixel_of_lossless_files_are_what_they_show() -> None:
    audit = leaking(lambda one: replace(one, bytes_per_pixel=0.2))
    assert audit.warnings == []
    found = family(audit, "bytes per pixel")
    assert found.auc is not None
    assert found.auc.value > 0.9
    assert "the ordinary ones about 0.20 bytes per pixel" in found.sentence
    assert "lossless" in found.sentence


def test_margins_that_vary_from_picture_to_picture_are_no_border() -> None:
    widths = iter(range(3, 200, 4))
    assert "borders" not in separating(leaking(lambda one: replace(one, border=(next(widths),) * 4)))
    few = iter([2, 8, 20] * 20)
    assert "borders" in separating(leaking(lambda one: replace(one, border=(next(few),) * 4)))


@pytest.mark.parametrize("count", [10, 15, 25])
def test_a_plain_leak_is_named_with_few_pictures(count: int) -> None:
    assert separating(leaking(jpeg, count)) == {"compression"}


def test_a_leak_is_found_where_every_picture_has_its_twin_in_the_other_folder() -> None:
    labels = np.arange(60) % 2
    facts = [plain_facts(i // 2) if label else jpeg(plain_facts(i // 2)) for i, label in enumerate(labels)]
    audit = audit_files(facts, labels, np.arange(60) // 2)
    assert separating(audit) == {"compression", "near-duplicates"}


def test_pictures_that_are_all_alike_separate_nothing() -> None:
    labels = np.arange(40) % 2
    audit = audit_files([plain_facts(0)] * 40, labels, np.arange(40))
    assert separating(audit) == set()
    assert all(family.auc is None or family.auc.value == 0.5 for family in audit.families)


def test_bursts_of_one_shot_do_not_pass_for_many_pictures() -> None:
    # Six shots a class: whatever an unlucky shot is like, 20 copies of it are no more evidence than one.
    found = 0
    for seed in range(12):
        labels = np.random.default_rng(seed).permutation(np.arange(12) % 2).repeat(20)
        facts = [plain_facts(1000 * seed + i // 20) for i in range(240)]
        found += len(audit_files(facts, labels, np.arange(240) // 20, seed=seed).warnings)
    assert found == 0


class TestNearDuplicates:
    def test_copies_across_the_folders_are_named(self) -> None:
        facts = [plain_facts(i // 2) for i in range(60)]
        labels, groups = np.arange(60) % 2, np.arange(60) // 2
        paths = [Path(f"set{i % 2}") / f"{i}.png" for i in range(60)]
        found = family(audit_files(facts, labels, groups, paths=paths), "near-duplicates")
        assert found.separates
        assert "100%" in found.sentence
        assert "1.png (liked) and 0.png (ordinary)" in found.sentence
        assert found.auc is None

    def test_bursts_split_by_chance_are_no_finding(self) -> None:
        labels = np.random.default_rng(0).permutation(np.arange(60) % 2)
        found = family(
            audit_files([plain_facts(i) for i in range(60)], labels, np.arange(60) // 2), "near-duplicates"
        )
        assert not found.separates
        assert "no more than chance" in found.sentence

    def test_no_copies(self) -> None:
        found = family(leaking(lambda one: one), "near-duplicates")
        assert not found.separates
        assert found.sentence.startswith("No picture ")


@pytest.fixture(scope="module")
def real() -> tuple[list[FileStats], Labels]:
    """Facts and near-duplicate groups of 132 pictures of one origin."""
    facts, signatures = [], []
    for picture in demo_pictures()[::4]:
        image = read_image(picture.path)
        facts.append(file_stats(picture.path, image))
        signatures.append(signature(image))
    return facts, group_near_duplicates(np.stack(signatures))


@needs_pictures
@pytest.mark.parametrize("per_class", [66, 25])
def test_random_splits_of_one_folder_raise_no_alarm(
    real: tuple[list[FileStats], Labels], per_class: int
) -> None:
    facts, groups = real
    warnings = []
    for seed in range(50):
        chosen = np.random.default_rng(seed).permutation(len(facts))[: 2 * per_class]
        labels = np.arange(len(chosen)) % 2
        warnings += audit_files([facts[i] for i in chosen], labels, groups[chosen], seed=seed).warnings
    assert len(warnings) <= 2


class TestStatistics:
    def test_chance_is_exceeded_only_by_what_is_there(self) -> None:
        rng = np.random.default_rng(4)
        labels, groups = np.arange(80) % 2, np.arange(80)
        folds = assign_folds(labels, groups, 5, 0)
        assert is_beyond_chance([rng.normal(labels * 3.0)], labels, groups, folds, seed=0)
        assert not is_beyond_chance([rng.normal(labels * 0.0)], labels, groups, folds, seed=0)


def test_json_there_and_back() -> None:
    audit = leaking(jpeg)
    assert Audit.from_json(json.loads(json.dumps(audit.to_json()))) == audit
    with pytest.raises(LookupError):
        Audit.from_json({"families": []})


def test_too_few_different_pictures() -> None:
    with pytest.raises(DataError, match="nearly all the same"):
        audit_files([plain_facts(i) for i in range(20)], np.arange(20) % 2, np.arange(20) // 10)


class TestFolders:
    def test_two_folders(self, tmp_path: Path, make_folder: MakeFolder) -> None:
        liked = make_folder(tmp_path / "liked", "liked", 12)
        ordinary = make_folder(tmp_path / "ordinary", "liked", 12, first=20)
        for path in ordinary.iterdir():
            Image.open(path).save(path.with_suffix(".jpg"), quality=75)
            path.unlink()
        (liked / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
        stages: list[Progress] = []
        audit = audit_folders(liked, ordinary, progress=stages.append)
        assert "compression" in separating(audit)
        assert (audit.n_liked, audit.n_ordinary) == (12, 12)
        assert any("broken.png" in note for note in audit.notes)
        assert {"looking at the pictures", "looking for leaks"} <= {step.stage for step in stages}
        assert all(step.done <= step.total for step in stages)

    def test_a_cancel_passes_through(self, tmp_path: Path, make_folder: MakeFolder) -> None:
        class CancelledError(Exception):
            pass

        def cancel(step: Progress) -> None:
            if step.stage == "looking for leaks":
                raise CancelledError

        liked = make_folder(tmp_path / "liked", "liked", 10)
        with pytest.raises(CancelledError):
            audit_folders(liked, make_folder(tmp_path / "ordinary", "ordinary", 10), progress=cancel)

    def test_too_few_pictures(self, tmp_path: Path, make_folder: MakeFolder) -> None:
        liked = make_folder(tmp_path / "liked", "liked", 10)
        with pytest.raises(DataError, match="Only 3 usable ordinary"):
            audit_folders(liked, make_folder(tmp_path / "ordinary", "ordinary", 3))
