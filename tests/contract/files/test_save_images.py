"""Save Images with Score."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Many, Pack
from contract_support.pictures import as_core_saves, fail_to_save, noise, pixels
from PIL import Image

NAME = "GANRMSaveImages"
REWARD = SimpleNamespace(name="my taste", thresholds={})


def graph(**nodes: Any) -> dict[str, Any]:
    """n1=("Class", {inputs}) → a prompt as the page queues it."""
    return {name[1:]: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


SAVE = (NAME, {"images": ["2", 0]})
SAMPLED = graph(
    n1=SAVE,
    n2=("VAEDecode", {"samples": ["3", 0], "vae": ["5", 2]}),
    n3=("KSampler", {"seed": 42, "model": ["5", 0], "latent_image": ["4", 0]}),
    n4=("EmptyLatentImage", {"width": 64}),
    n5=("CheckpointLoaderSimple", {"ckpt_name": "a"}),
)


@pytest.fixture
def save(pack: Pack, folders: Folders) -> Callable[..., Any]:
    """(images, prompt=None, extra=None, **inputs) → the node's result."""

    def run(images: Any, prompt: Any = None, extra: Any = None, **inputs: Any) -> Any:
        return pack.run(NAME, images=images, hidden={"prompt": prompt, "extra_pnginfo": extra}, **inputs)

    return run


@pytest.fixture
def ours(folders: Folders) -> Callable[[Any], list[Any]]:
    """(result) → what each saved file has under the key "ganrm"."""

    def read(name: str) -> Any:
        with Image.open(folders.output / name) as picture:
            if name.endswith(".png"):
                return json.loads(picture.text["ganrm"])  # type: ignore[attr-defined]
            return json.loads(dict(t.split(":", 1) for t in dict(picture.getexif()).values())["ganrm"])

    return lambda result: [read(name) for name in result["files"]]


def written(folders: Folders) -> list[Path]:
    return sorted(path for path in folders.output.rglob("*") if path.is_file())


