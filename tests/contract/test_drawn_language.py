"""Pictures on nodes in Chinese: nothing an artist reads there is left in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from contract_support.groups import Clip
from contract_support.pictures import noise
from contract_support.post_training import Maker, RewardWithPrompts
from contract_support.rewards import AsAsked
from host_support.drawn_pictures import fill_folder

_ENGLISH = re.compile(r"[A-Za-z]{2,}")
_NAMES = re.compile(
    r"ganrm best|--output best|PICTURES|ComfyUI|models/ganrm|\.safetensors|sha256|[0-9a-f]{16}…|"
    r"AUC|NaN|VAE|GAN-RM|JPEG|WebP|PNGs?|RGB|px|sRGB|matplotlib|models/vae_approx|efficientnet_lite0|my_taste|"
    r"full|off|output/\w+|datasets/\w+|\w+\.png|my_set|my_likes|brightness|embedding:l|"
    r"LoRA|sd-scripts|OneTrainer|train_\w+\.py|--dataset_split_name train|--\w+|\.txt|chosen/\{\}|rejected/\{\}|\"[^\"]*\""
)
"""What is the same in every language: names of files, models, things and options."""


@pytest.fixture
def drawn(pack: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Every English text that was to be drawn, and what was drawn instead: the page is Chinese."""
    found: dict[str, str] = {}
    fonts, language = pack.module("ganrm_core.reports.fonts"), pack.module("ganrm_core.reports.translation")
    translated = fonts.translated

    def recording(text: str) -> str:
        found[text] = translated(text)
        return found[text]

    monkeypatch.setattr(fonts, "translated", recording)
    monkeypatch.setattr(fonts, "_can_draw", lambda _: True)  # whatever fonts this machine has
    monkeypatch.setattr(language, "_current", lambda: "zh")
    yield found
    assert found, "nothing was drawn"
    left = {text: shown for text, shown in found.items() if _ENGLISH.search(_NAMES.sub("", shown))}
    assert left == {}


