"""Rewards that judge pictures by their prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, PngImagePlugin
from unit_support.rewards import AsAsked, Brightness, grey

from ganrm_core.attribution.heatmap import MaskShape, heatmap
from ganrm_core.data.picture_prompt import PicturePrompt
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.base import Reward, checked_prompts, needs_prompt
from ganrm_core.rewards.clips import score_clips
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.evaluation import evaluate
from ganrm_core.rewards.prompted_files import score_prompted_files
from ganrm_core.selection.best_of_n import best_of_n
from ganrm_core.selection.folder import FolderSettings, rank_files
from ganrm_core.utils.errors import DataError, GanRMError

Painted = Callable[[str, int, str], Path]
LIGHT, DARK = 230, 30


@pytest.fixture
def painted(tmp_path: Path) -> Painted:
    """(name, grey level, prompt) → a picture that stores the prompt, or none."""

    def paint(name: str, level: int, prompt: str) -> Path:
        info = PngImagePlugin.PngInfo()
        if prompt:
            info.add_text("parameters", f"{prompt}\nSteps: 20, Seed: 1")
        Image.new("L", (24, 24), level).save(tmp_path / name, pnginfo=info)
        return tmp_path / name

    return paint


class TestWhoNeedsThem:
    def test_the_protocol(self) -> None:
        assert isinstance(AsAsked(), Reward)
        assert needs_prompt(AsAsked())
        assert not needs_prompt(Brightness())

    def test_a_reward_that_knows_no_such_property(self) -> None:
        class Old:
            name = "old"

        assert not needs_prompt(Old())  # type: ignore[arg-type]

    def test_a_combination_needs_what_a_part_needs(self, painted: Painted) -> None:
        both = CombinedReward([Brightness(), AsAsked()])
        assert both.needs_prompt
        assert not CombinedReward([Brightness(), AsAsked()], [1, 0]).needs_prompt
        dark = both.score(grey(0.1, 0.1), ["bright", "dim"])
        assert dark.logit[0] < dark.logit[1]
        with pytest.raises(DataError, match="as asked judges pictures by their prompt"):
            both.score(grey(0.1))
        files = [painted("a.png", DARK, "bright"), painted("b.png", DARK, "dim")]
        logits = [float(scores.logit) for _, scores in both.score_files(files, [], ["bright", "dim"])]
        assert logits[0] < logits[1]


class TestPromptsThatDoNotFit:
    def test_none_names_the_input(self) -> None:
        with pytest.raises(DataError, match=r"input 'prompts'.*--prompt or --prompts"):
            checked_prompts("fit", None, 2)

    def test_too_few_and_empty_ones(self) -> None:
        with pytest.raises(DataError, match="2 pictures but 1 prompts"):
            checked_prompts("fit", ["a"], 2)
        with pytest.raises(DataError, match="The prompt of picture 2 is empty"):
            checked_prompts("fit", ["a", " (embedding:x) "], 2)
        with pytest.raises(DataError, match="The prompt is empty"):
            checked_prompts("fit", [""], 1)

    def test_one_text_is_that_of_all_and_plain(self) -> None:
        assert checked_prompts("fit", "a (red:1.2) fox", 2) == ["a red fox"] * 2


def test_every_frame_of_a_clip_has_its_prompt() -> None:
    clips = [list(grey(0.1, 0.3)), list(grey(0.1, 0.3, 0.2))]
    assert score_clips(AsAsked(), clips, prompts=["bright", "dim"]).logit.tolist() == pytest.approx(
        [0.2, 0.8]
    )


def test_maps_of_a_picture_by_its_prompt() -> None:
    picture = torch.linspace(0, 1, 32).expand(3, 32, 32).contiguous()
    bright, dim = (
        heatmap(AsAsked(), picture, MaskShape(0.2, 0, 0), prompt=prompt) for prompt in ("bright", "dim")
    )
    assert bright.logit_map[0, -1] > bright.logit_map[0, 0]
    assert dim.logit_map[0, -1] < dim.logit_map[0, 0]
    with pytest.raises(DataError, match="input 'prompts'"):
        heatmap(AsAsked(), picture, MaskShape(0.2, 0, 0))


class TestFiles:
    def test_the_prompt_stored_in_each(self, painted: Painted) -> None:
        files = [
            painted("a.png", LIGHT, "bright"),
            painted("b.png", LIGHT, "dim"),
            painted("c.png", LIGHT, ""),
            painted("d.png", DARK, "dim"),
        ]
        skipped: list[Skipped] = []
        found = dict(score_prompted_files(AsAsked(), files, skipped))
        assert [path.name for path in found] == ["a.png", "b.png", "d.png"]
        assert found[files[0]].logit > 0.8 > 0.2 > found[files[1]].logit
        assert [(entry.path.name, entry.reason) for entry in skipped] == [
            ("c.png", "no prompt is stored in it")
        ]

    def test_given_prompts_and_files_that_cannot_be_read(self, painted: Painted, tmp_path: Path) -> None:
        (tmp_path / "bad.png").write_text("no")
        files = [tmp_path / "bad.png", painted("a.png", LIGHT, "dim"), painted("a.png", LIGHT, "dim")]
        skipped: list[Skipped] = []
        found = list(score_prompted_files(AsAsked(), files, skipped, lambda _: PicturePrompt("bright")))
        assert [float(scores.logit) > 0.8 for _, scores in found] == [True, True]
        assert [entry.path.name for entry in skipped] == ["bad.png"]

    def test_a_reward_without_need_never_asks(self, painted: Painted) -> None:
        def asked(path: Path) -> PicturePrompt:
            raise AssertionError(path)

        assert len(list(score_prompted_files(Brightness(), [painted("a.png", LIGHT, "")], [], asked))) == 1

    def test_cancel_while_prompts_are_read(self, painted: Painted) -> None:
        class CancelledError(Exception):
            pass

        def looked() -> None:
            raise CancelledError

        with pytest.raises(CancelledError):
            list(score_prompted_files(AsAsked(), [painted("a.png", LIGHT, "")], [], looked=looked))

    def test_ranking_best_of_n_and_evaluation_find_them(self, painted: Painted) -> None:
        files = [painted("a.png", DARK, "bright"), painted("b.png", DARK, "dim"), painted("c.png", DARK, "")]
        ranked = rank_files(AsAsked(), files, FolderSettings())
        assert [(row.path.name, row.kept) for row in ranked.rows] == [("a.png", False), ("b.png", True)]
        chosen = best_of_n(AsAsked(), files)
        assert chosen.kept == (1,)
        assert chosen.invalid == {2: "it cannot be judged: no prompt is stored in it"}
        measured = evaluate(AsAsked(), files[1:2], files[:1])
        assert measured.metrics.auc.value == 1

    def test_none_has_one(self, painted: Painted) -> None:
        files = [painted("a.png", DARK, "")]
        for judged in (rank_files, lambda *given: best_of_n(*given[:2])):
            with pytest.raises(
                GanRMError, match=r"judged by its prompt, so .*: as asked needs one for each.*--prompts"
            ):
                judged(AsAsked(), files, None)
