"""Typical durations of the phases of training, refining and evaluating, for `time_left.PhasedProgress`.

Measured on two CPU cores with EfficientNet-lite0 and pictures of about a megapixel. Only proportions within one kind
of work matter: its real speed is measured while it runs.
"""

from __future__ import annotations

from ..utils.time_left import Phase

# Per picture; a pass is one view of it through the backbone.
_HASH_S, _LOOK_S, _LEAKS_S, _PASS_S, _FIT_S = 0.002, 0.02, 0.008, 0.07, 0.06
_COMPARE_S, _MEASURE_S = 12.0, 0.1
_ADAPT_PASSES = 25.0  # of a picture: at most ten epochs, forwards and backwards through the last blocks


def training_phases(pictures: int, views: int, *, adapted: bool = False) -> tuple[Phase, ...]:
    """Phases of `trainer.train`."""
    return (
        *_files(pictures),
        Phase("looking at the pictures", _LOOK_S * pictures, "files"),
        Phase("finding copies", _HASH_S * pictures, "files"),
        Phase("looking for leaks", _LEAKS_S * pictures, "files"),
        Phase("reading pictures", _PASS_S * views * pictures, "backbone"),
        Phase("fitting", _FIT_S * pictures, "fit"),
        *([Phase("adapting", _PASS_S * _ADAPT_PASSES * pictures, "backbone")] if adapted else ()),
        Phase("comparing with itself", _COMPARE_S, "backbone"),
        Phase("measuring", _MEASURE_S, "fit"),
    )


def refining_phases(pool: int, known: int, views: int, rounds: int) -> tuple[Phase, ...]:
    """Phases of `refinement.refine`; `known` pictures that need not be read again take no time."""
    return (
        *_files(known),
        Phase("looking at the pool", _HASH_S * pool, "files"),
        Phase("looking at the pictures", _LOOK_S * known, "files"),
        Phase("finding copies", _HASH_S * known, "files"),
        Phase("looking for leaks", _LEAKS_S * known, "files"),
        Phase("reading pictures", _PASS_S * views * known, "backbone"),
        Phase("reading the pool", _PASS_S * views * pool, "backbone"),
        Phase("bootstrapping", _FIT_S * (known + pool) * (rounds + 1) / 2, "fit"),
        Phase("comparing with itself", _COMPARE_S, "backbone"),
        Phase("measuring", _MEASURE_S, "fit"),
    )


def evaluation_phases(pictures: int) -> tuple[Phase, ...]:
    """Phases of finding the files and of `evaluation.evaluate`."""
    return (*_files(pictures), Phase("scoring", _PASS_S * pictures, "backbone"))


def _files(pictures: int) -> tuple[Phase, ...]:
    seconds = _HASH_S * pictures / 2
    return tuple(Phase(f"looking at the {kind} files", seconds, "files") for kind in ("liked", "ordinary"))