@pytest.mark.usefixtures("drawn", "folders")
def test_training_evaluation_and_bootstrapping(
    pack: Any, taste: Any, training: Any, dataset: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    def train_on_files(_files: Any, settings: Any, *, load: Any, **_: Any) -> Any:
        load(settings.backbone)
        return training

    monkeypatch.setattr(pack.module("nodes.training.train"), "train_on_files", train_on_files)
    sets = {"liked": dataset(taste.liked), "ordinary": dataset(taste.ordinary)}
    few = dataset(sorted(taste.liked.iterdir())[:2], name="my_likes")
    pack.run("GANRMTrain", liked=few, ordinary=sets["ordinary"])
    for _ in range(2):  # the second time from the cache
        reward = pack.run("GANRMTrain", **sets, views=1)["reward"]
        pack.run("GANRMSaveModel", reward=reward, name="my_taste")
    pack.run("GANRMEvaluate", reward=reward, **sets)
    pool = dataset(fill_folder(tmp_path / "pool", "liked", 5, first=50))
    for kept in (True, False):
        rounds = pack.module("ganrm_core.training.self_training.rounds")
        monkeypatch.setattr(rounds, "ranks_better", lambda *_, kept=kept: kept)
        pack.run("GANRMBootstrap", reward=reward, pool=pool, rounds=1, **sets)


@pytest.mark.usefixtures("drawn", "folders")
@pytest.mark.parametrize("prompts", ["a fox", "a fox\na hen"])
def test_pictures_judged_by_their_prompt(pack: Any, prompts: str) -> None:
    reward = AsAsked(pack)
    reward.name = "brightness"
    for node in ("GANRMScore", "GANRMBestOfN"):
        pack.run(node, images=noise(2, (32, 32)), reward=reward, prompts=prompts)


@pytest.mark.usefixtures("drawn", "folders")
@pytest.mark.parametrize(
    ("node", "count", "settings"),
    [
        ("GANRMBestOfN", 6, {"keep": 2}),
        ("GANRMBestOfN", 6, {"min_score": 0.9999, "group_size": 3}),
        ("GANRMBestOfN", 6, {"keep": 3, "ties": "surer first"}),
        ("GANRMScore", 70, {}),
        ("GANRMHeatmap", 2, {}),
    ],
)
def test_nodes_that_judge(pack: Any, bright: Any, node: str, count: int, settings: dict[str, Any]) -> None:
    images = noise(count, (32, 32))
    images[-1] = float("nan")
    pack.run(node, images=images, reward=bright, **settings)


@pytest.mark.usefixtures("drawn")
def test_a_folder(pack: Any, bright: Any, shots: Path) -> None:
    (shots / "broken.png").write_bytes(b"no picture")
    for least in (0.0, 0.99999):
        pack.run("GANRMScoreFolder", folder="input/shots", reward=bright, min_score=least)


@pytest.mark.usefixtures("drawn", "folders")
def test_a_culled_folder_and_a_taste_card(pack: Any, trained: Any, folders: Any) -> None:
    shown = fill_folder(folders.input / "shown", "liked", 5, first=60)
    pack.run("GANRMCullFolder", folder="input/shown", reward=trained)
    (shown / "again.png").write_bytes(next(shown.iterdir()).read_bytes())
    pack.run("GANRMCullFolder", folder="input/shown", reward=trained)
    for author, licence in (("", ""), ("Ä", "1")):
        pack.run(
            "GANRMTasteCard",
            folder="input/shown",
            reward=trained,
            name="my_taste",
            author=author,
            licence=licence,
        )


@pytest.mark.usefixtures("drawn", "folders")
def test_a_growing_dataset(pack: Any) -> None:
    for pick in ("", "1 3-5", "2 3", ""):
        pack.run("GANRMAddToDataset", images=noise(6), dataset_name="my_set", pick=pick)
    images = noise(4, seed=1)
    images[1] = float("inf")
    pack.run("GANRMAddToDataset", images=images, dataset_name="my_set", pick="1-3")
    pack.run("GANRMImagesToDataset", images=images)


@pytest.mark.usefixtures("drawn", "folders")
@pytest.mark.parametrize(
    "settings", [{"pruning": "standard"}, {"pruning": "off", "stop_below": 0.9, "round_size": 2}]
)
def test_the_sampler(run_sampler: Any, settings: dict[str, Any]) -> None:
    run_sampler(n=8, keep=2, draw_live=True, **settings)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("after", [Maker(0.5), Maker(0.25, spread=0.01, broken=(7,))])
def test_a_comparison(pack: Any, run_comparison: Any, after: Maker) -> None:
    for pictures, judge in ((1, None), (3, RewardWithPrompts(pack))):
        run_comparison(after, gains=(1.0, 0.5), pictures=pictures, judge=judge, texts=("红鸟", "雨"))


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("layout", ["kohya", "OneTrainer", "diffusers"])
def test_an_export(export_groups: Any, layout: str) -> None:
    for what in ("best", "pairs")[: 1 + (layout != "kohya")]:
        for _ in range(2):  # the second time it is there already
            export_groups(layout=layout, what=what, folder=f"export_{what}")


def test_a_stopped_training_says_so(pack: Any, drawn: dict[str, str]) -> None:
    plot, progress = pack.module("ganrm_core.reports.live_preview"), pack.module("nodes.host.progress")
    for words in (progress.CANCELLED, progress.FAILED):
        plot.live_preview(None, plot.Stage("reading pictures", 8, 12, stopped=words, left="about 2 min left"))
    assert drawn["Cancelled"] == "已取消"


@pytest.mark.usefixtures("drawn", "folders")
def test_prompts_and_groups(pack: Any, make_groups: Any) -> None:
    clip = Clip()
    for text in ("{一|二|三}\n一", "猫 " * 80, "embedding:l"):
        pack.run("GANRMPrompts", clip=clip, text=text, file="none", most=2)
    make_groups.drawing = True
    make_groups(texts="猫 狗", count=22, steps=1)
    make_groups(texts="猫 狗", count=2, steps=1, pictures=8)


@pytest.mark.usefixtures("drawn")
def test_ratings(pack: Any, folders: Any) -> None:
    fill_folder(folders.input / "rated", "liked", 1)
    packet = pack.module("ganrm_core.data.xmp_rating").rating_packet(5)
    (folders.input / "rated" / "liked000.xmp").write_text(packet, encoding="utf-8")
    pack.run("GANRMImageFolder", folder="input/rated", rating="at least 4")
    pack.run("GANRMSaveImages", images=noise(), star_rating=True)
    unknown = SimpleNamespace(name="judge", thresholds={})
    pack.run("GANRMSaveImages", images=noise(), scores=0.5, reward=unknown, star_rating=True)
