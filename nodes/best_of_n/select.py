"""Node "Best of N": keep the best pictures, with their latents and masks."""

from __future__ import annotations

from typing import Any, get_args

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.data.given_prompts import use_of_prompts
from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.close_calls import close_calls_text, join_names
from ...ganrm_core.selection.non_finite import invalid_text
from ...ganrm_core.selection.number_picks import check_numbers, picked_numbers
from ...ganrm_core.selection.picked import keep_picked
from ...ganrm_core.selection.ranking import Selection, select_best
from ...ganrm_core.selection.settings import Order, SelectionSettings, Ties
from ..display.candidates import UNITS, Candidates, Latent, Unit, check_unit
from ..display.empty_outputs import blocked, or_blocked
from ..display.given_prompts import prompts_input, prompts_of_pictures
from ..display.picking import pick_input, pickable
from ..display.previews import as_image
from ..display.queue_checks import single
from ..display.ranked_sheets import (
    below_minimum_text,
    candidate_sheet,
    count_text,
    score_range_text,
    valid_scores,
)
from ..display.shared_inputs import candidate_input, group_size_input, images_input, output
from ..display.shown_pictures import ShownPictures
from ..sockets import CATEGORY, ESSENTIAL, GanRMReward, Schema, advanced, aliases
from .given_scores import check_one_scorer, scored

_MOST = 10_000


