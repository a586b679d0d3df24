"""Inputs and outputs of the Best-of-N Sampler nodes, and their settings."""

from __future__ import annotations

from comfy_api.latest import io

from ...ganrm_core.selection.drafts import DRAFTS, STRENGTHS, Draft, DraftSettings, Strength
from ...ganrm_core.selection.search_path import parse_path
from ...ganrm_core.selection.steering import SEARCHES, Search
from ...ganrm_core.selection.successive_halving import SCHEDULES, Schedule, parse_schedule
from ...ganrm_core.utils.errors import DataError
from ..display.given_prompts import prompts_input
from ..display.queue_checks import check_choice, known
from ..display.shared_inputs import output, reward_input
from ..sockets import advanced
from .halving_settings import DECODERS, Decoder, HalvingSettings

MOST = 256
_NO_DRAFT = DraftSettings()


def latent_input(use: str = "") -> io.Input:
    """`use`: what a picture's latent is for, in the tooltip."""
    return io.Latent.Input(
        "latent_image",
        display_name="latent image",
        tooltip=f"What every candidate starts from: an empty latent, or a picture's{use}. One; how many are made of it "
        "stands in n.",
    )


def shared_inputs() -> list[io.Input]:
    return [
        io.Vae.Input("vae", tooltip="Decodes what is looked at and what is kept."),
        reward_input(),
        io.Int.Input(
            "n", display_name="n", default=8, min=1, max=MOST, tooltip="How many candidates are begun."
        ),
        io.Int.Input("keep", default=1, min=1, max=MOST, tooltip="How many of the best come out."),
        io.Combo.Input(
            "pruning",
            options=list(SCHEDULES),
            default="standard",
            tooltip="When the weakest are given up. standard: one half after 30 % of the steps, half of the rest after "
            "50 % (53 % of the work). gentle: one half after 50 % (75 %). strong: half after 20, 35 and 50 % (38 %). off: "
            "all are finished.",
        ),
        advanced(
            io.String.Input(
                "custom_pruning",
                display_name="pruning of your own",
                default="",
                tooltip="Such as '30%: 1/2, 50%: 1/4': after 30 % of the steps one half goes on, after 50 % one quarter of "
                "all. Empty: the one chosen above.",
            )
        ),
        advanced(
            io.Combo.Input(
                "look_with",
                display_name="look with",
                options=list(DECODERS),
                default="vae",
                tooltip="What decodes half-made pictures. The preview decoder (TAESD, from models/vae_approx) is faster "
                "and coarser.",
            )
        ),
        advanced(
            io.Int.Input(
                "together",
                display_name="candidates per call",
                default=1,
                min=1,
                max=64,
                tooltip="1: each candidate is exactly what it would be alone. More: so many share a call of the model, as far "
                "as memory allows, which is faster on a graphics card and changes the last digits.",
            )
        ),
        advanced(
            io.Float.Input(
                "stop_below",
                display_name="stop if a better one is unlikely",
                default=0.0,
                min=0.0,
                max=1.0,
                step=0.01,
                tooltip="Makes the candidates in rounds, and no further round once the chance that one of it would be kept "
                "is below this. 0: all are made at once.",
            )
        ),
        advanced(
            io.Int.Input(
                "round_size",
                display_name="candidates per round",
                default=4,
                min=1,
                max=MOST,
                tooltip="How many are made before it is asked whether to stop.",
            )
        ),
        prompts_input(
            "The text that also feeds CLIP Text Encode; of several lines all belong to the one prompt."
        ),
        *_search_inputs(),
        *_draft_inputs(),
    ]


def _search_inputs() -> list[io.Input]:
    return [
        advanced(
            io.Combo.Input(
                "search",
                options=list(SEARCHES),
                default="best of n",
                optional=True,
                tooltip="best of n: every candidate is the picture of its seed. paths: of the best half-made ones, some "
                "steps are made again with other noise, and the better goes on. resample: half-made ones go on as often as "
                "their scores deserve, with partly new noise. Both take about the work of n finished pictures and do "
                "without the pruning above.",
            )
        ),
        advanced(
            io.String.Input(
                "path",
                default="",
                optional=True,
                tooltip="Of a search's winner, from the summary or its saved file, such as '5 > 23 after 8 from 4': makes that "
                "one picture again, bit for bit, with the same settings and without a search. Empty: nothing is made again.",
            )
        ),
    ]


