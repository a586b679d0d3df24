"""OpenCLIP model names and pretrained tags."""

from __future__ import annotations

from typing import Any

from ..utils.errors import BackboneError
from ..utils.optional_imports import cannot_import
from .weights_lookup import close_names

HUB_PREFIX = "hf-hub:"


def pretrained_tag(name: str) -> dict[str, Any]:
    """OpenCLIP's configuration of the weights `open_clip:<model>/<tag>`. Raises BackboneError for other names."""
    family, _, rest = name.partition(":")
    if family != "open_clip" or rest.startswith(HUB_PREFIX):
        raise BackboneError(
            f"The weights of {name} cannot be downloaded into a folder. That works for "
            "open_clip:<model>/<pretrained tag>."
        )
    open_clip = import_open_clip()
    model, tag, _ = model_and_weights(open_clip, rest)
    about: dict[str, Any] = open_clip.get_pretrained_cfg(model, tag)
    if not about:
        raise no_such_tag(open_clip, model, tag)
    return about


def model_and_weights(open_clip: Any, name: str) -> tuple[str, str, dict[str, Any]]:
    """Split `<model>/<tag or file>`; returns the model's name, its tag or file, and its configuration."""
    model, _, weights = name.partition("/")
    config = open_clip.get_model_config(model)
    if config is None:
        raise BackboneError(
            f"OpenCLIP {open_clip.__version__} has no model {model!r}."
            f"{close_names(model, open_clip.list_models())} Name it as open_clip:<model>/<pretrained tag or file>."
        )
    if not weights:
        raise BackboneError(
            f"open_clip:{model} does not say which weights. Add one of its tags or a file: "
            f"{known_tags(open_clip, model)}."
        )
    return model, weights, config


def import_open_clip() -> Any:
    try:
        import open_clip
    except Exception as error:
        raise BackboneError(cannot_import("This backbone", "OpenCLIP", error, "open_clip_torch")) from error
    return open_clip


def no_such_tag(open_clip: Any, model: str, tag: str) -> BackboneError:
    return BackboneError(
        f"{model} has no pretrained tag {tag!r}. Its tags are: {known_tags(open_clip, model)}."
    )


def known_tags(open_clip: Any, model: str) -> str:
    return ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "it has none, so name a file"
