"""Where a picture is weak."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from ganrm_core.attribution import window_map as module
from ganrm_core.attribution.heatmap import STEPS as HEATMAP_STEPS
from ganrm_core.attribution.heatmap import MaskShape, heatmap
from ganrm_core.attribution.overlay import overlay
from ganrm_core.attribution.window_map import STEPS, memory_for_a_map, reward_map, weakest
from ganrm_core.rewards.base import Scores
from ganrm_core.utils.errors import DataError, ImageError
from ganrm_core.utils.progress import Progress


class Bright:
    """The logit is the mean of all pixels."""

    name = "bright"
    thresholds: ClassVar[dict[str, float]] = {}

    def score(self, images: Any, prompts: Any = None, progress: Any = None) -> Scores:
        logits = torch.tensor([float(image.mean()) for image in images])
        return Scores(logits, logits, logits)

    def score_files(self, paths: Any, skipped: Any) -> Any:
        raise NotImplementedError


def half_dark(height: int = 60, width: int = 80) -> Tensor:
    """Black on its left half, white on its right."""
    image = torch.zeros(3, height, width)
    image[:, :, width // 2 :] = 1
    return image


class TestMap:
    def test_a_place_gets_what_is_around_it(self) -> None:
        places = reward_map(Bright(), half_dark())
        assert places.shape == (60, 80)
        across = places.mean(dim=0)
        assert across[0] < 0.1
        assert across[-1] > 0.9
        assert bool((across.diff() >= -1e-4).all())
        # Nothing differs from top to bottom.
        assert float((places - across).abs().max()) < 1e-4

    def test_what_is_even_gives_an_even_map(self) -> None:
        places = reward_map(Bright(), torch.full((3, 37, 91), 0.4))
        assert torch.allclose(places, torch.full((37, 91), 0.4), atol=1e-5)

    def test_progress_counts_the_windows(self) -> None:
        steps: list[Progress] = []
        reward_map(Bright(), half_dark(), steps.append)
        assert [(step.done, step.total) for step in steps] == [(9, STEPS), (34, STEPS)]

    def test_it_is_the_weighted_mean_of_the_windows(self) -> None:
        image = torch.rand(3, 70, 50, generator=torch.Generator().manual_seed(0))
        expected = torch.zeros(70, 50)
        for share, count in ((1 / 2, 3), (1 / 3, 5)):
            height, width = math.ceil(70 * share), math.ceil(50 * share)
            window = torch.outer(
                *(torch.hann_window(side, periodic=False).clamp_min(0.02) for side in (height, width))
            )
            total, weights = torch.zeros(70, 50), torch.zeros(70, 50)
            for row, column in product(range(count), repeat=2):
                top, left = (
                    round(row * (70 - height) / (count - 1)),
                    round(column * (50 - width) / (count - 1)),
                )
                at = (slice(top, top + height), slice(left, left + width))
                total[at] += image[:, at[0], at[1]].mean() * window
                weights[at] += window
            expected += total / weights / 2
        torch.testing.assert_close(reward_map(Bright(), image), expected, rtol=0, atol=1e-5)

    def test_large_windows_are_scored_a_few_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(0))
        whole = reward_map(Bright(), image)
        monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 4 * 30 * 40)
        steps: list[Progress] = []
        torch.testing.assert_close(reward_map(Bright(), image, steps.append), whole, rtol=0, atol=1e-6)
        assert [step.done for step in steps] == [4, 8, 9, 17, 25, 33, 34]

    def test_a_picture_too_small_says_so(self) -> None:
        with pytest.raises(ImageError, match="40 × 15 is too small"):
            reward_map(Bright(), torch.zeros(3, 15, 40))

    def test_a_spoilt_corner_of_a_real_taste(self, model: Any, draw: Any) -> None:
        picture = (
            torch.from_numpy(np.array(draw("liked", 50).resize((96, 96)))).permute(2, 0, 1).float() / 255
        )
        noise = torch.randn(3, 48, 48, generator=torch.Generator().manual_seed(0)) * 0.3
        picture[:, 48:, 48:] = (picture[:, 48:, 48:] + noise).clamp(0, 1)
        places = reward_map(model, picture)
        assert places[60:, 60:].mean() < min(places[:40, :40].mean(), places[:40, 60:].mean())


class TestMask:
    def test_the_lowest_share(self) -> None:
        places = torch.arange(200.0).view(10, 20).flip(1)
        mask = weakest(places, 0.25)
        assert mask.shape == (10, 20)
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        assert mask.sum() == 50
        assert places[mask == 1].max() < places[mask == 0].min()

    @pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.999])
    def test_it_is_what_sorting_all_places_finds(self, share: float) -> None:
        rough = torch.rand(61, 43, generator=torch.Generator().manual_seed(0))
        for places in (rough, (rough * 5).floor(), torch.zeros(61, 43)):
            expected = torch.zeros(61 * 43)
            expected[places.flatten().argsort(stable=True)[: round(share * 61 * 43)]] = 1
            assert torch.equal(weakest(places, share), expected.view(61, 43))

    def test_grow_and_blur(self) -> None:
        places = torch.ones(40, 40)
        places[20, 20] = 0
        grown = weakest(places, 1 / 1600, grow=3)
        assert grown.sum() == 49
        blurred = weakest(places, 1 / 1600, grow=6, blur=6)
        assert blurred[20, 20] == pytest.approx(1, abs=0.05)
        assert 0.2 < float(blurred[20, 14]) < 0.8
        assert float(blurred[20, 4]) == 0
        assert float(blurred.min()) >= 0
        assert float(blurred.max()) <= 1

    def test_a_blur_wider_than_the_picture(self) -> None:
        mask = weakest(torch.arange(64.0).view(8, 8), 0.5, blur=100)
        assert bool(torch.isfinite(mask).all())
        assert mask[0].mean() > mask[-1].mean()

    @pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
    def test_a_share_that_is_none(self, share: float) -> None:
        with pytest.raises(DataError, match="more than 0 and less than 1"):
            weakest(torch.zeros(4, 4), share)


class TestOverlay:
    @pytest.mark.parametrize("size", [(40, 60), (900, 1300), (1300, 20)])
    def test_the_rim_is_that_of_a_wide_maximum(self, size: tuple[int, int]) -> None:
        coarse = torch.rand(1, 1, 7, 7, generator=torch.Generator().manual_seed(0))
        mask = interpolate(coarse, size, mode="bilinear")[0, 0]
        image = torch.rand(3, *size, generator=torch.Generator().manual_seed(1)) / 2
        width = max(1, round(max(size) / 400))
        inside = (mask > 0.5).float()[None, None]
        wide = (2 * width + 1, 1, width)
        expected = (max_pool2d(inside, *wide) + max_pool2d(1 - inside, *wide))[0, 0] == 2
        white = (overlay(image, torch.zeros(size), mask) == 1).all(dim=0)
        assert torch.equal(white, expected)

    def test_weak_is_orange_strong_is_blue_and_the_rim_white(self) -> None:
        places = torch.full((40, 60), 3.0)
        places[:, :30] = -3.0
        mask = (places < 0).float()
        drawn = overlay(torch.full((3, 40, 60), 0.5), places, mask)
        red, _, blue = drawn[:, 20, 10]
        assert red > blue
        red, _, blue = drawn[:, 20, 50]
        assert blue > red
        assert bool((drawn[:, 20, 29:31] == 1).all())
        assert not bool((drawn[:, 20, 10] == 1).any())

    def test_an_even_picture_stays_as_it_is(self) -> None:
        image = torch.full((3, 20, 20), 0.3)
        assert torch.allclose(
            overlay(image, torch.full((20, 20), 7.0), torch.zeros(20, 20)), image, atol=1e-6
        )


class TestProgress:
    SIZE = (1100, 2000)
    SHAPE = MaskShape(0.2, 8, 16)

    def test_it_runs_from_start_to_end_in_steps_of_one_kind(self) -> None:
        steps: list[Progress] = []
        made = heatmap(Bright(), torch.rand(3, *self.SIZE), self.SHAPE, steps.append)
        assert made.places.shape == made.mask.shape == made.drawn.shape[1:] == self.SIZE
        done = [step.done for step in steps]
        assert done == sorted(done)
        assert done[-1] == HEATMAP_STEPS
        assert {(step.stage, step.total) for step in steps} == {("mapping", HEATMAP_STEPS)}
        assert len(set(done)) > 8

    def test_what_it_raises_ends_the_map_the_mask_and_the_drawing(self) -> None:
        image, places = torch.rand(3, *self.SIZE), torch.rand(self.SIZE)
        works = (
            lambda progress: reward_map(Bright(), image, progress),
            lambda progress: weakest(places, 0.2, 8, 16, progress),
            lambda progress: overlay(image, places, places, progress),
        )
        for work in works:
            steps: list[Progress] = []

            def cancel(step: Progress, steps: list[Progress] = steps) -> None:
                steps.append(step)
                raise InterruptedError("cancelled")

            with pytest.raises(InterruptedError, match="cancelled"):
                work(cancel)
            assert [step.done < step.total for step in steps] == [True]


class TestMemory:
    """A size that no machine has memory for: what torch's own allocator raises is put into words of ours."""

    SIDE = 2**24

    def test_a_picture_too_large_for_memory_is_an_image_error(self) -> None:
        flat = torch.zeros(1, 1).expand(self.SIDE, self.SIDE)
        image = flat.expand(3, -1, -1)
        for work in (
            lambda: reward_map(Bright(), image),
            lambda: weakest(flat, 0.2),
            lambda: overlay(image, flat, flat),
            lambda: heatmap(Bright(), image, MaskShape(0.2, 8, 16)),
        ):
            with pytest.raises(
                ImageError, match="not enough memory for a map of a picture of 16777216 × 16777216"
            ):
                work()

    def test_other_errors_pass_through(self) -> None:
        with pytest.raises(RuntimeError, match="another"), memory_for_a_map(4, 4):
            raise RuntimeError("another")