def _draft_inputs() -> list[io.Input]:
    return [
        advanced(
            io.Combo.Input(
                "draft",
                options=list(DRAFTS),
                default="off",
                optional=True,
                tooltip="Makes all candidates roughly first, and only the best of these drafts again in full: each kept is still "
                "the very picture KSampler makes of its seed. step cache: a draft takes all steps and skips calls of the model "
                "that would change little. fewer steps: it takes fewer. off: no drafts. Goes together with pruning, not with "
                "a search.",
            )
        ),
        advanced(
            io.Combo.Input(
                "draft_strength",
                display_name="draft strength",
                options=list(STRENGTHS),
                default="standard",
                optional=True,
                tooltip="How rough drafts are: strong saves the most, gentle judges best.",
            )
        ),
        advanced(
            io.Int.Input(
                "draft_finals",
                display_name="drafts made in full",
                default=2,
                min=1,
                max=MOST,
                optional=True,
                tooltip="So many of the best drafts are made in full, and the best of those are kept. At least as many as are "
                "kept.",
            )
        ),
    ]


def outputs() -> list[io.Output]:
    return [
        output(
            io.Latent, "latents", "The latents of the pictures kept, one by one, best first.", is_list=True
        ),
        output(io.Image, "images", "The pictures kept, one by one, best first.", is_list=True),
        output(io.Float, "scores", "The score of each picture kept.", is_list=True),
        output(
            io.Int,
            "seeds",
            "The seed of each picture kept: core's sampler with the same settings makes the same picture of it. After a "
            "search that is the seed of its last noise; its path makes it again.",
            is_list=True,
        ),
        output(
            io.Int,
            "indices",
            "Which candidate each was, counted from 0: how far its seed lies after the first. The sheet counts from 1.",
            is_list=True,
        ),
        output(io.String, "summary", "What was kept, and how much work it took."),
        output(
            io.Image,
            "preview",
            "All candidates, best first: those kept framed in gold, those given up as they were then, faded.",
        ),
        output(
            io.String,
            "paths",
            "How each picture kept was made: its seed, and after a search the noise that came in later. The input path "
            "makes it again of this.",
            is_list=True,
        ),
    ]


def settings_of(
    n: int,
    keep: int,
    pruning: str,
    custom_pruning: str,
    look_with: Decoder,
    together: int,
    stop_below: float,
    round_size: int,
    search: Search = "best of n",
    path: str = "",
    draft: Draft = "off",
    draft_strength: Strength = "standard",
    draft_finals: int = 2,
) -> HalvingSettings:
    """The values of the settings' inputs, by their ids."""
    schedule = _schedule(pruning, custom_pruning)
    if path.strip():
        return HalvingSettings(1, 1, (), look_with, path=parse_path(path))
    _check_own_pruning(search, custom_pruning)
    if search != "best of n":
        schedule = ()
    drafts = DraftSettings(draft, draft_strength, draft_finals)
    return HalvingSettings(
        n, keep, schedule, look_with, together, stop_below, round_size, search, draft=drafts
    )


def check_settings(
    n: int | None,
    keep: int | None,
    pruning: str | None,
    custom_pruning: str | None,
    look_with: str | None,
    search: Search | None = None,
    path: str | None = None,
    draft: DraftSettings = _NO_DRAFT,
    steps: int | None = None,
) -> None:
    """Raise DataError for settings that contradict each other; None is not known yet."""
    if n is not None and not 1 <= n <= MOST:
        raise DataError(f"n is {n}. Begin 1 to {MOST} candidates.")
    schedule = _schedule(known(pruning, "off"), known(custom_pruning, ""))
    check_choice(known(look_with, DECODERS[0]), DECODERS, "decoder")
    check_choice(known(search, SEARCHES[0]), SEARCHES, "search")
    _check_own_pruning(known(search, SEARCHES[0]), known(custom_pruning, ""))
    if known(path, "").strip():
        parse_path(known(path, ""))
        draft = _NO_DRAFT  # one picture is made, in full
    if draft.kind != "off" and steps is not None:
        draft.levels(steps)
    HalvingSettings(known(n, MOST), known(keep, 1), schedule, search=known(search, SEARCHES[0]), draft=draft)


def known_draft(kind: str | None, strength: str | None, finals: int | None) -> DraftSettings:
    """The settings of drafts as far as they are known. Raises DataError for unknown choices."""
    return DraftSettings(known(kind, "off"), known(strength, STRENGTHS[0]), known(finals, 1))  # type: ignore[arg-type]


def _check_own_pruning(search: str, custom: str) -> None:
    if search != "best of n" and custom.strip():
        raise DataError(
            f"The search {search!r} has a pruning of its own. Empty 'pruning of your own', or search: best of n."
        )


def _schedule(pruning: str, custom: str) -> Schedule:
    if custom.strip():
        return parse_schedule(custom)
    if pruning not in SCHEDULES:
        raise DataError(f"There is no pruning {pruning!r}. Use one of: {', '.join(SCHEDULES)}.")
    return SCHEDULES[pruning]
