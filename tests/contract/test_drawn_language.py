"""Pictures on nodes in Chinese: nothing an artist reads there is left in English."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

_ENGLISH = re.compile(r"[A-Za-z]{2,}")
_NAMES = re.compile(
    r"AUC|NaN|VAE|GAN-RM|JPEG|WebP|PNGs?|RGB|px|sRGB|matplotlib|models/vae_approx|efficientnet_lite0|my_taste|"
    r"full|off|output/\w+|datasets/\w+|\w+\.png|my_set|my_likes|Bright"
)
"""What is the same in every language: names of files, models, things and options."""


@pytest.fixture
def drawn(pack: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Every English text that was to be drawn, and what was drawn instead: the page is Chinese."""
    found: dict[str, str] = {}
    lettering, language = (
        pack.module("ganrm_core.reports.fonts"),
        pack.module("ganrm_core.reports.translation"),
    )
    told = lettering.translated

    def noting(text: str) -> str:
        found[text] = told(text)
        return found[text]

    monkeypatch.setattr(lettering, "translated", noting)
    monkeypatch.setattr(lettering, "_can_draw", lambda _: True)  # whatever fonts this machine has
    monkeypatch.setattr(language, "_current", lambda: "zh")
    yield found
    assert found, "nothing was drawn"
    left = {text: shown for text, shown in found.items() if _ENGLISH.search(_NAMES.sub("", shown))}
    assert left == {}


def _noise(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 48, 48, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.usefixtures("drawn", "folders")
def test_training_and_evaluation(pack: Any, taste: Any, dataset: Callable[..., Any]) -> None:
    sets = {"liked": dataset(taste.liked), "ordinary": dataset(taste.ordinary)}
    few = dataset(sorted(taste.liked.iterdir())[:2], name="my_likes")
    pack.run("GANRMTrain", liked=few, ordinary=sets["ordinary"])
    for _ in range(2):  # the second is kept from before
        result = pack.run("GANRMTrain", **sets, views=1)
    for name in ("my_taste", "my_taste"):
        pack.run("GANRMSaveModel", reward=result["reward"], name=name)
    pack.run("GANRMEvaluate", reward=result["reward"], **sets)


@pytest.mark.usefixtures("drawn", "folders")
@pytest.mark.parametrize("kept", [True, False])
def test_bootstrapping(
    pack: Any,
    trained: Any,
    taste: Any,
    dataset: Callable[..., Any],
    make_pictures: Callable[..., list[Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept: bool,
) -> None:
    monkeypatch.setattr(
        pack.module("ganrm_core.training.self_training.rounds"), "ranks_better", lambda *_: kept
    )
    pool = [
        *make_pictures(tmp_path / "pool", "liked", 6, 50),
        *make_pictures(tmp_path / "pool", "ordinary", 9, 50),
    ]
    sets = {"liked": dataset(taste.liked), "ordinary": dataset(taste.ordinary)}
    pack.run("GANRMBootstrap", reward=trained, pool=dataset(pool), rounds=1, **sets)


@pytest.mark.usefixtures("drawn", "folders")
@pytest.mark.parametrize(
    "settings",
    [
        {"keep": 2},
        {"keep": 1, "group_size": 3},
        {"min_score": 0.9999},
        {"min_score": 0.9999, "group_size": 3},
        {"keep": 3, "ties": "surer first"},
    ],
)
def test_best_of_n(pack: Any, trained: Any, settings: dict[str, Any]) -> None:
    images = _noise(6)
    images[4] = float("nan")
    pack.run("GANRMBestOfN", images=images, reward=trained, **settings)


@pytest.mark.usefixtures("drawn", "folders")
def test_scores(pack: Any, trained: Any) -> None:
    pack.run("GANRMScore", images=_noise(70), reward=trained)


@pytest.mark.usefixtures("drawn")
def test_a_folder(pack: Any, folders: Any, trained: Any, make_pictures: Callable[..., list[Path]]) -> None:
    make_pictures(folders.input / "mixed", "liked", 5)
    (folders.input / "mixed" / "broken.png").write_bytes(b"no picture")
    for least in (0.0, 0.99999):
        pack.run("GANRMScoreFolder", folder="input/mixed", reward=trained, min_score=least)


@pytest.mark.usefixtures("drawn", "folders")
def test_a_growing_dataset(pack: Any) -> None:
    for pick in ("", "1 3-5", "2 3", ""):
        pack.run("GANRMAddToDataset", images=_noise(6), dataset_name="my_set", pick=pick)
    images = _noise(4, 1)
    images[1] = float("inf")
    pack.run("GANRMAddToDataset", images=images, dataset_name="my_set", pick="1-3")
    pack.run("GANRMImagesToDataset", images=images)


@pytest.mark.usefixtures("drawn", "folders")
def test_a_heatmap(pack: Any, trained: Any) -> None:
    images = _noise(2)
    images[1] = float("nan")
    pack.run("GANRMHeatmap", images=images, reward=trained)


@pytest.mark.usefixtures("drawn", "folders")
@pytest.mark.parametrize(
    "settings", [{"pruning": "standard"}, {"pruning": "off", "stop_below": 0.9, "round_size": 2}]
)
def test_the_sampler(run_sampler: Any, settings: dict[str, Any]) -> None:
    run_sampler(n=8, keep=2, draw_live=True, **settings)


def test_a_stopped_training_says_so(pack: Any, drawn: dict[str, str]) -> None:
    plot, progress = pack.module("ganrm_core.reports.live_preview"), pack.module("nodes.host.progress")
    for words in (progress.CANCELLED, progress.FAILED):
        plot.live_preview(None, plot.Stage("reading pictures", 8, 12, stopped=words, left="about 2 min left"))
    assert drawn["Cancelled"] == "已取消"
    assert isinstance(plot.live_preview(None, plot.Stage("fitting", 3, 0)), Image.Image)
