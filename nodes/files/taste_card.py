"""Node "Taste Card": a picture to share that says what a model likes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from comfy_api.latest import io

from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.folder import rank_files
from ...ganrm_core.selection.model_taste_card import card_metadata, make_taste_card
from ...ganrm_core.selection.taste_words import CardText
from ...ganrm_core.utils.errors import OutputError
from ..display.previews import as_image, in_node
from ..display.queue_checks import known
from ..display.shared_inputs import output
from ..host import folders, metadata
from ..host.fingerprints import folder_fingerprint
from ..host.model_management import model_of
from ..host.progress import progress_bar
from ..sockets import CATEGORY, GanRMReward, Schema, advanced, aliases
from .chosen_folders import pictures_in


class TasteCardNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMTasteCard",
            display_name="Taste Card (GAN-RM)",
            search_aliases=aliases("share card poster model post license licence 分享 卡片"),
            category=CATEGORY,
            description="Draws a card to share a taste with: its name and figures, what it likes best and what it passes over "
            "in a folder of yours, its licence, and how to use it. It shows no file names.",
            is_output_node=True,
            inputs=[
                GanRMReward.Input("reward", tooltip="The taste to show: from Load GAN-RM or Train GAN-RM."),
                io.Combo.Input(
                    "folder",
                    options=folders.folder_choices(),
                    tooltip="The pictures to show: its nine best and nine worst are drawn, no two of them alike. Take some that "
                    "you may publish, 18 or more.",
                ),
                io.String.Input(
                    "name", default="", tooltip="What the card calls the taste. Empty: the model's own name."
                ),
                io.String.Input("author", default="", tooltip="Whose taste it is. Empty: nobody is named."),
                io.String.Input(
                    "licence",
                    default="",
                    tooltip="What others may do with the model, such as CC BY 4.0. Empty: not stated.",
                ),
                advanced(
                    io.Boolean.Input(
                        "recursive",
                        display_name="include subfolders",
                        default=False,
                        tooltip="Also take pictures from folders inside this one.",
                    )
                ),
            ],
            outputs=[
                output(
                    io.Image,
                    "card",
                    "The card, for Save Image. The picture on this node itself, saved by a right click, also holds the model's "
                    "sha256 in its metadata.",
                ),
                output(
                    io.String,
                    "sha256",
                    "Fingerprint of the model's file as Save GAN-RM writes it, by which others know that they have the same.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, folder: str | None = None, recursive: bool | None = None) -> bool:
        if folder is not None:  # else it comes over a link
            pictures_in(folder, known(recursive, False))
        return True

    @classmethod
    def fingerprint_inputs(
        cls,
        reward: None = None,  # noqa: ARG003
        folder: str | None = None,
        name: str | None = None,  # noqa: ARG003
        author: str | None = None,  # noqa: ARG003
        licence: str | None = None,  # noqa: ARG003
        recursive: bool | None = None,
    ) -> str:
        return folder_fingerprint(folder, bool(recursive))

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        reward: Reward,
        folder: str,
        name: str = "",
        author: str = "",
        licence: str = "",
        recursive: bool = False,
    ) -> io.NodeOutput:
        model = model_of(reward)
        if model is None:
            raise OutputError(
                "A taste card shows one trained model: connect the reward of Train GAN-RM or Load GAN-RM. What combines "
                "several rewards, and published judges, have no card."
            )
        files = pictures_in(folder, recursive)
        stem = Path(model.name).name  # without the subfolder of models/ganrm
        text = CardText(name.strip() or stem, f"{stem}.safetensors", author.strip(), licence.strip())
        sha256 = hashlib.sha256(model.to_bytes()).hexdigest()
        ranked = rank_files(reward, files, None, progress=progress_bar())
        card = make_taste_card(text, model.card, sha256, ranked)
        texts = card_metadata(text, sha256) if metadata.wanted() else {}
        return io.NodeOutput(as_image(card), sha256, ui=in_node(card, texts, sha256=[sha256]))
