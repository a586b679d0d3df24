"""Log-odds of an answer from the logits of the next token, over every token that spells one of its words."""

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


class AnswerTokens:
    """The tokens that spell the words of an answer, in any case, with or without white space in front."""

    def __init__(self, tokenizer: Any, words: Sequence[str]) -> None:
        """Raises BackboneError where a word has no token of its own."""
        found: dict[str, list[int]] = {word: [] for word in words}
        for token, place in tokenizer.get_vocab().items():
            spelled = str(token).lstrip(_SPACES).casefold()
            if spelled in found:
                found[spelled].append(int(place))
        missing = [word for word, ids in found.items() if not ids]
        if missing:
            raise BackboneError(
                f"The model has no token of its own for: {', '.join(missing)}. Its answer cannot be read from one token: "
                "choose another way to answer, or another model."
            )
        each = [sorted(ids) for ids in found.values()]
        self.ids = torch.tensor([place for ids in each for place in ids])
        """[K]: those of the first word, then those of the second, …"""
        self._counts = [len(ids) for ids in each]

    def masses(self, logits: Tensor) -> Tensor:
        """Unnormalised log-probability of each word, float64: the sum over its tokens. `logits`: [K], those of `ids`."""
        return torch.stack([torch.logsumexp(part, 0) for part in logits.double().split(self._counts)])

    def likeliest(self, logits: Tensor) -> int:
        """The id of the likeliest token that is an answer; `logits` as in `masses`."""
        return int(self.ids[int(logits.argmax())])


def yes_log_odds(masses: Tensor) -> float:
    """log P(yes) − log P(no), so that its sigmoid is P(yes) / (P(yes) + P(no)); `masses` are those of yes and no."""
    yes, no = masses
    return float(yes - no)


def level_log_odds(masses: Tensor) -> float:
    """Log-odds of Q-Align's score, the mean of the levels' values 1, 0.75, … 0 under their probabilities.

    With p the softmax over the levels alone, score = Σ p·w, and the log-odds are log Σ p·w − log Σ p·(1 − w), exact near
    0 and 1 too. `masses` belong to levels from the best to the worst.
    """
    values = torch.linspace(1, 0, len(masses), dtype=torch.float64, device=masses.device)
    good, bad = (torch.logsumexp(masses + torch.log(weights), 0) for weights in (values, 1 - values))
    return float(good - bad)