class BestOfN(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMBestOfN",
            display_name="Best of N (GAN-RM)",
            search_aliases=aliases(
                "best pick select choose filter curate cull rank keep favorite favourite 挑选 筛选 最佳",
                "best of n",
                "filter images",
                "select best images",
                "pick the best",
                "top k",
                "rank images",
                "keep the best",
            ),
            category=CATEGORY,
            description="Keeps the best pictures and passes the others on as rejected. Latents and masks follow "
            "their pictures.",
            is_input_list=True,
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            **ESSENTIAL,
            inputs=[
                images_input(lazy=True),
                io.Int.Input(
                    "keep",
                    default=1,
                    min=1,
                    max=_MOST,
                    tooltip="How many are kept at most (of each group, where there are groups).",
                ),
                group_size_input(),
                io.Float.Input(
                    "min_score",
                    display_name="minimum score",
                    default=0.0,
                    min=-1000.0,
                    max=1000.0,
                    step=0.01,
                    round=0.001,
                    tooltip="Only pictures with at least this score are kept. 0 switches it off. The model's own "
                    "suggestion stands in the preview.",
                ),
                advanced(
                    io.Int.Input(
                        "min_keep",
                        display_name="keep at least",
                        default=0,
                        min=0,
                        max=_MOST,
                        tooltip="Keep so many even if they miss the minimum score, so that the graph never starves.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "order",
                        options=list(get_args(Order)),
                        default="ranked",
                        tooltip="The order of what is kept: best first, or as the pictures came.",
                    )
                ),
                candidate_input(),
                GanRMReward.Input(
                    "reward",
                    optional=True,
                    tooltip="The taste to judge by. Or connect scores of another pack instead.",
                ),
                io.Latent.Input(
                    "latents", optional=True, tooltip="The pictures' latents: they follow the selection."
                ),
                io.Mask.Input(
                    "masks", optional=True, tooltip="The pictures' masks: they follow the selection."
                ),
                io.Float.Input(
                    "given_scores",
                    display_name="scores from elsewhere",
                    optional=True,
                    force_input=True,
                    tooltip="One score per picture from another pack's scorer, higher is better. Instead of a reward.",
                ),
                advanced(
                    io.Combo.Input(
                        "ties",
                        display_name="if too close to call",
                        options=list(get_args(Ties)),
                        default="by score",
                        optional=True,
                        tooltip="What decides between pictures that are too close to call: the score alone, or also how "
                        "sure the model is of each. Needs a reward; seldom matters much.",
                    )
                ),
                prompts_input(),
                pick_input(
                    "These are kept instead of the best by score, however many; empty leaves the choice to the score. Keep "
                    "the sampler's seed fixed meanwhile, or the next run brings other pictures.",
                    optional=True,
                ),
            ],
            outputs=[
                output(io.Image, "best", "The pictures kept, untouched.", is_list=True),
                output(io.Latent, "best_latents", "Their latents.", is_list=True),
                output(io.Mask, "best_masks", "Their masks.", is_list=True),
                output(io.Image, "rejected", "The others, best to worst.", is_list=True),
                output(
                    io.Float,
                    "scores",
                    "The score of every picture that came in, in that order.",
                    is_list=True,
                ),
                output(
                    io.Int,
                    "indices",
                    "Where each kept picture stood in the batch, counted from 0, as Latent From Batch does. The sheet "
                    "counts from 1.",
                    is_list=True,
                ),
                output(
                    io.Float,
                    "best_scores",
                    "The scores of the pictures kept, in the order of `best`.",
                    is_list=True,
                ),
                output(io.String, "summary", "What was kept, and the scores in a line."),
                output(
                    io.Image,
                    "preview",
                    "All pictures ranked, those kept framed in gold; numbered from 1, while indices count from 0.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        keep: list[int | None] | None = None,
        group_size: list[int | None] | None = None,
        min_score: list[float | None] | None = None,
        min_keep: list[int | None] | None = None,
        order: list[Order | None] | None = None,
        candidate: list[Unit | None] | None = None,
        reward: object = None,
        given_scores: object = None,
        ties: list[Ties | None] | None = None,
        pick: list[str | None] | None = None,
    ) -> bool:
        """`reward` and `given_scores` are None where not connected: a link is a list of None."""
        check_one_scorer(rewards=reward is not None, scores=given_scores is not None)
        check_unit(single(candidate, UNITS[0]))
        check_numbers(single(pick, ""))
        SelectionSettings(
            single(keep, _MOST),
            single(group_size, 0) or None,
            single(min_score, 0.0) or None,
            single(min_keep, 0),
            single(order, "ranked"),
            single(ties, "by score"),
        )
        return True

    @classmethod
    def check_lazy_status(cls, images: list[Tensor | None] | None = None, **_: Any) -> list[str]:
        return ShownPictures(cls.hidden).missing(images)

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        images: list[Tensor | None],
        keep: list[int],
        group_size: list[int],
        min_score: list[float],
        min_keep: list[int],
        order: list[Order],
        candidate: list[Unit],
        reward: list[Reward | None] | None = None,
        latents: list[Latent | None] | None = None,
        masks: list[Tensor | None] | None = None,
        given_scores: list[Any] | None = None,
        ties: list[Ties] | None = None,
        prompts: list[Any] | None = None,
        pick: list[str] | None = None,
    ) -> io.NodeOutput:
        settings = SelectionSettings(
            keep[0],
            group_size[0] or None,
            min_score[0] or None,
            min_keep[0],
            order[0],
            ties[0] if ties else "by score",
        )
        candidates = Candidates(ShownPictures(cls.hidden).take(images), candidate[0])
        picked = picked_numbers(pick[0] if pick else "", len(candidates))
        given_latents, given_masks = _present(latents), _present(masks)
        # What does not fit is refused before the long work.
        for follow, given in ((candidates.latents, given_latents), (candidates.masks, given_masks)):
            if given:
                follow(given, ())
        scorer = reward[0] if reward else None
        asked = prompts_of_pictures(scorer, prompts, len(candidates), group_size[0]) if scorer else None
        ranked_by = scored(candidates, scorer, _present(given_scores), asked)
        selection = select_best(ranked_by, settings)
        if picked:
            selection = keep_picked(selection, picked, settings.order)
        scores, kept = list(ranked_by.scores or ()), list(selection.kept)
        thresholds, model = (scorer.thresholds, scorer.name) if scorer else ({}, "")
        warning = "" if picked else _nothing_kept(selection, scores, min_score[0])
        close = close_calls_text(selection.close) if kept else ""
        score_range = score_range_text(valid_scores(scores, selection), thresholds, model)
        judged_by = use_of_prompts(asked)
        by_hand = "picked by hand" if picked else ""
        summary = _summary(selection, by_hand or warning, close, score_range, judged_by)
        sheet = candidate_sheet(
            candidates,
            scores,
            selection,
            framed=set(kept),
            thresholds=thresholds,
            model=model,
            note=" · ".join(filter(None, (by_hand, close, judged_by))),
            warning=warning,
        )
        best_scores = [scores[position] for position in kept]
        return io.NodeOutput(
            or_blocked(candidates.choose(kept)),
            or_blocked(candidates.latents(given_latents, kept)) if given_latents else blocked(),
            or_blocked(candidates.masks(given_masks, kept)) if given_masks else blocked(),
            or_blocked(candidates.choose(selection.rejected)),
            scores,
            or_blocked(kept),
            or_blocked(best_scores),
            summary,
            as_image(sheet.image),
            ui=pickable(
                sheet,
                len(candidates),
                scores=scores,
                indices=kept,
                best_scores=best_scores,
                ranks=list(selection.ranks),
                close=[list(call) for call in selection.close],
                spoilt=list(selection.invalid),
                summary=[summary],
            ),
        )


def _present(values: list[Any] | None) -> list[Any]:
    return [value for value in values or [] if value is not None]


def _nothing_kept(selection: Selection, scores: list[float], min_score: float) -> str:
    """A warning where nothing, or nothing of some groups, reached the minimum score, or ""."""
    empty = [
        number
        for number, group in enumerate(selection.groups, start=1)
        if not set(group).intersection(selection.kept)
    ]
    if not empty:
        return ""
    advice = "make more candidates, or raise 'keep at least'."
    if not selection.kept:
        valid = valid_scores(scores, selection)
        return f"{below_minimum_text(max(valid), min_score, len(valid))}, {advice}"
    groups = f"{'Group' if len(empty) == 1 else 'Groups'} {join_names(list(map(str, empty)))} kept nothing"
    return f"{groups}: none there reached the minimum score of {score_text(min_score)}. Lower it, {advice}"


def _summary(selection: Selection, reason: str, *notes: str) -> str:
    """What was kept and for what `reason`, which candidates are spoilt, and `notes`, without the empty ones."""
    if selection.kept:
        numbers = ", ".join(str(position + 1) for position in selection.kept[:16])
        more = " …" if len(selection.kept) > 16 else ""
        found = f"{count_text(selection)}, {len(selection.kept)} kept: {numbers}{more}"
    else:
        found = f"{count_text(selection)}, none kept"
    return " · ".join(filter(None, (found, reason, invalid_text(selection.invalid), *notes)))
