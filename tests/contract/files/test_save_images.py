"""Save Images with Score."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.pack import Folders, Many, Pack
from PIL import Image

NAME = "GANRMSaveImages"
REWARD = SimpleNamespace(name="my taste", thresholds={})


def noise(count: int = 1, size: tuple[int, int] = (8, 6), channels: int = 3) -> torch.Tensor:
    return torch.rand(count, *size, channels, generator=torch.Generator().manual_seed(0))


def graph(**nodes: Any) -> dict[str, Any]:
    """n1=("Class", {inputs}) → a prompt as the page queues it."""
    return {name[1:]: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


SAMPLED = graph(
    n1=(NAME, {"images": ["2", 0]}),
    n2=("VAEDecode", {"samples": ["3", 0], "vae": ["5", 2]}),
    n3=("KSampler", {"seed": 42, "model": ["5", 0], "latent_image": ["4", 0]}),
    n4=("EmptyLatentImage", {"width": 64}),
    n5=("CheckpointLoaderSimple", {"ckpt_name": "a"}),
)


def ours(path: Path) -> Any:
    with Image.open(path) as picture:
        if path.suffix == ".png":
            return json.loads(picture.text["ganrm"])  # type: ignore[attr-defined]
        texts = dict(text.split(":", 1) for text in dict(picture.getexif()).values())
        return json.loads(texts["ganrm"])


@pytest.fixture
def errors(pack: Pack) -> Any:
    return pack.module("ganrm_core.utils.errors")


def test_schema(pack: Pack, folders: Folders) -> None:
    schema = pack.schema(NAME)
    assert [socket.id for socket in schema.inputs] == [
        "images", "filename_prefix", "format", "quality", "scores", "indices", "reward", "seed",
    ]  # fmt: skip
    assert [socket.id for socket in schema.inputs if socket.optional] == [
        "scores",
        "indices",
        "reward",
        "seed",
    ]
    assert [(socket.id, socket.is_output_list) for socket in schema.outputs] == [("files", True)]
    assert schema.is_output_node
    assert schema.is_input_list


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_what_save_image_writes_and_our_key(pack: Pack, folders: Folders, channels: int) -> None:
    images = noise(2, channels=channels) * 1.2 - 0.1
    extra = {"workflow": {"nodes": [], "é": 1}, "other": [1, 2]}
    result = pack.run(
        NAME,
        images=images,
        scores=Many([0.25, 0.8731234]),
        indices=Many([3, 0]),
        reward=REWARD,
        hidden={"prompt": SAMPLED, "extra_pnginfo": extra},
    )
    assert result["files"] == ["GAN-RM/best_00001_.png", "GAN-RM/best_00002_.png"]
    assert result.ui["images"] == [
        {"filename": f"best_0000{i}_.png", "subfolder": "GAN-RM", "type": "output"} for i in (1, 2)
    ]
    assert result.ui["scores"] == [0.25, 0.8731234]
    assert result.ui["seeds"] == [42, 42]
    for image, name in zip(images, result["files"], strict=True):
        with Image.open(folders.output / name) as saved:
            assert saved.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
            expected = np.clip(255.0 * image.numpy(), 0, 255).astype(np.uint8)
            assert (np.asarray(saved).reshape(image.shape) == expected).all()
            assert list(saved.text) == ["prompt", "workflow", "other", "ganrm"]  # type: ignore[attr-defined]
            assert saved.text["prompt"] == json.dumps(SAMPLED)  # type: ignore[attr-defined]
            assert saved.text["workflow"] == json.dumps(extra["workflow"])  # type: ignore[attr-defined]
    assert ours(folders.output / result["files"][1]) == {
        "score": 0.873123, "model": "my taste", "index": 0, "seed": 42,
    }  # fmt: skip


@pytest.mark.parametrize(("quality", "lossless"), [(100, True), (90, False)])
def test_webp(pack: Pack, folders: Folders, quality: int, lossless: bool) -> None:
    images = noise(1, (33, 21))
    result = pack.run(
        NAME,
        images=images,
        format="webp",
        quality=quality,
        scores=0.5,
        hidden={"prompt": SAMPLED, "extra_pnginfo": {"workflow": {"nodes": []}}},
    )
    assert result["files"] == ["GAN-RM/best_00001_.webp"]
    path = folders.output / result["files"][0]
    with Image.open(path) as saved:
        assert saved.format == "WEBP"
        tags = dict(saved.getexif())
        same = (np.asarray(saved) == np.clip(255.0 * images[0].numpy(), 0, 255).astype(np.uint8)).all()
    assert tags[0x0110] == f"prompt:{json.dumps(SAMPLED)}"
    assert tags[0x010F] == 'workflow:{"nodes": []}'
    assert tags[0x010E].startswith("ganrm:")
    assert ours(path) == {"score": 0.5, "seed": 42}
    assert same == lossless


@pytest.mark.parametrize("form", ["png", "webp"])
def test_disable_metadata_is_obeyed_wholly(
    pack: Pack, folders: Folders, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack.module("nodes.host.metadata").args, "disable_metadata", True)
    result = pack.run(
        NAME,
        images=noise(),
        format=form,
        scores=0.5,
        reward=REWARD,
        hidden={"prompt": SAMPLED, "extra_pnginfo": {"workflow": {}}},
    )
    data = (folders.output / result["files"][0]).read_bytes()
    assert not any(
        word in data for word in (b"tEXt", b"iTXt", b"zTXt", b"EXIF", b"ganrm", b"KSampler", b"taste")
    )


def test_without_a_prompt_nothing_is_made_up(pack: Pack, folders: Folders) -> None:
    result = pack.run(NAME, images=noise())
    path = folders.output / result["files"][0]
    with Image.open(path) as saved:
        assert dict(saved.text) == {"ganrm": "{}"}  # type: ignore[attr-defined]
    assert "scores" not in result.ui


@pytest.mark.parametrize("form", ["png", "webp"])
def test_no_figure_that_json_does_not_know(pack: Pack, folders: Folders, form: str) -> None:
    prompt = {**SAMPLED, "9": {"class_type": "X", "inputs": {}, "is_changed": float("nan")}}
    result = pack.run(
        NAME,
        images=noise(2),
        format=form,
        scores=Many([float("nan"), float("inf")]),
        hidden={"prompt": prompt, "extra_pnginfo": {"workflow": {"a": (float("-inf"), 1)}}},
    )
    assert result.ui["scores"] == [None, None]
    for name in result["files"]:
        assert ours(folders.output / name) == {"seed": 42}
        data = (folders.output / name).read_bytes()
        assert b"NaN" not in data
        assert b"Infinity" not in data
        assert b'"is_changed": null' in data
        assert b'{"a": [null, 1]}' in data


def test_a_key_of_ours_from_elsewhere_is_replaced(pack: Pack, folders: Folders) -> None:
    result = pack.run(NAME, images=noise(), scores=0.5, hidden={"extra_pnginfo": {"ganrm": {"score": 9}}})
    assert ours(folders.output / result["files"][0]) == {"score": 0.5}
    assert (folders.output / result["files"][0]).read_bytes().count(b"tEXtganrm") == 1


def test_counters_go_on_and_nothing_is_overwritten(pack: Pack, folders: Folders) -> None:
    (folders.output / "a").mkdir()
    (folders.output / "a" / "b_00007_.png").write_bytes(b"mine")
    first = pack.run(NAME, images=noise(2), filename_prefix="a/b")
    assert first["files"] == ["a/b_00008_.png", "a/b_00009_.png"]
    assert (folders.output / "a" / "b_00007_.png").read_bytes() == b"mine"
    for number in (1, 2):
        run = pack.run(NAME, images=noise(2), filename_prefix="c%batch_num%")
        assert run["files"] == [f"c0_0000{number}_.png", f"c1_0000{number}_.png"]


def test_variables_and_sizes(pack: Pack, folders: Folders) -> None:
    images = Many([noise(2, (8, 6)), noise(1, (4, 10)), noise(1, (8, 6))])
    sized = pack.run(NAME, images=images, filename_prefix="%width%x%height%/p")
    assert sized["files"] == [
        "6x8/p_00001_.png", "6x8/p_00002_.png", "10x4/p_00001_.png", "6x8/p_00003_.png",
    ]  # fmt: skip
    plain = pack.run(NAME, images=images, filename_prefix="p")
    assert plain["files"] == [f"p_0000{i}_.png" for i in range(1, 5)]
    with Image.open(folders.output / "p_00003_.png") as saved:
        assert saved.size == (10, 4)


def test_the_score_in_the_name(pack: Pack, folders: Folders) -> None:
    images, scores = noise(4), Many([0.826, 0.997, float("nan"), -1.25])
    result = pack.run(NAME, images=images, filename_prefix="a/best_%score%", scores=scores)
    assert result["files"] == [
        f"a/best_{score}_00001_.png" for score in ("0.83", "1.00", "unscored", "-1.25")
    ]
    assert pack.run(NAME, images=noise(), filename_prefix="%score%")["files"] == ["unscored_00001_.png"]
    hidden = pack.run(NAME, images=noise(), filename_prefix="%score%/%score%_x", scores=0.5)
    assert hidden["files"] == ["0.50/0.50_x_00001_.png"]
    with Image.open(folders.output / hidden["files"][0]) as saved:
        assert saved.size == (6, 8)


def test_dates_as_the_page_writes_them_for_its_own_nodes(pack: Pack, folders: Folders) -> None:
    places = pack.module("nodes.host.save_paths")
    place = places.SavePaths("%date:yyyy-MM-dd_hh.mm.ss% %date:yy M d%", ".png")
    place._started = time.struct_time((2026, 3, 4, 5, 6, 7, 0, 0, 0))
    assert place.next(8, 8).name == "2026-03-04_05.06.07 26 3 4_00001_.png"


@pytest.mark.parametrize(
    "prefix",
    ["../evil", "a/../../evil", "..\\evil", "/tmp/evil", "C:/evil", "a/C:/evil", "a\0evil", "", ".", "a/.."],
)
def test_it_writes_into_the_output_folder_only(
    pack: Pack, folders: Folders, errors: Any, tmp_path: Path, prefix: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(errors.OutputError):
        pack.run(NAME, images=noise(), filename_prefix=prefix)
    assert sorted(tmp_path.rglob("*")) == before
    assert not list(folders.output.iterdir())


def test_a_file_in_the_way(pack: Pack, folders: Folders, errors: Any) -> None:
    (folders.output / "a").touch()
    with pytest.raises(errors.OutputError, match="Choose another filename prefix"):
        pack.run(NAME, images=noise(), filename_prefix="a/b")


@pytest.mark.parametrize("name", ["scores", "indices"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_figures_that_do_not_fit_are_counted(
    pack: Pack, folders: Folders, errors: Any, name: str, count: int
) -> None:
    for images in (noise(3), Many([noise(1), noise(1), noise(1)])):
        with pytest.raises(errors.DataError, match=f"There are 3 images but {count} {name}"):
            pack.run(NAME, images=images, **{name: Many(range(count))})
    assert not list(folders.output.iterdir())


def test_scores_as_other_packs_give_them(pack: Pack, folders: Folders, errors: Any) -> None:
    for scores in (
        Many([[0.1, 0.9]]),
        Many([torch.tensor([0.1, 0.9])]),
        Many([np.float32(0.1), np.float32(0.9)]),
    ):
        result = pack.run(NAME, images=noise(2), scores=scores)
        assert [ours(folders.output / name)["score"] for name in result["files"]] == [0.1, 0.9]
    with pytest.raises(errors.DataError, match="no number"):
        pack.run(NAME, images=noise(1), scores=Many(["good"]))


def test_spoilt_pictures_and_unknown_formats(pack: Pack, folders: Folders, errors: Any) -> None:
    with pytest.raises(errors.ImageError, match="Image 1 of 1 holds NaN"):
        pack.run(NAME, images=torch.full((1, 4, 4, 3), float("nan")))
    with pytest.raises(errors.DataError, match="png, webp"):
        pack.run(NAME, images=noise(), format="gif")
    assert not [path for path in folders.output.rglob("*") if path.is_file()]


@pytest.mark.parametrize("form", ["png", "webp"])
def test_a_spoilt_picture_costs_the_others_nothing(pack: Pack, folders: Folders, form: str) -> None:
    images = noise(4)
    images[1, 0, 0, 0], images[3, 2, 2, 1] = torch.nan, torch.inf
    result = pack.run(
        NAME, images=images, format=form, scores=Many([0.1, 0.0, 0.3, 0.0]), indices=Many([0, 1, 2, 3])
    )
    assert result["files"] == [f"GAN-RM/best_0000{number}_.{form}" for number in (1, 2)]
    assert [ours(folders.output / name)["index"] for name in result["files"]] == [0, 2]
    assert result.ui["scores"] == [0.1, 0.3], "beside the files"
    assert [entry["type"] for entry in result.ui["images"]] == ["output", "output", "temp"]
    assert [entry["index"] for entry in result.ui["failed"]] == [1, 3]
    assert result.ui["failed"][0]["why"].startswith("Image 2 of 4 holds NaN or infinite values")


def test_a_disk_error_midway_costs_only_that_picture(
    pack: Pack, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, write = pack.module("nodes.files.save_images"), pack.module("nodes.files.save_images").write_png
    calls = itertools.count(1)

    def failing(picture: Image.Image, path: Path, texts: Any) -> None:
        if next(calls) == 2:
            path.write_bytes(b"half")
            raise OSError(5, "Input/output error")
        write(picture, path, texts)

    monkeypatch.setattr(module, "write_png", failing)
    result = pack.run(NAME, images=noise(3))
    assert [path.name for path in sorted((folders.output / "GAN-RM").iterdir())] == [
        name.removeprefix("GAN-RM/") for name in result["files"]
    ]
    assert len(result["files"]) == 2
    (failed,) = result.ui["failed"]
    assert failed["index"] == 1
    assert "best_00002_.png" in failed["why"]
    assert "Input/output error" in failed["why"]


def test_what_is_not_saved_stands_on_a_card(
    pack: Pack, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, words = pack.module("nodes.display.previews"), []
    draw = module.text_card
    monkeypatch.setattr(module, "text_card", lambda text, *size: [words.append(text), draw(text, *size)][1])
    images = noise(2)
    pack.run(NAME, images=images)
    assert words == []
    images[0] = torch.nan
    pack.run(NAME, images=images)
    assert words[0].startswith("1 was not saved: Image 1 of 2 holds NaN")


def test_a_given_seed_wins(pack: Pack, folders: Folders) -> None:
    one = pack.run(NAME, images=noise(2), seed=7, hidden={"prompt": SAMPLED})
    each = pack.run(NAME, images=noise(2), seed=Many([7, 8]), hidden={"prompt": SAMPLED})
    assert [ours(folders.output / name)["seed"] for name in one["files"]] == [7, 7]
    assert [ours(folders.output / name)["seed"] for name in each["files"]] == [7, 8]


BEST = ("GANRMBestOfN", {"images": ["2", 0], "reward": ["9", 0], "seed": 1})
TRAIN = ("GANRMTrain", {"seed": 5, "ordinary": ["10", 0]})


@pytest.mark.parametrize(
    ("prompt", "seed"),
    [
        (SAMPLED, 42),
        # Through our own nodes, but neither their seeds nor what the model was trained on.
        ({**SAMPLED, **graph(n1=(NAME, {"images": ["8", 0]}), n8=BEST, n9=TRAIN)}, 42),
        (
            graph(
                n1=(NAME, {"images": ["8", 0], "reward": ["9", 0]}),
                n2=("LoadImage", {"image": "a.png"}),
                n8=BEST,
                n9=TRAIN,
                n10=("KSampler", {"seed": 6}),
            ),
            None,
        ),
        # Custom sampling; the nearest of two stages.
        (
            graph(
                n1=(NAME, {"images": ["2", 0]}),
                n2=("SamplerCustomAdvanced", {"noise": ["3", 0], "latent_image": ["4", 0]}),
                n3=("RandomNoise", {"noise_seed": 11}),
                n4=("KSampler", {"seed": 12}),
            ),
            11,
        ),
        (
            graph(
                n1=(NAME, {"images": ["2", 0]}),
                n2=("KSampler", {"seed": 11, "latent_image": ["4", 0]}),
                n4=("KSampler", {"seed": 12}),
            ),
            11,
        ),
        # A seed that comes over a link; from nowhere that is clear; not to be confused with an earlier one.
        (graph(n1=(NAME, {"images": ["2", 0]}), n2=("K", {"seed": ["3", 0]}), n3=("PrimitiveInt", {"value": 9})), 9),
        (
            graph(
                n1=(NAME, {"images": ["2", 0]}),
                n2=("KSampler", {"seed": ["3", 0], "latent_image": ["4", 0]}),
                n3=("Random", {}),
                n4=("KSampler", {"seed": 12}),
            ),
            None,
        ),
        (
            graph(
                n1=(NAME, {"images": ["2", 0]}),
                n2=("ImageBatch", {"image1": ["3", 0], "image2": ["4", 0]}),
                n3=("KSampler", {"seed": 1}),
                n4=("KSampler", {"seed": 2}),
            ),
            None,
        ),
        # What is broken or goes in a circle.
        (graph(n1=(NAME, {"images": ["1", 0]})), None),
        (graph(n1=(NAME, {"images": ["7", 0]})), None),
        (graph(n1=(NAME, {"images": ["2", 0]}), n2=("K", {"seed": "7"}), n3=("K", {})), None),
        (graph(n1=(NAME, {"images": ["2", 0]}), n2=("K", {"seed": True})), None),
        ({}, None),
    ],
)  # fmt: skip
def test_seed_of_the_nearest_sampler(pack: Pack, folders: Folders, prompt: Any, seed: int | None) -> None:
    result = pack.run(NAME, images=noise(), hidden={"prompt": prompt})
    assert ours(folders.output / result["files"][0]).get("seed") == seed


def test_a_failed_write_leaves_nothing(
    pack: Pack, folders: Folders, errors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Image.Image, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(errors.OutputError, match="disk is full"):
        pack.run(NAME, images=noise())
    assert not [path for path in folders.output.rglob("*") if path.is_file()]
