"""What the combos offer: nothing that is then refused, not complete yet, or no folder of pictures."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack


def nasty_names(seed: int, count: int) -> list[str]:
    """Names that Linux allows for a folder, most of which mean something else on another system or in a workflow."""
    rng = random.Random(seed)
    parts = [*" .\\:'\"~*?<>|#%&;$\n\r\t\x01\x7f\u00e9\u4e2d\u202e"]
    parts += ["..", "C:", "c:\\", "\\\\server", "\udcff", "a", "cats"]
    names = {"".join(rng.choices(parts, k=rng.randint(1, 4))) for _ in range(count)}
    return sorted(names - {".", ".."})


def test_every_folder_that_is_offered_is_taken(places: Any, folders: Folders, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    homes = (folders.input, folders.output, folders.models / "ganrm_datasets", elsewhere)
    (tmp_path / "a_file").touch()
    allowed = (elsewhere, tmp_path / "gone", f"{folders.input}/../elsewhere", tmp_path / "a_file")
    (folders.user / "ganrm_folders.txt").write_text("\n".join(map(str, allowed)), encoding="utf-8")
    for seed, home in enumerate(homes):
        for name in (*nasty_names(seed, 120), "plain", "two words", "\u4e2d\u6587"):
            (home / name / "inner").mkdir(parents=True)
    choices = places.folder_choices()
    plain = {"input/plain", "output/two words/inner", "datasets/\u4e2d\u6587", f"{elsewhere}/plain"}
    assert plain <= set(choices)
    assert len(choices) > 100, "most of what is odd but clear is offered"
    for choice in choices:
        sent = json.loads(json.dumps(choice).encode("utf-8"))
        assert places.resolve_folder(sent).is_dir(), repr(choice)
        assert choice.isprintable() or "\u202e" in choice
    assert len(choices) == len(set(choices))


def test_neither_folders_of_the_system_nor_names_that_lead_elsewhere_are_offered(
    places: Any, folders: Folders
) -> None:
    system = ("@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", ".thumbnails", "cats/@eaDir/deep")
    for name in (*system, "eaDir", "a/b", "a\\b/c"):
        (folders.input / name).mkdir(parents=True)
    offered = ["input", *(f"input/{name}" for name in ("a", "a/b", "cats", "eaDir")), "output"]
    assert places.folder_choices() == offered


def test_an_unfinished_download_is_not_offered(models: Any, folders: Folders) -> None:
    import folder_paths

    whole = ("whole.safetensors", "sub/whole.safetensors")
    unfinished = (
        *("begun.safetensors", "begun.safetensors.aria2", "firefox.safetensors", "firefox.safetensors.part"),
        *("other.safetensors.crdownload", ".0123456789abcdef.part.safetensors", ".cache/hidden.safetensors"),
    )
    for home in (folders.models / "ganrm", folders.models / "clip_vision"):
        for name in (*whole, *unfinished):
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_bytes(b"content")
        (home / "empty.safetensors").touch()
        (home / "nowhere.safetensors").symlink_to(home / "gone.safetensors")
    folder_paths.filename_list_cache.clear()
    assert models.model_names() == models.vision_files() == sorted(whole)


def test_a_model_is_not_saved_under_a_name_that_is_never_listed(pack: Pack, models: Any, errors: Any) -> None:
    with pytest.raises(errors.OutputError, match="cannot be named"):
        models.new_model_path("taste.features")
    assert "cannot be named" in pack.refusal("GANRMSaveModel", name="taste.features"), "before the training"
