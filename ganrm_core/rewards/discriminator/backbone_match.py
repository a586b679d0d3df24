"""Finds the backbone that a checkpoint was trained on, by name or sha256, and verifies its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...backbones.base import Backbone, BackboneSpec, sha256_of_files
from ...backbones.registry import load_backbone
from ...backbones.weights_lookup import find_by_sha256, find_file, without_folder
from ...utils.errors import BackboneError
from ...utils.files import shown

FindBackbone = Callable[[BackboneSpec], Backbone]


def find_backbone(spec: BackboneSpec, name: str | None, folders: Sequence[Path], offline: bool) -> Backbone:
    """Load the backbone of `spec` from `folders`, or the one called `name` (as `load_backbone` takes it).

    The folder in the name that `spec` gives is ignored: a checkpoint may come from anyone.
    """
    if name is None:
        name = _found_by_content(spec, folders) or without_folder(spec.name)
    return load_backbone(name, search_folders=folders, offline=offline)


def matching_backbone(path: Path, spec: BackboneSpec, find: FindBackbone) -> Backbone:
    """The backbone that `find` loads. Raises BackboneError where it fails or the weights' sha256 differs."""
    try:
        backbone = find(spec)
    except BackboneError as error:
        raise BackboneError(
            f"{shown(path)} was trained on the backbone {spec.name}, which could not be loaded: {error} "
            f"Its weights have sha256 {spec.weights_sha256[:16]}…; put them beside the checkpoint, "
            "or say where they are (--backbone, or backbone= in Python)."
        ) from error
    if backbone.spec.weights_sha256 != spec.weights_sha256:
        raise BackboneError(
            f"{shown(path)} was trained on the backbone {spec.name} with weights of sha256 "
            f"{spec.weights_sha256[:16]}…, but those found have {backbone.spec.weights_sha256[:16]}…. "
            "Scores would be meaningless: get the same weights, or train anew on these."
        )
    return backbone


def _found_by_content(spec: BackboneSpec, folders: Sequence[Path]) -> str | None:
    """Name of a single-file backbone with the sha256 of `spec`, which may have been renamed."""
    if not spec.name.startswith("file:"):
        return None
    found = find_file(without_folder(spec.name).removeprefix("file:"), folders)
    if found and sha256_of_files([found]) == spec.weights_sha256:
        return f"file:{found}"
    renamed = find_by_sha256(spec.weights_sha256, folders)
    return f"file:{renamed}" if renamed else None
