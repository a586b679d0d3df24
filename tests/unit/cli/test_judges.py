"""Published networks in the place of a model, alone and combined with a taste on the scale of given pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit_support.tiny_chat_models import write_qwen2_vl
from unit_support.tiny_judges import write_clip

from ganrm_core.rewards.combination_file import load_reward
from ganrm_core.rewards.combined import CombinedReward, calibration_by, model_itself
from ganrm_core.rewards.network_spec import NetworkSpec
from ganrm_core.rewards.standardisation import standards_on_images
from ganrm_core.utils.errors import CheckpointError

pytest.importorskip("transformers")
Ganrm = Callable[..., Any]
ASKED = ("--prompt", "a red fox")


@pytest.fixture(scope="module")
def folder(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A taste beside its backbone, and a CLIP."""
    folder: Path = shutil.copytree(trained.checkpoint.parent, tmp_path_factory.mktemp("judges") / "models")
    write_clip(folder / "clip")
    return folder


def logits(ran: Any) -> list[float]:
    assert ran.code == 0, ran.err
    return [line["logit"] for line in ran.json]


def test_score_and_best_by_a_judge(folder: Path, trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
    pictures = sorted(trained.liked.iterdir())
    expected = (
        NetworkSpec("prompt-fit", (folder / "clip",)).load().score(pictures, ["a red fox"] * len(pictures))
    )
    ran = ganrm("score", "prompt-fit:clip", trained.liked, "--backbones", folder, "--json", *ASKED)
    assert logits(ran) == pytest.approx(expected.logit.tolist(), abs=1e-5)
    best = ganrm(
        "best", f"pickscore:{folder / 'clip'}", trained.liked, "--output", tmp_path / "best", "--json", *ASKED
    )
    assert best.json[0]["file"] == str(pictures[int(expected.logit.argmax())])


def test_score_by_a_vision_language_model(trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
    write_qwen2_vl(tmp_path / "chat")
    pictures = sorted(trained.liked.iterdir())
    for kind, prompts in (("vision-language", ()), ("vision-language-fit", ASKED)):
        expected = (
            NetworkSpec(kind, (tmp_path / "chat",)).load().score(pictures, ["a red fox"] * len(pictures))
        )
        ran = ganrm("score", f"{kind}:{tmp_path / 'chat'}", trained.liked, "--json", *prompts)
        assert logits(ran) == pytest.approx(expected.logit.tolist(), abs=1e-5)


def test_without_a_prompt_it_says_so(folder: Path, trained: Any, ganrm: Ganrm) -> None:
    ran = ganrm("score", f"prompt-fit:{folder / 'clip'}", trained.liked)
    assert ran.code == 2
    assert "no prompt is stored in it" in ran.err


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("pikscore:clip", "Did you mean pickscore:clip"),
        ("prompt-fit:absent", 'no file or model folder "absent"'),
        ("pickscore:taste.safetensors", "needs the whole folder as published"),
    ],
)
def test_errors(folder: Path, trained: Any, ganrm: Ganrm, model: str, message: str) -> None:
    ran = ganrm("score", model, trained.liked, "--backbones", folder, *ASKED)
    assert (ran.code, message in ran.err) == (2, True), ran.err
    assert "Traceback" not in ran.err


def test_info(folder: Path, ganrm: Ganrm) -> None:
    ran = ganrm("info", f"pickscore:{folder / 'clip'}")
    assert all(
        words in ran.out for words in ("PickScore v1", "the picture and its prompt", "the weights name none")
    )
    assert (
        ganrm("info", f"prompt-fit:{folder / 'clip'}", "--json").json[0]["kind"] == "prompt fit, similarity"
    )
    chat = ganrm("info", f"vision-language-aesthetics:{folder / 'clip'}", "--json").json[0]
    assert (chat["kind"], chat["reads"]) == ("vision-language judge, aesthetics", "the picture alone")


class TestTogether:
    @pytest.fixture
    def both(self, folder: Path, trained: Any, ganrm: Ganrm) -> Path:
        path = folder / "both.json"
        path.unlink(missing_ok=True)
        parts = (folder / "taste.safetensors", f"prompt-fit:{folder / 'clip'}:0.5")
        ran = ganrm("combine", *parts, "--standardise", trained.ordinary, "--output", path, *ASKED)
        assert ran.code == 0, ran.err
        assert "prompt-fit:clip (33%, in spreads of " in ran.out
        return path

    def test_the_file_gives_the_scores_of_the_same_combination(
        self, both: Path, folder: Path, trained: Any, ganrm: Ganrm
    ) -> None:
        rewards = [
            load_reward(folder / "taste.safetensors"),
            NetworkSpec("prompt-fit", (folder / "clip",)).load(),
        ]
        ordinary, liked = sorted(trained.ordinary.iterdir()), sorted(trained.liked.iterdir())
        standards = standards_on_images(
            rewards, ordinary, ["a red fox"] * len(ordinary), calibration_of=calibration_by(model_itself)
        )
        expected = CombinedReward(rewards, [1.0, 0.5], standards=standards).score(
            liked, ["a red fox"] * len(liked)
        )
        found = logits(ganrm("score", both, trained.liked, "--json", *ASKED))
        assert found == pytest.approx(expected.logit.tolist(), abs=1e-4)
        few = logits(ganrm("score", both, liked[0], "--json", *ASKED))
        assert few == pytest.approx(found[:1], abs=1e-5)

    def test_what_it_says_of_itself(self, both: Path, ganrm: Ganrm) -> None:
        content = json.loads(both.read_text())
        assert content["ganrm_combination"] == 2
        assert [set(part) - {"file", "sha256", "weight"} for part in content["parts"]] == [
            {"standard"},
            {"standard", "reward"},
        ]
        assert str(both.parent) not in both.read_text(), "no path of this machine"
        out = ganrm("info", both).out
        assert "in log-odds" in out
        assert "prompt fit, similarity" in out

    def test_judges_that_changed_and_damaged_parts(self, both: Path, tmp_path: Path) -> None:
        moved = shutil.copytree(both.parent, tmp_path / "moved")
        assert load_reward(moved / "both.json").needs_prompt
        (moved / "clip" / "model.safetensors").write_bytes(b"another")
        with pytest.raises(CheckpointError, match="its content differs"):
            load_reward(moved / "both.json")
        content = json.loads(both.read_text())
        for changes in (
            {"reward": "evil"},
            {"further": ["/etc/passwd"]},
            {"further": [7]},
            {"standard": {"spread": 0}},
            {"standard": {"centre": "x"}},
            {"standard": [1]},
            {"architecture": 3},
        ):
            part = {**content["parts"][1], **changes}
            (moved / "odd.json").write_text(json.dumps({**content, "parts": [part]}))
            with pytest.raises(CheckpointError, match="is no combination of GAN-RMs, or is damaged"):
                load_reward(moved / "odd.json")

    def test_too_few_pictures(self, folder: Path, trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
        one = sorted(trained.liked.iterdir())[0]
        ran = ganrm(
            *("combine", folder / "taste.safetensors", "--standardise", one, "--output", tmp_path / "x.json"),
            *ASKED,
        )
        assert (ran.code, "4 pictures or more" in ran.err) == (2, True), ran.err
        assert not (tmp_path / "x.json").exists()
