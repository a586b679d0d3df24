"""What a vision-language model is asked: criterion, question, way to answer, and when it gives its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from ...utils.errors import DataError
from .answer_tokens import LEVELS, YES_OR_NO

Answering = Literal["yes or no", "five levels"]
Reasoning = Literal["none", "answer first", "reason first"]

PROMPT = "{prompt}"
"""Stands in an instruction for the prompt of the picture."""
INSTRUCTIONS = {
    "quality": "Judge how well the picture is made: sharp where it should be, with clean detail, believable anatomy, "
    "perspective and light, and without artefacts.",
    "prompt fit": f'Judge how well the picture shows what was asked for: "{PROMPT}". Look at every object, its number, '
    "colour and place.",
    "aesthetics": "Judge how beautiful the picture is: composition, colour, light, mood and style.",
}
"""Default instructions by name; any other text can be given."""
ANSWER_AFTER_REASON = "\nAnswer:"
_LEVEL_START = "The quality of the image is"


@dataclass(frozen=True)
class Wording:
    """`instruction` says what to judge by and may contain {prompt}. Raises DataError for unusable settings."""

    instruction: str = INSTRUCTIONS["quality"]
    answering: Answering = "yes or no"
    reasoning: Reasoning = "none"

    def __post_init__(self) -> None:
        if not self.instruction.strip():
            raise DataError("The instruction is empty. Write what the pictures shall be judged by.")
        for value, known in ((self.answering, Answering), (self.reasoning, Reasoning)):
            if value not in get_args(known):
                raise DataError(f"There is no choice {value!r}. Use one of: {', '.join(get_args(known))}.")

    @property
    def needs_prompt(self) -> bool:
        return PROMPT in self.instruction

    @property
    def words(self) -> tuple[str, ...]:
        """The possible answers."""
        return YES_OR_NO if self.answering == "yes or no" else LEVELS

    @property
    def answer_start(self) -> str:
        """What the model's turn begins with where it answers at once, as in Q-Align's training."""
        return "" if self.answering == "yes or no" else _LEVEL_START

    def absolute(self, prompt: str) -> str:
        """The question about a single picture."""
        if self.answering == "five levels":
            return self._question("How would you rate the quality of the image by that?", prompt)
        return self._question("Is this a good picture by that?", prompt)

    def comparison(self, prompt: str) -> str:
        """The question about two pictures (Wu et al. 2025, RewardDance, arXiv 2509.08826)."""
        question = "Image 1 is the first picture, image 2 the second. Is image 2 better than image 1 by that?"
        return self._question(question, prompt)

    def without_reasons(self) -> Wording:
        """The same question, answered at once."""
        return replace(self, reasoning="none")

    def _question(self, question: str, prompt: str) -> str:
        instruction = self.instruction.strip().replace(PROMPT, prompt)
        return f"{instruction}\n{question} {self._how_to_answer()}"

    def _how_to_answer(self) -> str:
        answer = "yes or no" if self.answering == "yes or no" else f"one of: {', '.join(LEVELS)}"
        if self.reasoning == "answer first":
            return f"Answer with {answer} first, then give the reason in one or two sentences."
        if self.reasoning == "reason first":
            return f"Give the reason in one or two sentences first, then answer with {answer}."
        return f"Answer with {answer}, and with nothing else."


def check_references_fit(wording: Wording, references: int) -> None:
    """Raise DataError where pictures cannot be compared with references in this wording."""
    if references and wording.answering != "yes or no":
        raise DataError(
            "The five levels rate a picture alone. Answer with yes or no to compare it with references, or leave the "
            "references out."
        )
