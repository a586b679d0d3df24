"""Vision-language reward: formulas written out on the logits of `transformers`, for every family of models."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
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
    with pytest.MonkeyPatch.context() as patch:
        # The package that SmolVLM's processor asks for is used for clips only.
        patch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", str)
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

    @pytest.mark.parametrize("references", [[], [FIRST, FIRST[:, :16, :16]]], ids=["alone", "compared"])
    def test_several_at_once_are_judged_as_each_alone(
        self, family: ChatModel, references: list[Tensor], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, sizes = family.logits, list[int]()
        same_size = pictures(*[(20, 31)] * 3)
        several, prompts = [*same_size, *PICTURES], ["a fox", "2 cats", "a box", "a dog", "a fox", "a hat"]
        alone = VisionLanguageReward(family, FIT, references).score(several, prompts)

        def counted(together: Any, tokens: Tensor) -> Tensor:
            sizes.append(len(together))
            return asked(together, tokens)

        monkeypatch.setattr(family, "logits", counted)
        found = VisionLanguageReward(family, FIT, references, at_once=4).score(several, prompts)
        assert torch.allclose(found.logit, alone.logit, atol=1e-5, rtol=0)
        assert torch.allclose(found.uncertainty, alone.uncertainty, atol=1e-5, rtol=0)
        assert max(sizes) > 1

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
        reward = VisionLanguageReward(model, wording, most_reason_tokens=6)
        (judgement,) = reward.judge(PICTURES[:1])
        expected = share_of_yes(model, upstream(model, FILES[:1], wording.absolute(""))).logit()
        assert judgement.logit == pytest.approx(float(expected), abs=1e-4)
        assert len(judgement.reasons) == 1
        assert reward.score(PICTURES[:1]).remarks == (judgement.reasons[0],)

    def test_reason_first_scores_behind_the_reason(
        self, model: ChatModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model, "go_on", lambda *_: " It is sharp. ")
        wording = Wording(reasoning="reason first")
        (judgement,) = VisionLanguageReward(model, wording).judge(PICTURES[:1])
        found = upstream(model, FILES[:1], wording.absolute(""), " It is sharp. \nAnswer:")
        assert judgement.logit == pytest.approx(float(share_of_yes(model, found).logit()), abs=1e-4)
        assert judgement.reasons == ("It is sharp.",)

    def test_remarks_say_where_the_picture_was_and_how_much_that_counts(
        self, model: ChatModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model, "go_on", lambda *_: "Sharp.")
        reward = VisionLanguageReward(model, Wording(reasoning="reason first"), [FIRST])
        (remark,) = reward.score(PICTURES[1:2]).remarks
        (judgement,) = reward.judge(PICTURES[1:2])
        assert remark.splitlines() == [
            f"position bias {judgement.position_bias:+.2f}",
            "(as image 2) Sharp.",
            "(as image 1) Sharp.",
        ]

    def test_a_reason_is_of_limited_length_and_repeatable(self, model: ChatModel) -> None:
        asked = model.inputs(FILES[:1], model.turn(1, "Why?"))
        steps: list[int] = []
        written = [model.go_on(asked, 5, lambda: steps.append(1)) for _ in range(2)]
        assert written[0] == written[1]
        assert 2 <= len(steps) <= 10


def test_logits_of_16_bits_are_not_rounded(model: ChatModel) -> None:
    half = deepcopy(model).to(torch.bfloat16)
    asked = half.inputs(FILES[:1], half.turn(1, "Why?"))
    tokens = torch.arange(290)
    found = half.logits([asked], tokens)[0]
    with torch.no_grad():
        whole = half.net(**half._placed(asked), output_hidden_states=True)
    rounded = whole.logits[0, -1, tokens].float()
    exact = whole.hidden_states[-1][0, -1].float() @ half.net.lm_head.weight[tokens].float().T
    assert torch.allclose(found, exact, atol=1e-5)
    assert not torch.allclose(rounded, exact, atol=1e-5)
    assert torch.allclose(rounded, exact, rtol=2**-6, atol=2**-6)


def test_a_first_token_that_the_template_writes_is_not_added_again(
    model: ChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    class Processor:
        tokenizer = SimpleNamespace(bos_token="<s>")

        def __call__(self, **given: Any) -> dict[str, Any]:
            seen.append(given)
            return {}

    monkeypatch.setattr(model, "_processor", Processor())
    for text in ("<s>Hello", "Hello"):
        model.inputs([], text)
    assert [given.get("add_special_tokens", True) for given in seen] == [False, True]


class TestBadAnswers:
    @pytest.mark.parametrize("at_once", [1, 3])
    def test_one_failure_is_not_a_number_and_the_others_stay(
        self, model: ChatModel, monkeypatch: pytest.MonkeyPatch, at_once: int
    ) -> None:
        reward = VisionLanguageReward(model, at_once=at_once)
        good = reward.score(PICTURES)
        asked, prepared = model.logits, model.inputs

        def failing_inputs(files: Any, text: str) -> Any:
            if files[0].size == FILES[1].size:
                raise ValueError("too narrow")
            made = dict(prepared(files, text))
            return {**made, "pixel_values": made["pixel_values"] * math.nan} if files[0] == FILES[2] else made

        def failing(together: list[Any], tokens: Tensor) -> Tensor:
            if any(each["pixel_values"].isnan().any() for each in together):
                raise AttributeError("no such thing")
            return asked(together, tokens)

        monkeypatch.setattr(model, "inputs", failing_inputs)
        monkeypatch.setattr(model, "logits", failing)
        judged = reward.judge(PICTURES)
        assert [each.problem for each in judged] == ["", "too narrow", "no such thing"]
        monkeypatch.setattr(model, "logits", asked)
        scores = reward.score(PICTURES)
        assert scores.logit[0] == pytest.approx(float(good.logit[0]), abs=1e-5)
        for values in (scores.logit, scores.score, scores.uncertainty):
            assert values.isnan().tolist() == [False, True, True]
        assert scores.remarks == (
            "",
            "no answer: too narrow",
            "no answer: the model's probabilities are not numbers",
        )

    def test_files_without_an_answer_are_skipped_by_name(
        self, model: ChatModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(model, "logits", lambda _, tokens: torch.full((1, len(tokens)), math.nan))
        FILES[0].save(tmp_path / "a.png")
        skipped = list[Skipped]()
        assert not list(VisionLanguageReward(model).score_files([tmp_path / "a.png"], skipped))
        assert "vision-language gives no answer: the model's" in skipped[0].reason

    def test_memory_running_out_is_no_answer(self, model: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> Tensor:
            raise RuntimeError("CUDA out of memory")

        asked = model.logits
        monkeypatch.setattr(model, "logits", full)
        with pytest.raises(RuntimeError, match="out of memory"):
            VisionLanguageReward(model).score(PICTURES)
        monkeypatch.setattr(
            model, "logits", lambda them, tokens: asked(them, tokens) if len(them) == 1 else full()
        )
        same_size = PICTURES[:1] * 3
        assert VisionLanguageReward(model, at_once=3).score(same_size).logit.isfinite().all()

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
