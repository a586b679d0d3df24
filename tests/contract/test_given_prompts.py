"""The input `prompts` of every node that scores pictures, with a reward that judges by the prompt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.nodes import grey
from contract_support.pack import Many, Pack
from contract_support.rewards import AsAsked, Bright
from contract_support.sampling import Noise, best_seeds, worth
from PIL import Image, PngImagePlugin

HOW = r"judges pictures by their prompt, and none is connected.*input 'prompts'.*CLIP Text Encode"
SCORE, BEST, HEATMAP, FOLDER = "GANRMScore", "GANRMBestOfN", "GANRMHeatmap", "GANRMScoreFolder"


@pytest.fixture
def as_asked(pack: Pack, folders: Any) -> AsAsked:
    return AsAsked(pack)


@pytest.fixture
def prompt_set(pack: Pack) -> Callable[..., Any]:
    """(*texts) → what travels on GANRM_PROMPTS."""
    kind = pack.module("nodes.host.training.prompt_set").PromptSet
    return lambda *texts: kind(texts, tuple([] for _ in texts), "", [])


@pytest.fixture
def shots(folders: Any) -> Path:
    """A dark picture called dim, a light one called bright, and one that stores no prompt."""
    folder = folders.input / "shots"
    folder.mkdir()
    for name, level, text in (("a", 30, "dim"), ("b", 200, "bright"), ("c", 250, "")):
        info = PngImagePlugin.PngInfo()
        if text:
            graph = {
                "1": {"class_type": "KSampler", "inputs": {"seed": 1, "positive": ["2", 0]}},
                "2": {"class_type": "CLIPTextEncode", "inputs": {"text": text}},
                "3": {"class_type": "SaveImage", "inputs": {"filename_prefix": name, "images": ["1", 0]}},
            }
            info.add_text("prompt", json.dumps(graph))
        Image.new("RGB", (24, 24), (level,) * 3).save(folder / f"{name}.png", pnginfo=info)
    return folder


class TestScore:
    @pytest.mark.parametrize(
        ("given", "asked"),
        [
            ("bright", ["bright"] * 3),
            ("bright,\nsharp", ["bright, sharp"] * 3),
            ("bright\ndim\nbright sky", ["bright", "dim", "bright sky"]),
            (Many(["bright", "dim", "dim"]), ["bright", "dim", "dim"]),
            (["bright", "dim", "dim"], ["bright", "dim", "dim"]),
        ],
    )
    def test_text_and_lists(self, pack: Pack, as_asked: AsAsked, given: Any, asked: list[str]) -> None:
        result = pack.run(SCORE, images=grey(0.2, 0.2, 0.2), reward=as_asked, prompts=given)
        assert as_asked.asked == [asked]
        assert result["scores"] == pytest.approx([0.1 if "bright" in prompt else 0.4 for prompt in asked])
        number = len(set(asked))
        said = "judged by one prompt" if number == 1 else f"judged by {number} different prompts"
        assert result["summary"].endswith(said)

    def test_prompts_for_groups(self, pack: Pack, as_asked: AsAsked, prompt_set: Any) -> None:
        images = Many([grey(0.2, 0.2), grey(0.2)])
        pack.run(SCORE, images=images, reward=as_asked, group_size=2, prompts=prompt_set("bright", "dim"))
        assert as_asked.asked == [["bright", "bright", "dim"]]

    def test_clips(self, pack: Pack, as_asked: AsAsked) -> None:
        images = Many([grey(0.2, 0.4), grey(0.2)])
        pack.run(SCORE, images=images, reward=as_asked, candidate="each list item", prompts="dim\nbright")
        assert as_asked.asked == [["dim", "dim", "bright"]]

    def test_a_taste_reads_none(self, pack: Pack, bright: Bright) -> None:
        result = pack.run(SCORE, images=grey(0.2, 0.8), reward=bright, prompts=Many(["one", "two", "three"]))
        assert result["scores"] == pytest.approx([0.1, 0.4])
        assert "judged by" not in result["summary"]

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (None, HOW),
            (Many([]), HOW),
            (Many(["a", "b"]), "3 pictures but 2 prompts"),
            (" ", "prompt is empty"),
            (Many(["a", "", "b"]), "prompt of picture 2 is empty"),
            (3, "hold 3, which is no text"),
        ],
    )
    def test_what_does_not_fit(
        self, pack: Pack, as_asked: AsAsked, errors: Any, given: Any, message: str
    ) -> None:
        with pytest.raises(errors.DataError, match=message):
            pack.run(SCORE, images=grey(0.2, 0.2, 0.2), reward=as_asked, prompts=given)


class TestBestOfN:
    def test_the_best_for_each_prompt(self, pack: Pack, as_asked: AsAsked) -> None:
        images = grey(0.2, 0.8, 0.2, 0.8)
        result = pack.run(BEST, images=images, reward=as_asked, group_size=2, prompts="bright\ndim")
        assert result["indices"] == [1, 2]
        assert result["summary"].endswith("judged by 2 different prompts")

    def test_scores_from_elsewhere_need_none(self, pack: Pack) -> None:
        result = pack.run(BEST, images=grey(0.2, 0.8), given_scores=Many([2.0, 1.0]), prompts="bright")
        assert result["indices"] == [0]

    def test_none_connected(self, pack: Pack, as_asked: AsAsked, errors: Any) -> None:
        with pytest.raises(errors.DataError, match=HOW):
            pack.run(BEST, images=grey(0.2), reward=as_asked)


def test_heatmap(pack: Pack, as_asked: AsAsked, errors: Any) -> None:
    images = torch.rand(2, 32, 32, 3)
    result = pack.run(HEATMAP, images=images, reward=as_asked, prompts="bright\ndim")
    assert {tuple(set(prompts)) for prompts in as_asked.asked} == {("bright",), ("dim",)}
    assert result["mask"][0].shape == (2, 32, 32)
    with pytest.raises(errors.DataError, match=HOW):
        pack.run(HEATMAP, images=images, reward=as_asked)


class TestSamplers:
    @pytest.mark.parametrize(("prompt", "best"), [("bright,\nsharp", True), ("dim", False)])
    def test_the_prompt_of_all_candidates(
        self, run_sampler: Any, as_asked: AsAsked, prompt: str, best: bool
    ) -> None:
        result = run_sampler(reward=as_asked, prompts=prompt, pruning="standard", n=8)
        expected = best_seeds(1, range(8))[0] if best else min(range(8), key=worth)
        assert result["seeds"] == [expected]
        assert {text for prompts in as_asked.asked for text in prompts} == {prompt.replace("\n", " ")}

    @pytest.mark.parametrize(
        ("given", "message"),
        [(None, HOW), ("", "prompt is empty"), (["a", "b"], "2 different prompts.*Connect that one")],
    )
    def test_refused_before_anything_is_sampled(
        self, run_sampler: Any, as_asked: AsAsked, errors: Any, given: Any, message: str
    ) -> None:
        noise = Noise()
        noise.generate_noise = None  # type: ignore[method-assign,assignment]
        with pytest.raises(errors.DataError, match=message):
            run_sampler(reward=as_asked, prompts=given, noise=noise)

    def test_prompts_of_the_node_for_prompts(
        self, run_sampler: Any, as_asked: AsAsked, prompt_set: Any
    ) -> None:
        run_sampler(reward=as_asked, prompts=prompt_set("dim"), n=2)
        assert as_asked.asked == [["dim", "dim"]]

    def test_a_taste_reads_none(self, run_sampler: Any) -> None:
        assert run_sampler(prompts=["a", "b"], n=4)["seeds"] == best_seeds(1, range(4))


class TestScoreFolder:
    @pytest.fixture
    def score(self, pack: Pack, as_asked: AsAsked, shots: Path) -> Callable[..., Any]:
        def run(**inputs: Any) -> Any:
            return pack.run(FOLDER, folder="input/shots", **{"reward": as_asked, "keep": 1, **inputs})

        return run

    def test_each_picture_by_its_own_prompt(self, score: Any, as_asked: AsAsked) -> None:
        result = score()
        assert sorted(text for prompts in as_asked.asked for text in prompts) == ["bright", "dim"]
        assert result.ui["best"] == ["a.png"]
        assert '1 file was skipped: "c.png" (no prompt is stored in it)' in result["summary"]
        assert "c.png,,,0,,no prompt is stored in it" in result["table"]

    def test_connected_prompts_count_instead(self, score: Any, prompt_set: Any) -> None:
        assert score(prompts="bright").ui["best"] == ["c.png"]
        assert score(prompts="bright\nbright\ndim").ui["best"] == ["b.png"]
        assert score(prompts=prompt_set("dim", "bright", "dim")).ui["best"] == ["a.png"]

    def test_what_does_not_fit(self, score: Any, errors: Any, shots: Path) -> None:
        with pytest.raises(errors.DataError, match="3 pictures but 2 prompts"):
            score(prompts=["a", "b"])
        with pytest.raises(errors.DataError, match="prompt is empty"):
            score(prompts=" ")
        for name in ("a", "b"):
            (shots / f"{name}.png").unlink()
        with pytest.raises(errors.DataError, match=r"judged by its prompt.*input 'prompts'.*c\.png"):
            score()

    def test_a_taste_reads_none(self, score: Any, bright: Bright) -> None:
        assert score(reward=bright, prompts=["a", "b"]).ui["best"] == ["c.png"]


def test_evaluate_finds_the_stored_prompts(
    pack: Pack, as_asked: AsAsked, dataset: Any, shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pack.module("nodes.training.evaluate")
    monkeypatch.setattr(module, "image_report", lambda *_, **__: Image.new("RGB", (8, 8)))
    liked, ordinary = dataset([shots / "a.png", shots / "c.png"]), dataset([shots / "b.png"])
    result = pack.run("GANRMEvaluate", reward=as_asked, liked=liked, ordinary=ordinary)
    assert result["auc"] == 1.0