class TestCommand:
    @pytest.fixture
    def pictures(self, draw: Any, tmp_path: Path) -> Path:
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(2):
            draw("liked", 90 + number).resize((64, 48)).save(folder / f"{number}.png")
        return folder

    def test_a_map_and_a_mask_of_each(
        self, trained: Any, ganrm: Callable[..., Any], pictures: Path, tmp_path: Path
    ) -> None:
        ran = ganrm("heatmap", trained.checkpoint, pictures, "--output", tmp_path / "maps", "--json")
        assert ran.code == 0, ran.err
        assert [Path(line["file"]).name for line in ran.json] == ["0.png", "1.png"]
        names = {path.name for path in (tmp_path / "maps").iterdir()}
        assert names == {"0.map.png", "0.mask.png", "1.map.png", "1.mask.png"}
        for line in ran.json:
            with Image.open(line["map"]) as drawn, Image.open(line["mask"]) as mask:
                assert drawn.size == mask.size == (64, 48)
                assert np.asarray(mask).max() > 200
            assert line["lowest"] < line["highest"]

    def test_nothing_is_overwritten(
        self, trained: Any, ganrm: Callable[..., Any], pictures: Path, tmp_path: Path
    ) -> None:
        command = ("heatmap", trained.checkpoint, pictures / "0.png", "--output", tmp_path / "maps")
        assert ganrm(*command).code == 0
        before = (tmp_path / "maps" / "0.map.png").read_bytes()
        ran = ganrm(*command, "--share", "0.5")
        assert ran.code == 0
        assert ran.lines == [f"1 of 1 pictures mapped into {tmp_path / 'maps'}"]
        assert (tmp_path / "maps" / "0.map.png").read_bytes() == before
        assert (tmp_path / "maps" / "0.map (2).png").is_file()

    def test_a_damaged_file_is_named_and_the_rest_mapped(
        self, trained: Any, ganrm: Callable[..., Any], pictures: Path, tmp_path: Path
    ) -> None:
        (pictures / "0.png").write_bytes(b"no picture")
        ran = ganrm("heatmap", trained.checkpoint, pictures, "--output", tmp_path / "maps")
        assert ran.code == 0
        assert "0.png" in ran.err
        assert "1 of 2 pictures" in ran.out

    def test_one_too_small_is_named_and_the_rest_mapped(
        self, trained: Any, ganrm: Callable[..., Any], pictures: Path, tmp_path: Path
    ) -> None:
        Image.new("RGB", (40, 15)).save(pictures / "0.png")
        ran = ganrm("heatmap", trained.checkpoint, pictures, "--output", tmp_path / "maps")
        assert ran.code == 0
        assert "0.png" in ran.err
        assert "too small for a map" in ran.err
        assert "1 of 2 pictures" in ran.out

    @pytest.mark.parametrize("bad", [("--share", "0"), ("--share", "1"), ("--grow", "-1"), ("--blur", "-3")])
    def test_wrong_numbers_leave_no_folder_behind(
        self, trained: Any, ganrm: Callable[..., Any], pictures: Path, tmp_path: Path, bad: tuple[str, str]
    ) -> None:
        ran = ganrm("heatmap", trained.checkpoint, pictures, "--output", tmp_path / "maps", *bad)
        assert ran.code == 2
        assert bad[0] in ran.err
        assert not (tmp_path / "maps").exists()
