"""Score Images."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.non_finite import spoilt_in_words
from ...ganrm_core.selection.ranking import select_best
from ..display.candidates import UNITS, Candidates, Unit, check_unit
from ..display.previews import as_image, in_node
from ..display.queue_checks import single
from ..display.ranked_sheets import count_words, judged, sheet_of, spread_words
from ..host.progress import progress_bar
from ..sockets import CATEGORY, GanRMReward, Schema, advanced


def group_size_input() -> io.Input:
    return io.Int.Input(
        "group_size",
        display_name="group size",
        default=0,
        min=0,
        max=10_000,
        tooltip="How many pictures in a row belong to one prompt and compete with each other. 0: all of them.",
    )


def candidate_input() -> io.Input:
    return advanced(
        io.Combo.Input(
            "candidate",
            options=list(UNITS),
            default=UNITS[0],
            tooltip="What competes: every image, or every list item as a whole, such as a clip of frames.",
        )
    )


class Score(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMScore",
            display_name="Score Images (GAN-RM)",
            search_aliases=[
                "score",
                "rate",
                "rating",
                "judge",
                "quality",
                "aesthetic",
                "rank",
                "reward",
                "打分",
                "审美",
                "质量",
            ],
            category=CATEGORY,
            description="Scores every picture with a reward model and shows them ranked. Takes a batch, or a list "
            "of pictures of different sizes.",
            is_input_list=True,
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="A batch, or a list of pictures of any sizes."),
                GanRMReward.Input(
                    "reward", tooltip="The taste to judge by: from Load GAN-RM or Train GAN-RM."
                ),
                group_size_input(),
                candidate_input(),
            ],
            outputs=[
                io.Float.Output(
                    "scores",
                    display_name="scores",
                    is_output_list=True,
                    tooltip="One score from 0 to 1 for every picture, in the order the pictures came.",
                ),
                io.Image.Output(
                    "preview",
                    display_name="preview",
                    tooltip="The pictures ranked, each with its number, score and rank.",
                ),
                io.String.Output(
                    "summary", display_name="summary", tooltip="Lowest, middle and highest score."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, candidate: list[Unit | None] | None = None) -> bool:
        check_unit(single(candidate, UNITS[0]))
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls, images: list[Tensor], reward: list[Reward], group_size: list[int], candidate: list[Unit]
    ) -> io.NodeOutput:
        judge = reward[0]
        candidates = Candidates(images, candidate[0])
        select_best([], group_size=group_size[0] or None)  # refuses what makes no sense before the long work
        result = candidates.score(judge, progress_bar())
        selection = select_best(result.logit.tolist(), group_size=group_size[0] or None)
        scores = result.score.tolist()
        sheet = sheet_of(
            candidates, scores, selection, marked=None, thresholds=judge.thresholds, model=judge.name
        )
        spread = spread_words(judged(scores, selection), judge.thresholds, judge.name)
        summary = " · ".join(
            filter(None, (count_words(selection), spoilt_in_words(selection.spoilt), spread))
        )
        return io.NodeOutput(
            scores,
            as_image(sheet),
            summary,
            ui=in_node(
                sheet,
                scores=scores,
                ranks=list(selection.ranks),
                spoilt=list(selection.spoilt),
                summary=[summary],
            ),
        )
