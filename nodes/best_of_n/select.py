"""Best of N."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.close_calls import SPOILT, close_calls, in_words, listed
from ...ganrm_core.selection.non_finite import check_some_are_judged, spoilt_in_words
from ...ganrm_core.selection.ranking import Order, Selection, Ties, select_best
from ...ganrm_core.utils.errors import DataError
from ..display.candidates import UNITS, Candidates, Latent, Unit, check_unit
from ..display.empty_outputs import blocked, or_blocked
from ..display.previews import as_image, in_node
from ..display.queue_checks import single
from ..display.ranked_sheets import count_words, judged, sheet_of, spread_words, too_high_words
from ..host.progress import progress_bar
from ..scoring.score_images import candidate_input, group_size_input
from ..sockets import CATEGORY, GanRMReward, Schema, advanced

_MOST = 10_000


class BestOfN(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMBestOfN",
            display_name="Best of N (GAN-RM)",
            search_aliases=[
                "best",
                "pick",
                "select",
                "choose",
                "filter",
                "curate",
                "cull",
                "rank",
                "keep",
                "favorite",
                "favourite",
                "挑选",
                "筛选",
                "最佳",
            ],
            category=CATEGORY,
            description="Keeps the best pictures and passes the others on as rejected. Latents and masks follow "
            "their pictures.",
            is_input_list=True,
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="A batch, or a list of pictures of any sizes."),
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
            ],
            outputs=[
                io.Image.Output(
                    "best", display_name="best", is_output_list=True, tooltip="The pictures kept, untouched."
                ),
                io.Latent.Output(
                    "best_latents", display_name="best latents", is_output_list=True, tooltip="Their latents."
                ),
                io.Mask.Output(
                    "best_masks", display_name="best masks", is_output_list=True, tooltip="Their masks."
                ),
                io.Image.Output(
                    "rejected",
                    display_name="rejected",
                    is_output_list=True,
                    tooltip="The others, best to worst.",
                ),
                io.Float.Output(
                    "scores",
                    display_name="scores",
                    is_output_list=True,
                    tooltip="The score of every picture that came in, in that order.",
                ),
                io.Int.Output(
                    "indices",
                    display_name="indices",
                    is_output_list=True,
                    tooltip="Where each kept picture stood in the batch, counted from 0, as Latent From Batch does. The sheet "
                    "counts from 1.",
                ),
                io.Float.Output(
                    "best_scores",
                    display_name="best scores",
                    is_output_list=True,
                    tooltip="The scores of the pictures kept, in the order of `best`.",
                ),
                io.String.Output(
                    "summary", display_name="summary", tooltip="What was kept, and the scores in a line."
                ),
                io.Image.Output(
                    "preview",
                    display_name="preview",
                    tooltip="All pictures ranked, those kept framed in gold; numbered from 1, while indices count from 0.",
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
    ) -> bool:
        """`reward` and `given_scores` are None where nothing is connected: a link is a list of None."""
        _check_judges(rewards=reward is not None, scores=given_scores is not None)
        check_unit(single(candidate, UNITS[0]))
        select_best(
            [],
            keep=single(keep, _MOST),
            scores=[],
            min_score=single(min_score, 0.0) or None,
            min_keep=single(min_keep, 0),
            group_size=single(group_size, 0) or None,
            order=single(order, "ranked"),
            ties=single(ties, "by score"),
        )
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        images: list[Tensor],
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
    ) -> io.NodeOutput:
        def select(metrics: _Figures) -> Selection:
            return select_best(
                metrics.logits,
                keep=keep[0],
                scores=metrics.scores,
                min_score=least,
                min_keep=min_keep[0],
                group_size=group_size[0] or None,
                order=order[0],
                ties=ties[0] if ties else "by score",
                uncertainties=metrics.uncertainties,
            )

        least = min_score[0] or None
        candidates = Candidates(images, candidate[0])
        given_latents, given_masks = _present(latents), _present(masks)
        # What makes no sense is refused before the long work.
        select(_Figures([], []))
        for follow, given in ((candidates.latents, given_latents), (candidates.masks, given_masks)):
            if given:
                follow(given, ())
        judge = _only(reward)
        metrics = _figures(candidates, judge, _present(given_scores))
        selection, scores = select(metrics), metrics.scores
        kept = list(selection.kept)
        close = metrics.close_calls(selection, keep[0], least)
        thresholds, model = (judge.thresholds, judge.name) if judge else ({}, "")
        warning = _nothing_kept(selection, scores, min_score[0])
        summary = _summary(
            selection,
            warning,
            in_words(close),
            spread_words(judged(scores, selection), thresholds, model),
        )
        sheet = sheet_of(
            candidates,
            scores,
            selection,
            marked=set(kept),
            thresholds=thresholds,
            model=model,
            note=in_words(close) if kept else "",
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
            as_image(sheet),
            ui=in_node(
                sheet,
                scores=scores,
                indices=kept,
                best_scores=best_scores,
                ranks=list(selection.ranks),
                close=[list(call) for call in close],
                spoilt=list(selection.spoilt),
                summary=[summary],
            ),
        )


@dataclass(frozen=True)
class _Figures:
    """What to rank by, and what to show. Scores from elsewhere are no chances, and come without uncertainties."""

    logits: list[float]
    scores: list[float]
    uncertainties: list[float] | None = None

    def close_calls(
        self, selection: Selection, keep: int, min_score: float | None
    ) -> tuple[tuple[int, ...], ...]:
        if self.uncertainties is None:
            return ()
        return close_calls(selection.groups, self.logits, self.scores, keep, min_score)


def _figures(candidates: Candidates, judge: Reward | None, given: list[Any]) -> _Figures:
    _check_judges(rewards=judge is not None, scores=bool(given))
    if judge is not None:
        result = candidates.score(judge, progress_bar())
        return _Figures(result.logit.tolist(), result.score.tolist(), result.uncertainty.tolist())
    scores = _flat(given)
    if len(scores) != len(candidates):
        raise DataError(
            f"There are {len(candidates)} candidates but {len(scores)} scores from elsewhere. Connect a scorer that "
            "gives one score for each, not their average."
        )
    spoilt = candidates.spoilt() | {i for i, score in enumerate(scores) if not math.isfinite(score)}
    logits = [SPOILT if i in spoilt else score for i, score in enumerate(scores)]
    check_some_are_judged(logits)
    return _Figures(logits, [0.0 if i in spoilt else score for i, score in enumerate(scores)])


def _check_judges(*, rewards: bool, scores: bool) -> None:
    if rewards and scores:
        raise DataError("Both a reward and scores from elsewhere are connected. Connect one of the two.")
    if not rewards and not scores:
        raise DataError(
            "Nothing to judge by: connect a reward (Load GAN-RM or Train GAN-RM), or scores from another pack."
        )


def _flat(values: Any) -> list[float]:
    """Packs give scores as a list, a list in a list, a tensor or an array."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [score for entry in values for score in _flat(entry)]
    try:
        return [float(values)]
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The scores from elsewhere hold {values!r:.100}, which is no number. Connect a scorer's FLOAT output."
        ) from error


