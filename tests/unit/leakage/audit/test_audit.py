"""The audit of two folders: loud on leaks, quiet on clean data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit_support.file_stats import plain_stats

from ganrm_core.leakage.audit import permutation_test
from ganrm_core.leakage.audit.audit import Audit, Family, audit_files, audit_folders
from ganrm_core.leakage.forensics.file_stats import FileStats
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress

MakeFolder = Callable[..., Path]
Change = Callable[[FileStats], FileStats]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer permutations, so that no leak is overlooked, only sooner found."""
    monkeypatch.setattr(permutation_test, "PERMUTATIONS", 99)


def leaking(change: Change, count: int = 40, **every: Any) -> Audit:
    """The audit of `count` pictures a class, every ordinary one changed; `every` holds of all."""
    facts = [replace(plain_stats(i), **every) for i in range(2 * count)]
    facts[::2] = map(change, facts[::2])
    return audit_files(facts, np.arange(2 * count) % 2, np.arange(2 * count))


def family(audit: Audit, name: str) -> Family:
    return next(family for family in audit.families if family.name == name)


def separating(audit: Audit) -> set[str]:
    return {family.name for family in audit.families if family.separates}


def having(**values: Any) -> Change:
    return lambda one: replace(one, **values)


def soft(one: FileStats) -> FileStats:
    return replace(one, bands=(*one.bands[:6], *(band - 1 for band in one.bands[6:])))


def dark(one: FileStats) -> FileStats:
    return replace(one, colour=(*(value / 2 for value in one.colour[:3]), *one.colour[3:]))


jpeg = having(container="JPEG", lossless=False, jpeg_quality=75, jpeg_subsampling=2)
webp = having(container="WEBP", lossless=False, webp_quantiser=27)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("compression", jpeg, ["the liked ones are PNGs, the ordinary ones JPEGs of quality about 75"]),
        ("compression", webp, ["WebPs of quality about 80"]),
        ("compression", having(jpeg_traces=0.6), ["earlier", "JPEG compression"]),
        ("size and shape", lambda one: replace(one, width=one.width // 2, height=one.height // 2), ["px"]),
        ("size and shape", lambda one: replace(one, width=one.width + 1), ["px"]),
        ("sharpness", soft, ["the ordinary ones less", "taste"]),
        ("colour tags", having(colour_tag="sRGB"), ["an sRGB profile", "never sees"]),
        ("overall colour", dark, ["the liked ones are brighter, the ordinary ones darker", "taste"]),
        ("alpha and pixel format", having(mode="RGBA", alpha="opaque"), ["RGBA"]),
        ("borders", having(border=(2,) * 4), ["the liked ones have no border, the ordinary ones a border of 2 px"]),
    ],
)  # fmt: skip
def test_a_leak_is_named(name: str, change: Change, words: Sequence[str]) -> None:
    audit = leaking(change)
    assert separating(audit) == {name}
    found = family(audit, name)
    assert found.auc is not None
    assert found.auc.value >= 0.9
    assert audit.warnings == [found.sentence]
    for word in (*words, f"AUC {found.auc.value:.2f}"):
        assert word in found.sentence
    assert found.liked != found.ordinary
    assert Audit.from_json(json.loads(json.dumps(audit.to_json()))) == audit


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("past", [{"lossless": False}, {"jpeg_traces": 0.4}, {}])
def test_bytes_per_pixel_are_a_leak_only_of_files_with_a_lossy_past(past: dict[str, Any]) -> None:
    audit = leaking(having(bytes_per_pixel=0.2), **past)
    assert separating(audit) == ({"bytes per pixel"} if past else set())
    found = family(audit, "bytes per pixel")
    assert found.auc is not None
    assert found.auc.value > 0.9
    assert "the ordinary ones about 0.20 bytes per pixel" in found.sentence
    assert ("Both folders are lossless" in found.sentence) == (not past)


def test_few_pictures_and_pictures_that_are_all_alike() -> None:
    assert separating(leaking(jpeg, 10)) == {"compression"}
    audit = audit_files([plain_stats(0)] * 40, np.arange(40) % 2, np.arange(40))
    assert separating(audit) == set()
    assert all(family.auc is None or family.auc.value == 0.5 for family in audit.families)


def test_bursts_of_one_shot_do_not_pass_for_many_pictures() -> None:
    # Six shots a class: whatever an unlucky shot is like, ten copies of it are no more evidence than one.
    for seed in range(3):
        labels = np.random.default_rng(seed).permutation(np.arange(12) % 2).repeat(10)
        facts = [plain_stats(1000 * seed + i // 10) for i in range(120)]
        assert audit_files(facts, labels, np.arange(120) // 10, seed=seed).warnings == []
    with pytest.raises(DataError, match="nearly all the same"):
        audit_files(facts[:20], np.arange(20) % 2, np.arange(20) // 10)
    with pytest.raises(LookupError):
        Audit.from_json({"families": []})


@pytest.mark.usefixtures("quick")
def test_copies_across_the_folders_are_named_and_hide_no_leak() -> None:
    labels, groups = np.arange(60) % 2, np.arange(60) // 2
    facts = [plain_stats(i // 2) if i % 2 else jpeg(plain_stats(i // 2)) for i in range(60)]
    paths = [Path(f"set{i % 2}") / f"{i}.png" for i in range(60)]
    audit = audit_files(facts, labels, groups, paths=paths)
    assert separating(audit) == {"compression", "near-duplicates"}
    found = family(audit, "near-duplicates")
    assert "100%" in found.sentence
    assert "1.png (liked) and 0.png (ordinary)" in found.sentence
    assert found.auc is None
    labels = np.random.default_rng(0).permutation(labels)
    for none, said in ((groups, "no more than chance"), (np.arange(60), "No picture ")):
        found = family(audit_files([plain_stats(i) for i in range(60)], labels, none), "near-duplicates")
        assert not found.separates
        assert said in found.sentence


@pytest.mark.usefixtures("quick")
def test_two_folders(tmp_path: Path, make_folder: MakeFolder) -> None:
    liked = make_folder(tmp_path / "liked", "liked", 10)
    ordinary = make_folder(tmp_path / "ordinary", "liked", 12, first=20)
    for path in ordinary.iterdir():
        Image.open(path).save(path, "JPEG", quality=75)
    (liked / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    stages: list[Progress] = []
    audit = audit_folders(liked, ordinary, progress=stages.append)
    assert "compression" in separating(audit)
    assert (audit.n_liked, audit.n_ordinary) == (10, 12)
    assert [entry.path.name for entry in audit.skipped] == ["broken.png"]
    assert any("broken.png" in note for note in audit.notes)
    assert {"looking at the pictures", "looking for leaks"} <= {step.stage for step in stages}
    assert all(step.done <= step.total for step in stages)

    def cancel(step: Progress) -> None:
        if step.stage == "looking for leaks":
            raise KeyboardInterrupt

    def remove(step: Progress) -> None:
        if step.stage == "looking at the pictures" and step.done:
            for path in liked.glob("liked*"):
                path.unlink(missing_ok=True)

    with pytest.raises(KeyboardInterrupt):
        audit_folders(liked, ordinary, progress=cancel)
    with pytest.raises(DataError, match=r"usable liked picture.*files were skipped"):
        audit_folders(liked, ordinary, progress=remove)
