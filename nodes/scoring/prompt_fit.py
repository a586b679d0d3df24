"""Node "Prompt Fit": how well a picture fits its prompt, by a CLIP or SigLIP."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from comfy_api.latest import io

from ...ganrm_core.rewards.prompt_fit.loading import load_pair
from ...ganrm_core.rewards.prompt_fit.reward import Formula, PromptFit
from ..display.queue_checks import check_choice, known
from ..display.shared_inputs import output
from ..host import judge_files
from ..host.judge_files import AUTOMATIC
from ..host.model_management import ManagedNetworkReward
from ..host.safe_paths import unquoted
from ..sockets import CATEGORY, EXPERIMENTAL, GanRMReward, Schema, advanced, aliases
from .network_info import network_info

_PROPOSED = "clip_vision/clip-vit-large-patch14.safetensors"
_FORMULAS = list(get_args(Formula))


class PromptFitNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMPromptFit",
            display_name="Prompt Fit",
            search_aliases=aliases(
                "CLIP SigLIP score similarity prompt adherence PickScore judge reward 提示词 符合度",
                "clip score",
                "prompt adherence",
                "text image similarity",
            ),
            category=CATEGORY,
            description="A reward for pictures that show what their prompt says, by a CLIP or SigLIP on this machine. "
            "Combine it with your taste, so that a beautiful picture of something else does not win.",
            **EXPERIMENTAL,
            inputs=[
                io.Combo.Input(
                    "model",
                    options=judge_files.pair_choices() or [_PROPOSED],
                    tooltip="A CLIP vision file of models/clip_vision with its text encoder below, or a whole CLIP or SigLIP: "
                    "a folder with config.json in models/ganrm_judges. Press R on the page to see new ones.",
                ),
                io.Combo.Input(
                    "text_encoder",
                    display_name="text encoder",
                    options=judge_files.text_choices(),
                    default=AUTOMATIC,
                    tooltip="The other half of a CLIP vision file, such as clip_l. automatic: the only one in "
                    "models/text_encoders that fits. A whole CLIP or SigLIP needs none.",
                ),
                io.Combo.Input(
                    "formula",
                    options=_FORMULAS,
                    default=_FORMULAS[0],
                    tooltip="similarity: the cosine of picture and prompt, a gentle scale. pickscore: times the model's own "
                    "temperature, as PickScore does, a steep one. Both rank the pictures of one prompt alike.",
                ),
                advanced(
                    io.String.Input(
                        "architecture",
                        display_name="OpenCLIP architecture",
                        default="",
                        tooltip="Only for an OpenCLIP checkpoint in one file: the name of its architecture there, such as "
                        "ViT-H-14. Empty for all others.",
                    )
                ),
            ],
            outputs=[
                output(
                    GanRMReward,
                    "reward",
                    "The reward: connect it wherever a reward goes, or to Combine GAN-RMs.",
                ),
                output(io.String, "info", "Which files judge, and how the similarity becomes a score."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        model: str | None = None,
        text_encoder: str | None = None,
        formula: str | None = None,
        architecture: str | None = None,
    ) -> bool:
        check_choice(known(formula, _FORMULAS[0]), _FORMULAS, "formula")
        if model:  # else it comes over a link
            _files(model, known(text_encoder, AUTOMATIC), known(architecture, ""))
        return True

    @classmethod
    def fingerprint_inputs(
        cls,
        model: str = _PROPOSED,
        text_encoder: str = AUTOMATIC,
        formula: str = _FORMULAS[0],
        architecture: str = "",
    ) -> str:
        del formula
        try:
            return judge_files.fingerprint(*_files(model, text_encoder, architecture))
        except Exception:  # whatever is wrong is said when the node runs
            return "missing"

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        model: str = _PROPOSED,
        text_encoder: str = AUTOMATIC,
        formula: Formula = "similarity",
        architecture: str = "",
    ) -> io.NodeOutput:
        path, text = _files(model, text_encoder, architecture)
        name = f"open_clip:{architecture.strip()}/{path}" if architecture.strip() else str(path)
        reward = PromptFit(load_pair(name, str(text or "")), formula)
        info = network_info(reward, [each.name for each in (path, text) if each is not None])
        return io.NodeOutput(ManagedNetworkReward(reward), info)


def _files(model: str, text_encoder: str, architecture: str) -> tuple[Path, Path | None]:
    """The model's file or folder, and its text encoder's file where it needs one."""
    path = judge_files.pair_path(unquoted(model))
    return path, None if architecture.strip() else judge_files.text_path(unquoted(text_encoder), path)