class TestMetadata:
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_png_is_what_save_image_writes_and_our_key(
        self, save: Any, ours: Any, folders: Folders, channels: int
    ) -> None:
        images = noise(2, channels=channels) * 1.2 - 0.1
        extra = {"workflow": {"nodes": [], "é": 1}, "other": [1, 2], "ganrm": {"score": 9}}
        known = {"scores": Many([0.25, 0.8731234]), "indices": Many([3, 0]), "reward": REWARD}
        result = save(images, SAMPLED, extra, **known)
        assert result["files"] == ["GAN-RM/best_00001_.png", "GAN-RM/best_00002_.png"]
        assert result.ui["images"] == [
            {"filename": f"best_0000{i}_.png", "subfolder": "GAN-RM", "type": "output"} for i in (1, 2)
        ]
        assert result.ui["scores"] == [0.25, 0.8731234]
        assert result.ui["seeds"] == [42, 42]
        for image, path in zip(images, written(folders), strict=True):
            assert (pixels(path).reshape(image.shape) == as_core_saves(image)).all()
            assert path.read_bytes().count(b"tEXtganrm") == 1, "another's is replaced"
            with Image.open(path) as saved:
                assert saved.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
                texts = saved.text  # type: ignore[attr-defined]
            assert set(texts) == {"prompt", "workflow", "other", "ganrm"}
            assert texts["prompt"] == json.dumps(SAMPLED)
            assert texts["workflow"] == json.dumps(extra["workflow"])
        assert ours(result)[1] == {"score": 0.873123, "model": "my taste", "index": 0, "seed": 42}

    def test_paths_of_a_search(self, save: Any, ours: Any) -> None:
        paths = ["5 > 23 after 8 from 4", "6"]
        result = save(noise(2), SAMPLED, {}, paths=Many(paths))
        assert [each["path"] for each in ours(result)] == paths

    @pytest.mark.parametrize(("quality", "lossless"), [(100, True), (90, False)])
    def test_webp(self, save: Any, ours: Any, folders: Folders, quality: int, lossless: bool) -> None:
        images, extra = noise(1, (33, 21)), {"workflow": {"nodes": []}}
        result = save(images, SAMPLED, extra, format="webp", quality=quality, scores=0.5)
        assert result["files"] == ["GAN-RM/best_00001_.webp"]
        path = folders.output / result["files"][0]
        with Image.open(path) as saved:
            assert saved.format == "WEBP"
            tags = dict(saved.getexif())
        assert tags[0x0110] == f"prompt:{json.dumps(SAMPLED)}"
        assert tags[0x010F] == 'workflow:{"nodes": []}'
        assert tags[0x010E].startswith("ganrm:")
        assert ours(result) == [{"score": 0.5, "seed": 42}]
        assert (pixels(path) == as_core_saves(images[0])).all() == lossless

    @pytest.mark.parametrize("form", ["png", "webp"])
    def test_json_without_nan_and_none_at_all_where_it_is_disabled(
        self, pack: Pack, save: Any, ours: Any, folders: Folders, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        prompt = {**SAMPLED, "9": {"class_type": "X", "inputs": {}, "is_changed": float("nan")}}
        extra = {"workflow": {"a": (float("-inf"), 1)}}
        scores = Many([float("nan"), float("inf")])
        result = save(noise(2), prompt, extra, format=form, scores=scores)
        assert result.ui["scores"] == [None, None]
        assert ours(result) == [{"seed": 42}] * 2
        for path in written(folders):
            data = path.read_bytes()
            assert not re.search(b"NaN|Infinity", data)
            assert b'"is_changed": null' in data
            assert b'{"a": [null, 1]}' in data

        monkeypatch.setattr(pack.module("nodes.host.metadata").args, "disable_metadata", True)
        result = save(noise(), SAMPLED, {"workflow": {}}, format=form, scores=0.5, reward=REWARD)
        data = (folders.output / result["files"][0]).read_bytes()
        assert not re.search(b"tEXt|iTXt|zTXt|EXIF|ganrm|KSampler|taste", data)


RATING = SimpleNamespace(name="my taste", thresholds={"balanced": 0.4, "fpr_5": 0.8})


class TestStarRating:
    @pytest.mark.parametrize("form", ["png", "webp"])
    def test_stars_by_the_rewards_thresholds_beside_the_workflow(
        self, pack: Pack, save: Any, ours: Any, folders: Folders, form: str
    ) -> None:
        scores = Many([0.1, 0.2, 0.4, 0.8, 0.9, float("nan")])
        extra = {"workflow": {"nodes": []}}
        result = save(noise(6), SAMPLED, extra, format=form, scores=scores, reward=RATING, star_rating=True)
        assert result.ui["stars"] == [1, 2, 3, 4, 5, None]
        assert [entry["type"] for entry in result.ui["images"]] == ["output"] * 6
        read = pack.module("ganrm_core.data.ratings").read_rating
        found = [read(folders.output / name) for name in result["files"]]
        assert [each and (each.stars, each.by_model) for each in found] == (
            [*((stars, True) for stars in range(1, 6)), None]
        )
        assert ours(result)[0] == {"score": 0.1, "model": "my taste", "seed": 42}
        with Image.open(folders.output / result["files"][3]) as picture:
            assert b'xmp:Rating="4"' in picture.info["xmp"]
            texts = picture.text if form == "png" else dict(picture.getexif())  # type: ignore[attr-defined]
        assert json.dumps(SAMPLED) in "".join(map(str, texts.values()))
        assert (pixels(folders.output / result["files"][0]) == as_core_saves(noise(6)[0])).all() == (
            form == "png"
        )

    def test_off_by_default_and_never_over_metadata_that_is_there(
        self, save: Any, ours: Any, folders: Folders
    ) -> None:
        given = {"scores": 0.9, "reward": RATING}
        result = save(noise(), SAMPLED, **given)
        assert b"Rating" not in (folders.output / result["files"][0]).read_bytes()
        assert "stars" not in result.ui
        theirs = {"XML:com.adobe.xmp": "theirs"}
        result = save(noise(), SAMPLED, theirs, star_rating=True, **given)
        data = (folders.output / result["files"][0]).read_bytes()
        assert b"xmp:Rating" not in data
        assert b"theirs" in data

    def test_why_there_are_none(self, pack: Pack, save: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        module = pack.module("nodes.files.save_images")
        told: list[str] = []
        shown = module.notice
        monkeypatch.setattr(module, "notice", lambda words: told.append(words) or shown(words))
        unknown = {"scores": 0.5, "reward": REWARD}
        for inputs, words in (
            ({"scores": 0.5}, "need the scores and the reward"),
            ({"reward": RATING}, "need the scores and the reward"),
            (unknown, "no thresholds"),
            (
                {"scores": 0.5, "reward": SimpleNamespace(name="x", thresholds={"balanced": 7.0})},
                "no thresholds",
            ),
        ):
            result = save(noise(), star_rating=True, **inputs)
            assert len(result["files"]) == 1, "the picture is saved"
            assert [entry["type"] for entry in result.ui["images"]] == ["output", "temp"]
            assert re.search(words, told.pop())
        monkeypatch.setattr(pack.module("nodes.host.metadata").args, "disable_metadata", True)
        save(noise(), star_rating=True, scores=0.5, reward=RATING)
        assert "--disable-metadata" in told.pop()


class TestNames:
    def test_counters_go_on_and_nothing_is_overwritten(self, save: Any, folders: Folders) -> None:
        mine = folders.output / "a" / "b_00007_.png"
        mine.parent.mkdir()
        mine.write_bytes(b"mine")
        assert save(noise(2), filename_prefix="a/b")["files"] == ["a/b_00008_.png", "a/b_00009_.png"]
        assert mine.read_bytes() == b"mine"
        for number in (1, 2):
            files = save(noise(2), filename_prefix="c%batch_num%")["files"]
            assert files == [f"c0_0000{number}_.png", f"c1_0000{number}_.png"]

    def test_sizes_scores_and_dates(self, save: Any, folders: Folders, monkeypatch: Any) -> None:
        images = Many([noise(2, (8, 6)), noise(1, (4, 10)), noise(1, (8, 6))])
        assert save(images, filename_prefix="%width%x%height%/p")["files"] == [
            *("6x8/p_00001_.png", "6x8/p_00002_.png", "10x4/p_00001_.png", "6x8/p_00003_.png")
        ]
        scores = Many([0.826, 0.997, float("nan"), -1.25])
        named = save(images, filename_prefix="a/best_%score%", scores=scores)["files"]
        shown = ("0.83", "1.00", "unscored", "-1.25")
        assert named == [f"a/best_{score}_00001_.png" for score in shown]
        assert pixels(folders.output / named[2]).shape == (4, 10, 3)
        assert save(noise(), filename_prefix="%score%")["files"] == ["unscored_00001_.png"]
        twice = save(noise(), filename_prefix="%score%/%score%_x", scores=0.5)
        assert twice["files"] == ["0.50/0.50_x_00001_.png"]
        # Dates as the page writes them for its own nodes.
        now = time.struct_time((2026, 3, 4, 5, 6, 7, 0, 0, 0))
        monkeypatch.setattr(time, "localtime", lambda *_: now)
        result = save(noise(), filename_prefix="%date:yyyy-MM-dd_hh.mm.ss% %date:yy M d%")
        assert result["files"] == ["2026-03-04_05.06.07 26 3 4_00001_.png"]

    def test_it_writes_into_the_output_folder_only(self, save: Any, errors: Any, tmp_path: Path) -> None:
        before = sorted(tmp_path.rglob("*"))
        for prefix in (
            "../evil",
            "a/../../evil",
            "..\\evil",
            "/tmp/evil",
            "a/C:/evil",
            "a\0evil",
            "",
            "a/..",
            "a/%date:..%/%date:..%/evil",
            "%date:.%./.%date:%./evil",
            "%date:C:%evil",
            "..%date:%",
        ):
            with pytest.raises(errors.OutputError):
                save(noise(), filename_prefix=prefix)
        assert sorted(tmp_path.rglob("*")) == before


def test_bad_inputs(save: Any, folders: Folders, errors: Any) -> None:
    for inputs, words in (
        ({"images": torch.full((1, 4, 4, 3), float("nan"))}, "Image 1 of 1 holds NaN"),
        ({"format": "gif"}, "png, webp"),
        ({"scores": Many(["good"])}, "no number"),
        ({"scores": Many(range(4))}, "There are 1 images but 4 scores"),
        ({"images": Many([noise()] * 3), "indices": Many(range(4))}, "There are 3 images but 4 indices"),
    ):
        with pytest.raises(errors.GanRMError, match=words):
            save(**{"images": noise(), **inputs})
    assert not written(folders)
    (folders.output / "a").touch()
    with pytest.raises(errors.OutputError, match="Choose another filename prefix"):
        save(noise(), filename_prefix="a/b")


def test_scores_as_other_packs_give_them_and_given_seeds(save: Any, ours: Any) -> None:
    tensor = torch.tensor([0.1, 0.9])
    for scores in (Many([[0.1, 0.9]]), Many([tensor]), Many(tensor.numpy())):
        assert [entry["score"] for entry in ours(save(noise(2), scores=scores))] == [0.1, 0.9]
    without = save(noise())
    assert ours(without) == [{}], "nothing is made up"
    assert "scores" not in without.ui
    for seed, expected in ((7, [7, 7]), (Many([7, 8]), [7, 8])):
        assert [entry["seed"] for entry in ours(save(noise(2), SAMPLED, seed=seed))] == expected


def test_a_spoilt_picture_and_a_disk_error_cost_the_others_nothing(
    save: Any, ours: Any, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = noise(4)
    images[1, 0, 0, 0], images[3, 2, 2, 1] = torch.nan, torch.inf
    scores, indices = Many([0.1, 0.0, 0.3, 0.0]), Many([0, 1, 2, 3])
    result = save(images, format="webp", scores=scores, indices=indices)
    assert result["files"] == [f"GAN-RM/best_0000{number}_.webp" for number in (1, 2)]
    assert [entry["index"] for entry in ours(result)] == [0, 2]
    assert result.ui["scores"] == [0.1, 0.3], "beside the files"
    assert [entry["type"] for entry in result.ui["images"]] == ["output", "output", "temp"]
    assert [entry["index"] for entry in result.ui["failed"]] == [1, 3]
    assert result.ui["failed"][0]["why"].startswith("Image 2 of 4 holds NaN or infinite values")

    fail_to_save(monkeypatch, OSError(5, "Input/output error"), range(1, 2))
    result = save(noise(3), filename_prefix="x/best")
    assert written(folders)[2:] == [folders.output / name for name in result["files"]]
    assert len(result["files"]) == 2
    (failed,) = result.ui["failed"]
    assert failed["index"] == 1
    assert re.search("best_00002_.png.*Input/output error", failed["why"])


OURS = {
    "n1": (NAME, {"images": ["8", 0], "reward": ["9", 0]}),
    "n8": ("GANRMBestOfN", {"images": ["2", 0], "reward": ["9", 0], "seed": 1}),
    "n9": ("GANRMTrain", {"seed": 5, "ordinary": ["10", 0]}),
    "n10": ("KSampler", {"seed": 6}),
}
CUSTOM = {"noise": ["3", 0], "latent_image": ["4", 0]}
TWO_IMAGES = {"image1": ["3", 0], "image2": ["4", 0]}
LINKED = {"seed": ["3", 0], "latent_image": ["4", 0]}
BEFORE = ("KSampler", {"seed": 12})


@pytest.mark.parametrize(
    ("prompt", "seed"),
    [
        (SAMPLED, 42),
        # Through our own nodes, but neither their seeds nor what the model was trained on.
        ({**SAMPLED, **graph(**OURS)}, 42),
        (graph(**OURS, n2=("LoadImage", {"image": "a.png"})), None),
        # Custom sampling; the nearest of two stages.
        (graph(n1=SAVE, n2=("Custom", CUSTOM), n3=("RandomNoise", {"noise_seed": 11}), n4=BEFORE), 11),
        (graph(n1=SAVE, n2=("KSampler", {"seed": 11, "latent_image": ["4", 0]}), n4=BEFORE), 11),
        # A seed that comes over a link; from a node whose seed is unknown; from two samplers.
        (graph(n1=SAVE, n2=("K", LINKED), n3=("PrimitiveInt", {"value": 9})), 9),
        (graph(n1=SAVE, n2=("K", LINKED), n3=("Random", {}), n4=BEFORE), None),
        (graph(n1=SAVE, n2=("ImageBatch", TWO_IMAGES), n3=("K", {"seed": 1}), n4=BEFORE), None),
        # Broken and circular graphs.
        (graph(n1=(NAME, {"images": ["1", 0]})), None),
        (graph(n1=(NAME, {"images": ["7", 0]})), None),
        (graph(n1=SAVE, n2=("K", {"seed": True})), None),
        ({}, None),
    ],
)
def test_seed_of_the_nearest_sampler(save: Any, ours: Any, prompt: Any, seed: int | None) -> None:
    assert ours(save(noise(), prompt))[0].get("seed") == seed
