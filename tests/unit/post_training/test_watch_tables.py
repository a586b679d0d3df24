"""Tables of the watch's signs in the documentation: every sign with its limits, as the plots have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganrm_core.post_training.round_limits import LIMITS, SIGNS, Sign
from ganrm_core.post_training.sign_words import SIGN_TITLES, displayed, reading
from ganrm_core.reports.chinese_lora_training import LORA_TRAINING

ROOT = Path(__file__).parents[3]
HELP = "nodes/web/docs/GANRMAdversarialTraining"
ENGLISH, CHINESE = ("below", "above"), ("低于", "高于")


@pytest.mark.parametrize("page", ["docs/post-training.md", f"{HELP}.md", f"{HELP}/zh.md"])
def test_the_limits_are_those_of_the_watch(page: str) -> None:
    rows = [line.split(" | ") for line in (ROOT / page).read_text(encoding="utf-8").splitlines()]
    tables = {row[0].removeprefix("| "): [cell.removesuffix(" |") for cell in row[2:4]] for row in rows}
    chinese = page.endswith("zh.md")
    for sign in SIGNS:
        title = LORA_TRAINING[SIGN_TITLES[sign]] if chinese else SIGN_TITLES[sign]
        assert tables.get(title) == limits(sign, CHINESE if chinese else ENGLISH), title


def limits(sign: Sign, words: tuple[str, str]) -> list[str]:
    warn, stop = LIMITS[sign].warn, LIMITS[sign].stop
    word = words[0] if displayed(sign, stop) < displayed(sign, warn) else words[1]
    return [f"{word} {reading(sign, limit)}" for limit in (warn, stop)]
