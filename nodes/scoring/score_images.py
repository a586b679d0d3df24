"""Node "Score Images": the score of every picture, and a ranked contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.data.given_prompts import use_of_prompts
from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.non_finite import invalid_text
from ...ganrm_core.selection.number_picks import check_numbers, picked_numbers
from ...ganrm_core.selection.ranking import CandidateScores, select_best
from ...ganrm_core.selection.settings import SelectionSettings
from ..display.candidates import UNITS, Candidates, Unit, check_unit
from ..display.empty_outputs import or_blocked
from ..display.given_prompts import prompts_input, prompts_of_pictures
from ..display.picking import pick_input, pickable
from ..display.previews import as_image
from ..display.queue_checks import single
from ..display.ranked_sheets import candidate_sheet, count_text, score_range_text, valid_scores
from ..display.shared_inputs import candidate_input, group_size_input, images_input, output, reward_input
from ..display.shown_pictures import ShownPictures
from ..host.progress import progress_bar
from ..sockets import CATEGORY, ESSENTIAL, Schema, aliases


class Score(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMScore",
            display_name="Score Images (GAN-RM)",
            search_aliases=aliases(
                "score rate rating judge quality aesthetic rank reward 打分 审美 质量",
                "aesthetic score",
                "rank images",
                "rate images",
                "image quality",
                "score images",
                "reward score",
            ),
            category=CATEGORY,
            description="Scores every picture with a reward model and shows them ranked. Takes a batch, or a list "
            "of pictures of different sizes.",
            is_input_list=True,
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            **ESSENTIAL,
            inputs=[
                images_input(lazy=True),
                reward_input(),
                group_size_input(),
                candidate_input(),
                prompts_input(),
                pick_input("They leave as `picked`, in the order they came.", optional=True),
            ],
            outputs=[
                output(
                    io.Float,
                    "scores",
                    "One score from 0 to 1 for every picture, in the order the pictures came.",
                    is_list=True,
                ),
                output(io.Image, "preview", "The pictures ranked, each with its number, score and rank."),
                output(io.String, "summary", "Lowest, middle and highest score."),
                output(
                    io.String,
                    "reasons",
                    "What a vision-language judge says about each picture, as text: its reason, and how far its answer "
                    "depends on the order. Empty for other rewards.",
                ),
                output(
                    io.Image,
                    "picked",
                    "The pictures you picked, untouched. What hangs on it waits while there are none.",
                    is_list=True,
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, candidate: list[Unit | None] | None = None, pick: list[str | None] | None = None
    ) -> bool:
        check_unit(single(candidate, UNITS[0]))
        check_numbers(single(pick, ""))
        return True

    @classmethod
    def check_lazy_status(cls, images: list[Tensor | None] | None = None, **_: Any) -> list[str]:
        return ShownPictures(cls.hidden).missing(images)

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        images: list[Tensor | None],
        reward: list[Reward],
        group_size: list[int],
        candidate: list[Unit],
        prompts: list[Any] | None = None,
        pick: list[str] | None = None,
    ) -> io.NodeOutput:
        scorer = reward[0]
        candidates = Candidates(ShownPictures(cls.hidden).take(images), candidate[0])
        picked = picked_numbers(pick[0] if pick else "", len(candidates))
        settings = SelectionSettings(group_size=group_size[0] or None)
        asked = prompts_of_pictures(scorer, prompts, len(candidates), group_size[0])
        result = candidates.score(scorer, progress_bar(), asked)
        selection = select_best(CandidateScores.of(result), settings)
        scores = result.score.tolist()
        judged_by = use_of_prompts(asked)
        sheet = candidate_sheet(
            candidates,
            scores,
            selection,
            framed=set(picked) or None,
            thresholds=scorer.thresholds,
            model=scorer.name,
            note=judged_by,
        )
        score_range = score_range_text(valid_scores(scores, selection), scorer.thresholds, scorer.name)
        reasons = list(result.remarks or [""] * len(candidates))
        lost = [f"{i + 1}: {reasons[i].splitlines()[0]}" for i in selection.invalid if reasons[i]]
        parts = (count_text(selection), invalid_text(selection.invalid), *lost, score_range, judged_by)
        summary = " · ".join(filter(None, parts))
        return io.NodeOutput(
            scores,
            as_image(sheet.image),
            summary,
            _as_text(reasons, scores),
            or_blocked(candidates.choose(picked)),
            ui=pickable(
                sheet,
                len(candidates),
                scores=scores,
                ranks=list(selection.ranks),
                spoilt=list(selection.invalid),
                reasons=reasons,
                summary=[summary],
            ),
        )


def _as_text(reasons: Sequence[str], scores: Sequence[float]) -> str:
    """One paragraph per picture, in the order the pictures came; "" where nothing is said of any."""
    if not any(reasons):
        return ""
    each = enumerate(zip(reasons, scores, strict=True), start=1)
    return "\n\n".join(
        f"{number}: {score_text(score)}\n{reason}".rstrip() for number, (reason, score) in each
    )
