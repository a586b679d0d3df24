"""Node "Known Judge": a published aesthetic or preference score as a reward."""

from __future__ import annotations

from comfy_api.latest import io

from ...ganrm_core.rewards.known.judges import JUDGES, judge_named
from ..display.queue_checks import check_choice, known
from ..display.shared_inputs import output
from ..host import judge_files
from ..host.judge_files import AUTOMATIC
from ..host.model_management import ManagedNetworkReward
from ..host.safe_paths import unquoted
from ..sockets import CATEGORY, EXPERIMENTAL, GanRMReward, Schema, advanced, aliases
from .network_info import network_info

_NAMES = [judge.name for judge in JUDGES]


class KnownReward(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMKnownReward",
            display_name="Known Judge",
            search_aliases=aliases(
                "aesthetic predictor LAION PickScore HPS ImageReward preference score judge reward 审美 评分 偏好",
                "aesthetic score",
                "aesthetic predictor",
                "human preference",
                "hpsv2",
                "image reward",
                "pick score",
            ),
            category=CATEGORY,
            description="A published judge of pictures beside your own taste: an aesthetic score, or a score of how people "
            "prefer pictures of one prompt. Its weights are read from this machine; nothing is downloaded.",
            **EXPERIMENTAL,
            inputs=[
                io.Combo.Input(
                    "judge",
                    options=_NAMES,
                    default=_NAMES[0],
                    tooltip="The aesthetic ones see the picture alone. PickScore, HPS and ImageReward read its prompt too: "
                    "connect the prompt where the pictures are scored.",
                ),
                io.Combo.Input(
                    "file",
                    options=judge_files.judge_choices(),
                    default=AUTOMATIC,
                    tooltip="The judge's weights in models/ganrm_judges. automatic: the file or folder under the name it is "
                    "published by. Press R on the page to see new ones.",
                ),
                advanced(
                    io.Combo.Input(
                        "backbone",
                        display_name="vision model",
                        options=judge_files.encoder_choices(),
                        default=AUTOMATIC,
                        tooltip="Only for the aesthetic ones: CLIP ViT-L/14 or SigLIP so400m/14 at 384 in models/clip_vision. "
                        "automatic: the first file there that is of that kind.",
                    )
                ),
            ],
            outputs=[
                output(
                    GanRMReward,
                    "reward",
                    "The judge: connect it wherever a reward goes, or to Combine GAN-RMs.",
                ),
                output(
                    io.String, "info", "What the judge reads, how its own score is read, and its licence."
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, judge: str | None = None, file: str | None = None, backbone: str | None = None
    ) -> bool:
        if judge is not None:
            check_choice(judge, _NAMES, "judge")
            chosen = judge_named(judge)
            judge_files.judge_path(chosen, unquoted(known(file, AUTOMATIC)))
            judge_files.encoder_path(chosen, unquoted(known(backbone, AUTOMATIC)))
        return True

    @classmethod
    def fingerprint_inputs(cls, judge: str, file: str = AUTOMATIC, backbone: str = AUTOMATIC) -> str:
        try:
            chosen = judge_named(judge)
            paths = judge_files.judge_path(chosen, file), judge_files.encoder_path(chosen, backbone)
        except Exception:  # whatever is wrong is said when the node runs
            return "missing"
        return judge_files.fingerprint(*paths)

    @classmethod
    def execute(cls, judge: str, file: str = AUTOMATIC, backbone: str = AUTOMATIC) -> io.NodeOutput:  # type: ignore[override]
        chosen = judge_named(judge)
        path = judge_files.judge_path(chosen, unquoted(file))
        encoder = judge_files.encoder_path(chosen, unquoted(backbone))
        reward = chosen.load(path, encoder)
        files = [each.name for each in (path, encoder) if each is not None]
        info = network_info(reward, files, chosen.licence)
        return io.NodeOutput(ManagedNetworkReward(reward), info)
