"""What the combos offer: nothing that is then refused, not complete yet, or no folder of pictures."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def places(pack: Any, folders: Any) -> Any:
    return pack.module("nodes.host.folders")


@pytest.fixture
def models(pack: Any, folders: Any) -> Any:
    return pack.module("nodes.host.model_files")


def _allow(folders: Any, *lines: str) -> None:
    (folders.user / "ganrm_folders.txt").write_text("\n".join(lines), encoding="utf-8")


def nasty_names(seed: int, count: int) -> list[str]:
    """Names that Linux allows for a folder, most of which mean something else on another system or in a workflow."""
    rng = random.Random(seed)
    parts = [
        *" .\\:'\"~*?<>|#%&;$\n\r\t\x01\x7f\u00e9\u4e2d\u202e",
        "..",
        "C:",
        "c:\\",
        "\\\\server",
        "\udcff",
        "a",
        "cats",
    ]
    names = {"".join(rng.choices(parts, k=rng.randint(1, 4))) for _ in range(count)}
    return sorted(names - {".", ".."})


def test_every_folder_that_is_offered_is_taken(places: Any, folders: Any, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    homes = (folders.input, folders.output, folders.models / "ganrm_datasets", elsewhere)
    _allow(
        folders,
        str(elsewhere),
        str(tmp_path / "gone"),
        f"{folders.input}/../elsewhere",
        str(tmp_path / "a_file"),
    )
    (tmp_path / "a_file").touch()
    for seed, home in enumerate(homes):
        for name in (*nasty_names(seed, 300), "plain", "two words", "\u4e2d\u6587"):
            (home / name / "inner").mkdir(parents=True)
    choices = places.folder_choices()
    assert {"input/plain", "output/two words/inner", "datasets/\u4e2d\u6587", f"{elsewhere}/plain"} <= set(
        choices
    )
    assert len(choices) > 200, "most of what is odd but clear is offered"
    for choice in choices:
        sent = json.loads(json.dumps(choice).encode("utf-8"))
        assert places.resolve_folder(sent).is_dir(), repr(choice)
        assert choice.isprintable() or "\u202e" in choice
    assert len(choices) == len(set(choices))


def test_a_name_with_a_backslash_does_not_lead_to_another_folder(places: Any, folders: Any) -> None:
    (folders.input / "a" / "b").mkdir(parents=True)
    (folders.input / "a\\b" / "c").mkdir(parents=True)
    assert [name for name in places.folder_choices() if "input/" in name] == ["input/a", "input/a/b"]


def test_an_unfinished_download_is_not_offered(places: Any, folders: Any) -> None:
    import folder_paths

    models, vision = folders.models / "ganrm", folders.models / "clip_vision"
    for home in (models, vision):
        (home / "sub").mkdir()
        for name in (
            "whole.safetensors",
            "sub/whole.safetensors",
            "begun.safetensors",
            "firefox.safetensors",
        ):
            (home / name).write_bytes(b"content")
        for name in (
            "other.safetensors.part",
            "other.safetensors.crdownload",
            "other.safetensors.tmp",
            "begun.safetensors.aria2",
            "firefox.safetensors.part",
            ".0123456789abcdef.part.safetensors",
            ".cache/hidden.safetensors",
        ):
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_bytes(b"content")
        (home / "empty.safetensors").touch()
        (home / "nowhere.safetensors").symlink_to(home / "gone.safetensors")
    folder_paths.filename_list_cache.clear()
    assert models.model_names() == ["sub/whole.safetensors", "whole.safetensors"]
    assert models.vision_files() == ["sub/whole.safetensors", "whole.safetensors"]


@pytest.mark.parametrize("name", ["taste.features", "taste.features.safetensors", "sub/T.Features", "x.part"])
def test_a_model_is_not_saved_under_a_name_that_is_never_listed(
    pack: Any, places: Any, errors: Any, folders: Any, name: str
) -> None:
    with pytest.raises(errors.OutputError, match="cannot be named"):
        models.new_model_path(name)
    assert "cannot be named" in pack.refusal("GANRMSaveModel", name=name), "before the training"
    assert models.new_model_path("features") == folders.models / "ganrm" / "features.safetensors"


def test_folders_of_the_system_are_not_offered(places: Any, folders: Any) -> None:
    for name in (
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "__MACOSX",
        ".thumbnails",
        "cats/@eaDir/deep",
        "eaDir",
    ):
        for home in (folders.input, folders.models / "ganrm_datasets"):
            (home / name).mkdir(parents=True)
    choices = places.folder_choices()
    assert choices == ["input", "input/cats", "input/eaDir", "output", "datasets/cats", "datasets/eaDir"]
