"""Log-odds of an answer from the logits of the next token, over every token that spells a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...utils.errors import BackboneError

YES_OR_NO = ("yes", "no")
LEVELS = ("excellent", "good", "fair", "poor", "bad")
"""Q-Align's five levels, the best first (Wu et al. 2023, arXiv 2312.17090)."""
_SPACES = "Ġ▁Ċĉ \n\t"
"""How vocabularies write a space, a line break or a tab in front of a word: byte-level BPE, SentencePiece, plain."""


def token_ids(tokenizer: Any, words: Sequence[str]) -> tuple[Tensor, ...]:
    """For each word the ids, [K], of all tokens that spell it: in any case, with or without white space in front.

    Raises BackboneError where a word has no token of its own.
    """
    found: dict[str, list[int]] = {word: [] for word in words}
    for token, place in tokenizer.get_vocab().items():
        spelled = str(token).lstrip(_SPACES).casefold()
        if spelled in found:
            found[spelled].append(int(place))
    missing = [word for word, ids in found.items() if not ids]
    if missing:
        raise BackboneError(
            f"The model has no token of its own for: {', '.join(missing)}. Its answer cannot be read from one token: choose "
            "another way to answer, or another model."
        )
    return tuple(torch.tensor(sorted(ids)) for ids in found.values())


def yes_log_odds(logits: Tensor, ids: Sequence[Tensor]) -> float:
    """log P(yes) − log P(no), so that its sigmoid is P(yes) / (P(yes) + P(no)); `ids` are those of yes and of no."""
    yes, no = _masses(logits, ids)
    return float(yes - no)


def level_log_odds(logits: Tensor, ids: Sequence[Tensor]) -> float:
    """Log-odds of Q-Align's score, the mean of the levels' values 1, 0.75, … 0 under their probabilities.

    With p the softmax over the levels alone, score = Σ p·w, and the log-odds are log Σ p·w − log Σ p·(1 − w), exact near
    0 and 1 too. `ids` belong to levels from the best to the worst.
    """
    masses = _masses(logits, ids)
    values = torch.linspace(1, 0, len(ids), dtype=torch.float64, device=masses.device)
    good, bad = (torch.logsumexp(masses + torch.log(weights), 0) for weights in (values, 1 - values))
    return float(good - bad)


def _masses(logits: Tensor, ids: Sequence[Tensor]) -> Tensor:
    """Unnormalised log-probability of each word, float64: the sum over its tokens."""
    exact = logits.double()
    return torch.stack([torch.logsumexp(exact[each.to(exact.device)], 0) for each in ids])
