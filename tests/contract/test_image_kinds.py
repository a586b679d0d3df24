"""IMAGE as other nodes leave it: overshoot of bicubic scaling, half precision. Every node that takes IMAGE takes it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Many, Pack
from contract_support.pictures import as_core_saves, pixels
from contract_support.rewards import Bright
from contract_support.sampling import Vae
from torch import Tensor

HEATMAP = {"share": 0.3, "grow": 0, "blur": 0}
JUDGES: dict[str, dict[str, Any]] = {"GANRMScore": {}, "GANRMBestOfN": {"keep": 2}, "GANRMHeatmap": HEATMAP}
COMPARERS = {"GANRMVisionLanguageReward"}
"""Their references are tried in tests/contract/scoring/test_vision_language.py."""
KEEPERS = {"GANRMImagesToDataset": {}, "GANRMAddToDataset": {"pick": "all"}, "GANRMSaveImages": {}}


def upscaled() -> Tensor:
    """[3, 40, 40, 3] as core's Upscale Image (bicubic) leaves hard edges: from about −0.1 to 1.1."""
    small = (torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    large = torch.nn.functional.interpolate(small, size=(40, 40), mode="bicubic").movedim(1, -1)
    assert large.min() < -0.05
    assert large.max() > 1.05
    return large


def plain(images: Tensor) -> Tensor:
    """What those pictures are: float32 in 0–1."""
    return images.float().clamp(0, 1)


@pytest.fixture(params=[torch.float32, torch.float16, torch.bfloat16, torch.float64])
def images(request: pytest.FixtureRequest) -> Tensor:
    # bfloat16 is too coarse for the overshoot to be compared.
    kind = request.param
    return (plain(upscaled()) if kind == torch.bfloat16 else upscaled()).to(kind)


def test_no_node_that_takes_images_is_left_out(pack: Pack) -> None:
    taking = {name for name in pack.ids if any(s.io_type == "IMAGE" for s in pack.schema(name).inputs)}
    assert taking == {*JUDGES, *COMPARERS, *KEEPERS}


@pytest.mark.parametrize("node", JUDGES)
def test_judged_as_the_picture_it_is(pack: Pack, bright: Bright, node: str, images: Tensor) -> None:
    expected = pack.run(node, images=plain(images), reward=bright, **JUDGES[node])
    before = images.clone()
    for given in (images, Many(images.split(1))):
        result = pack.run(node, images=given, reward=bright, **JUDGES[node])
        assert torch.equal(images, before)
        if node == "GANRMHeatmap":
            for name in ("overlay", "mask"):
                torch.testing.assert_close(torch.cat(result[name]), expected[name][0], atol=1e-5, rtol=0)
            continue
        assert result["scores"] == pytest.approx(expected["scores"], abs=1e-6)
        assert torch.equal(result["preview"], expected["preview"])
        assert result.ui["spoilt"] == []
        if node == "GANRMBestOfN":
            best, kept = torch.cat(result["best"]), result["indices"]
            assert torch.equal(best, images[kept]), "pixels and precision leave as they came"


@pytest.mark.parametrize("node", KEEPERS)
def test_kept_as_core_saves_it(pack: Pack, folders: Folders, node: str, images: Tensor) -> None:
    expected = {as_core_saves(image).tobytes() for image in images}
    for given in (images, Many(images.split(1))):
        result = pack.run(node, images=given, **KEEPERS[node])
        saved = [folders.output / name for name in result.outputs.get("files", [])]
        paths = saved or result["dataset"].paths
        assert len(paths) == 3
        assert {pixels(path).tobytes() for path in paths} == expected


def test_samplers_take_what_a_vae_gives(run_sampler: Any) -> None:
    class Decoder(Vae):
        def decode(self, latents: Tensor) -> Tensor:
            pictures = super().decode(latents).clone()
            pictures[:, 0, 0], pictures[:, 0, 1] = -0.06, 1.07
            return pictures.half()

    result = run_sampler(vae=Decoder(), pruning="standard", keep=2)
    assert result["seeds"] == run_sampler(pruning="standard", keep=2)["seeds"]
    assert result.ui["spoilt"] == []
    image = result["images"][0]
    assert image.dtype == torch.half
    assert float(image.max()) == pytest.approx(1.07, abs=0.01), "it leaves as it came"


@pytest.mark.parametrize("node", JUDGES)
def test_clearly_another_range_is_refused(pack: Pack, bright: Bright, errors: Any, node: str) -> None:
    pictures = plain(upscaled())
    pictures[1] *= 255
    with pytest.raises(errors.ImageError, match=r"Image 2 of 3.*Divide it by 255"):
        pack.run(node, images=pictures, reward=bright, **JUDGES[node])
