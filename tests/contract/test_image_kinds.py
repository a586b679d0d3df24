"""IMAGE as other nodes leave it: overshoot of bicubic scaling, half precision. Every node that takes IMAGE takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.pack import Many, Pack
from contract_support.rewards import Bright
from contract_support.sampling import Vae
from PIL import Image
from torch import Tensor

JUDGES = {
    "GANRMScore": {},
    "GANRMBestOfN": {"keep": 2},
    "GANRMHeatmap": {"share": 0.3, "grow": 0, "blur": 0},
}
KEEPERS = {
    "GANRMImagesToDataset": {},
    "GANRMAddToDataset": {"pick": "all"},
    "GANRMSaveImages": {},
}


def upscaled() -> Tensor:
    """[3, 40, 40, 3] as core's Upscale Image (bicubic) leaves hard edges: from about −0.1 to 1.1."""
    small = (torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    large = torch.nn.functional.interpolate(small, size=(40, 40), mode="bicubic").movedim(1, -1)
    assert large.min() < -0.05
    assert large.max() > 1.05
    return large


KINDS: dict[str, Callable[[], Tensor]] = {
    "overshoot": upscaled,
    "fp16": lambda: upscaled().clamp(0, 1).half(),
    "bf16": lambda: upscaled().clamp(0, 1).bfloat16(),
    "overshoot in fp16": lambda: upscaled().half(),
    "overshoot in bf16": lambda: upscaled().bfloat16(),
    "float64": lambda: upscaled().double(),
}


def plain(images: Tensor) -> Tensor:
    """What those pictures are: float32 in 0–1."""
    return images.float().clamp(0, 1)


def as_batch_and_list(images: Tensor) -> list[Any]:
    return [images, Many(images.split(1))]


@pytest.fixture(params=list(KINDS))
def images(request: pytest.FixtureRequest) -> Tensor:
    return KINDS[request.param]()


@pytest.fixture
def bright(pack: Pack, folders: Any) -> Bright:
    return Bright(pack)


def test_no_node_that_takes_images_is_left_out(pack: Pack) -> None:
    taking = {
        name for name in pack.ids if any(socket.io_type == "IMAGE" for socket in pack.schema(name).inputs)
    }
    assert taking == {*JUDGES, *KEEPERS}


@pytest.mark.parametrize("node", JUDGES)
def test_judged_as_the_picture_it_is(pack: Pack, bright: Bright, node: str, images: Tensor) -> None:
    expected = pack.run(node, images=plain(images), reward=bright, **JUDGES[node])
    for given in as_batch_and_list(images):
        before = images.clone()
        result = pack.run(node, images=given, reward=bright, **JUDGES[node])
        assert torch.equal(images, before)
        if node == "GANRMHeatmap":
            for name in ("overlay", "mask"):
                torch.testing.assert_close(torch.cat(result[name]), expected[name][0], atol=1e-5, rtol=0)
            continue
        assert result["scores"] == pytest.approx(expected["scores"], abs=1e-6)
        assert torch.equal(result["preview"], expected["preview"])
        assert result.ui["spoilt"] == []


def test_what_leaves_best_of_n_is_untouched(pack: Pack, bright: Bright, images: Tensor) -> None:
    result = pack.run("GANRMBestOfN", images=images, reward=bright, keep=2)
    (best,), (rejected,) = result["best"], result["rejected"]
    assert best.dtype == rejected.dtype == images.dtype
    assert torch.equal(best, images[result["indices"]])
    left = [position for position in range(3) if position not in result["indices"]]
    assert torch.equal(rejected, images[left])


@pytest.mark.parametrize("node", KEEPERS)
def test_kept_as_core_saves_it(pack: Pack, folders: Any, node: str, images: Tensor) -> None:
    # Core scales in the precision that comes in; NumPy, which it uses, knows no bfloat16.
    values = (images.float() if images.dtype == torch.bfloat16 else images).numpy()
    expected = {np.clip(255.0 * value, 0, 255).astype(np.uint8).tobytes() for value in values}
    for given in as_batch_and_list(images):
        before = images.clone()
        result = pack.run(node, images=given, **KEEPERS[node])
        assert torch.equal(images, before)
        if node == "GANRMSaveImages":
            paths = [folders.output / name for name in result["files"]]
        else:
            paths = list(result["dataset"].paths)
        assert len(paths) == 3
        assert {pixels(path) for path in paths} == expected


def pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return np.asarray(picture).tobytes()


def test_a_trained_taste_takes_them(pack: Pack, folders: Any, trained: Any, images: Tensor) -> None:
    expected = pack.run("GANRMScore", images=plain(images), reward=trained)["scores"]
    found = pack.run("GANRMScore", images=images, reward=trained)["scores"]
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["overshoot", "fp16", "bf16"])
@pytest.mark.parametrize("pruning", ["off", "standard"])
def test_samplers_take_what_a_vae_gives(run_sampler: Any, kind: str, pruning: str) -> None:
    class Decoder(Vae):
        def decode(self, latents: Tensor) -> Tensor:
            pictures = super().decode(latents)
            if kind == "overshoot":
                pictures = pictures.clone()
                pictures[:, 0, 0], pictures[:, 0, 1] = -0.06, 1.07
                return pictures
            return pictures.half() if kind == "fp16" else pictures.bfloat16()

    result = run_sampler(vae=Decoder(), pruning=pruning, keep=2)
    expected = run_sampler(pruning=pruning, keep=2)
    assert result["seeds"] == expected["seeds"]
    assert result.ui["spoilt"] == []
    given = Decoder().decode(torch.zeros(1, 4, 16, 16))
    assert all(image.dtype == given.dtype for image in result["images"])
    if kind == "overshoot":
        assert float(result["images"][0].max()) == pytest.approx(1.07), "it leaves as it came"


@pytest.mark.parametrize("node", JUDGES)
@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda images: images * 255, "Divide it by 255"),
        (lambda images: (images - 0.5) * 8, "latent"),
        (lambda images: images * 2 - 1, r"\(x \+ 1\) / 2"),
    ],
    ids=["0 to 255", "latents", "-1 to 1"],
)
def test_clearly_another_range_is_refused(
    pack: Pack, bright: Bright, node: str, change: Callable[[Tensor], Tensor], advice: str
) -> None:
    pictures = plain(upscaled())
    pictures[1] = change(pictures[1])
    with pytest.raises(pack.module("ganrm_core.utils.errors").ImageError, match=f"Image 2 of 3.*{advice}"):
        pack.run(node, images=pictures, reward=bright, **JUDGES[node])