def _only(values: list[Reward | None] | None) -> Reward | None:
    return values[0] if values else None


def _present(values: list[Any] | None) -> list[Any]:
    return [value for value in values or [] if value is not None]


def _nothing_kept(selection: Selection, scores: list[float], min_score: float) -> str:
    """What to do where nothing, or nothing of some groups, reached the minimum score; "" where all is well."""
    empty = [
        number
        for number, group in enumerate(selection.groups, start=1)
        if not set(group).intersection(selection.kept)
    ]
    if not empty:
        return ""
    advice = "make more candidates, or raise 'keep at least'."
    if not selection.kept:
        valid = judged(scores, selection)
        return f"{too_high_words(max(valid), min_score, len(valid))}, {advice}"
    groups = f"{'Group' if len(empty) == 1 else 'Groups'} {listed(list(map(str, empty)))} kept nothing"
    return f"{groups}: none there reached the minimum score of {score_text(min_score)}. Lower it, {advice}"


def _summary(selection: Selection, warning: str, close: str, spread: str) -> str:
    if selection.kept:
        numbers = ", ".join(str(position + 1) for position in selection.kept[:16])
        more = " …" if len(selection.kept) > 16 else ""
        found = f"{count_words(selection)}, {len(selection.kept)} kept: {numbers}{more}"
    else:
        found, close = f"{count_words(selection)}, none kept", ""
    return " · ".join(filter(None, (found, warning, spoilt_in_words(selection.spoilt), close, spread)))
