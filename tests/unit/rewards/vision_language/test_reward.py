"""Vision-language reward: formulas written out on the logits of `transformers`, for three families of models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from unit_support.tiny_chat_models import WRITERS
from unit_support.tiny_judges import pictures

from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.base import Reward
from ganrm_core.rewards.vision_language.answer_tokens import LEVELS
from ganrm_core.rewards.vision_language.chat_model import ChatModel
from ganrm_core.rewards.vision_language.loading import load_chat_model
from ganrm_core.rewards.vision_language.reward import VisionLanguageReward
from ganrm_core.rewards.vision_language.wording import INSTRUCTIONS, Wording
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress

pytest.importorskip("transformers")
PICTURES = pictures((20, 31), (24, 16), (16, 16))
FILES = [Image.fromarray((image * 255).round().byte().numpy()) for image in PICTURES]
FIRST = PICTURES[0].permute(2, 0, 1)
FIT = Wording(INSTRUCTIONS["prompt fit"])


@pytest.fixture(scope="module", params=WRITERS)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    folder = tmp_path_factory.mktemp("models") / str(request.param)
    WRITERS[request.param](folder)
    return load_chat_model(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    folder = tmp_path_factory.mktemp("models") / "idefics3"
    WRITERS["idefics3"](folder)
    return load_chat_model(folder)


def upstream(model: ChatModel, files: list[Image.Image], question: str, answer: str = "") -> Tensor:
    """Probabilities of the next token by `transformers` alone."""
    content = [*({"type": "image"} for _ in files), {"type": "text", "text": question}]
    processor = model._processor
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(text=[text + answer], images=[files], return_tensors="pt")
    with torch.no_grad():
        return model.net(**inputs).logits[0, -1].double().softmax(0)


def total(model: ChatModel, probabilities: Tensor, *spellings: str) -> Tensor:
    ids = model.tokenizer.convert_tokens_to_ids(list(spellings))
    assert len(set(ids)) == len(spellings)
    return probabilities[ids].sum()


def share_of_yes(model: ChatModel, probabilities: Tensor) -> Tensor:
    yes = total(model, probabilities, "yes", "Yes", "Ġyes")
    return yes / (yes + total(model, probabilities, "no", "No", "Ġno"))


class TestFormulas:
    def test_the_score_is_the_share_of_yes(self, family: ChatModel) -> None:
        reward = VisionLanguageReward(family)
        scores = reward.score(PICTURES)
        asked = reward.wording.absolute("")
        expected = torch.stack([share_of_yes(family, upstream(family, [file], asked)) for file in FILES])
        assert torch.allclose(scores.score.double(), expected, atol=1e-5)
        assert torch.allclose(scores.logit.double(), expected.logit(), atol=1e-4)
        assert scores.uncertainty.tolist() == [0, 0, 0]
        assert scores.logit.std() > 1e-4
        assert isinstance(reward, Reward)

    def test_references_are_compared_in_both_orders(self, family: ChatModel) -> None:
        reward = VisionLanguageReward(family, FIT, [FIRST])
        scores = reward.score(PICTURES[1:2], ["two cats"])
        asked = FIT.comparison("two cats")
        there = share_of_yes(family, upstream(family, FILES[:2], asked)).logit()
        back = share_of_yes(family, upstream(family, FILES[1::-1], asked)).logit()
        assert torch.allclose(scores.logit.double(), (there - back) / 2, atol=1e-4)
        assert torch.allclose(scores.uncertainty.double(), (there + back).abs() / 2, atol=1e-4)

    def test_no_score_depends_on_its_neighbours(self, family: ChatModel) -> None:
        reward = VisionLanguageReward(family)
        alone = torch.cat([reward.score([picture]).logit for picture in PICTURES])
        assert torch.equal(reward.score(PICTURES).logit, alone)

    def test_several_references_are_averaged(self, model: ChatModel) -> None:
        references = [picture.permute(2, 0, 1) for picture in PICTURES[:2]]
        both = VisionLanguageReward(model, None, references).score(PICTURES[2:])
        each = [VisionLanguageReward(model, None, [one]).score(PICTURES[2:]) for one in references]
        assert torch.allclose(both.logit, (each[0].logit + each[1].logit) / 2)
        assert torch.allclose(both.uncertainty, (each[0].uncertainty + each[1].uncertainty) / 2)

    def test_a_picture_equals_itself_whatever_the_position_bias(self, model: ChatModel) -> None:
        (judgement,) = VisionLanguageReward(model, None, [FIRST]).judge(PICTURES[:1])
        assert judgement.logit == 0
        assert judgement.gap == abs(judgement.position_bias) > 0

    def test_five_levels_give_the_mean_level(self, model: ChatModel) -> None:
        wording = Wording(answering="five levels")
        scores = VisionLanguageReward(model, wording).score(PICTURES[:1])
        found = upstream(model, FILES[:1], wording.absolute(""), "The quality of the image is")
        masses = torch.stack(
            [total(model, found, *((level, "Ġgood") if level == "good" else (level,))) for level in LEVELS]
        )
        expected = (masses * torch.tensor([1, 0.75, 0.5, 0.25, 0])).sum() / masses.sum()
        assert torch.allclose(scores.score.double(), expected, atol=1e-6)
        with pytest.raises(DataError, match="picture alone"):
            VisionLanguageReward(model, wording, [FIRST])


class TestReasons:
    def test_answer_first_scores_before_the_reason(self, model: ChatModel) -> None:
        wording = Wording(reasoning="answer first")
        (judgement,) = VisionLanguageReward(model, wording, most_reason_tokens=6).judge(PICTURES[:1])
        expected = share_of_yes(model, upstream(model, FILES[:1], wording.absolute(""))).logit()
        assert judgement.logit == pytest.approx(float(expected), abs=1e-4)
        assert len(judgement.reasons) == 1

    def test_reason_first_scores_behind_the_reason(
        self, model: ChatModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model, "go_on", lambda *_: " It is sharp. ")
        wording = Wording(reasoning="reason first")
        (judgement,) = VisionLanguageReward(model, wording).judge(PICTURES[:1])
        found = upstream(model, FILES[:1], wording.absolute(""), " It is sharp. \nAnswer:")
        assert judgement.logit == pytest.approx(float(share_of_yes(model, found).logit()), abs=1e-4)
        assert judgement.reasons == ("It is sharp.",)

    def test_a_reason_is_of_limited_length_and_repeatable(self, model: ChatModel) -> None:
        turn = model.turn(FILES[:1], "Why?")
        steps: list[int] = []
        written = [model.go_on(FILES[:1], turn, 5, lambda: steps.append(1)) for _ in range(2)]
        assert written[0] == written[1]
        assert 2 <= len(steps) <= 10


class TestBadAnswers:
    def test_one_failure_is_not_a_number_and_the_others_stay(
        self, model: ChatModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reward = VisionLanguageReward(model)
        good = reward.score(PICTURES)
        asked = model.next_token

        def failing(files: list[Image.Image], text: str) -> Tensor:
            if files[0].size == FILES[1].size:
                raise ValueError("too narrow")
            logits = asked(files, text)
            return logits * math.nan if files[0].size == FILES[2].size else logits

        monkeypatch.setattr(model, "next_token", failing)
        judged = reward.judge(PICTURES)
        assert [each.problem for each in judged] == [
            "",
            "too narrow",
            "the model's probabilities are not numbers",
        ]
        scores = reward.score(PICTURES)
        assert scores.logit[0] == good.logit[0]
        for values in (scores.logit, scores.score, scores.uncertainty):
            assert values.isnan().tolist() == [False, True, True]

    def test_memory_running_out_is_no_answer(self, model: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> Tensor:
            raise RuntimeError("CUDA out of memory")

        monkeypatch.setattr(model, "next_token", full)
        with pytest.raises(RuntimeError, match="out of memory"):
            VisionLanguageReward(model).score(PICTURES)

    @pytest.mark.parametrize("calls", [2, 5])
    def test_progress_cancels_between_pictures_and_within_a_reason(
        self, model: ChatModel, calls: int
    ) -> None:
        seen: list[Progress] = []

        def cancel(step: Progress) -> None:
            seen.append(step)
            if len(seen) == calls:
                raise RuntimeError("stop")

        reasoning = "none" if calls == 2 else "reason first"
        with pytest.raises(RuntimeError, match="stop"):
            VisionLanguageReward(model, Wording(reasoning=reasoning)).score(PICTURES, progress=cancel)
        assert len(seen) == calls


def test_prompts_are_needed_where_the_instruction_names_them(model: ChatModel) -> None:
    assert not VisionLanguageReward(model).needs_prompt
    reward = VisionLanguageReward(model, FIT)
    with pytest.raises(DataError, match="there is none"):
        reward.score(PICTURES)
    one, other = (reward.score(PICTURES[:1], [prompt]).logit for prompt in ("a fox", "two cats"))
    assert one != other


def test_a_prompt_cannot_open_a_turn_or_announce_a_picture(model: ChatModel) -> None:
    assert model.plain("a <im<image>age><|im_end|>fox") == "a fox"
    scores = VisionLanguageReward(model, FIT).score(PICTURES[:1], ["fox <image>"])
    assert scores.logit.isfinite().all()


def test_files_stream_and_unreadable_ones_are_skipped(model: ChatModel, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path, file in zip(paths, FILES, strict=True):
        file.save(path)
    paths[1].write_bytes(b"no picture")
    reward, skipped = VisionLanguageReward(model), list[Skipped]()
    found = {path.name: scores.logit for path, scores in reward.score_files(paths, skipped)}
    assert [entry.path.name for entry in skipped] == ["b.png"]
    assert torch.equal(torch.cat(list(found.values())), reward.score(PICTURES).logit[[0, 2]])


def test_the_identity_is_that_of_weights_wording_and_references(model: ChatModel) -> None:
    rewards = [
        VisionLanguageReward(model),
        VisionLanguageReward(model, FIT),
        VisionLanguageReward(model, FIT, [FIRST]),
    ]
    assert len({reward.identity.sha256() for reward in rewards}) == 3
    assert VisionLanguageReward(model, name="other").identity.sha256() == rewards[0].identity.sha256()
