from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ganrm_core.reports.canvas import fitted, name_lines, text_width

SIZE = 20


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("length", [1, 5, 30, 300])
def test_a_name_is_whole_or_keeps_both_its_ends(length: int, most: int) -> None:
    name = ("a" + "m" * 300)[: length - 1] + "z"
    lines = name_lines(name, SIZE, 120, most)
    assert len(lines) <= most
    assert all(text_width(line, SIZE) <= 120 for line in lines)
    whole = "".join(lines)
    assert whole == name or (whole[0], whole[-1]) == ("a", "z")
    assert name_lines(name, SIZE, 10_000) == [name]


@pytest.mark.parametrize(
    ("size", "drawn"),
    [((400, 400), (200, 200)), ((400, 100), (200, 50)), ((1, 3000), (1, 200)), ((20, 10), (40, 20))],
)
def test_pictures_of_either_kind_are_fitted(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    picture = Image.effect_noise(size, 90).convert("RGB")
    found = fitted(picture, 200, 200)
    assert found.size == drawn
    tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    assert fitted(tensor, 200, 200).tobytes() == found.tobytes()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK"])
def test_pictures_of_every_mode_are_fitted(mode: str) -> None:
    assert fitted(Image.new(mode, (40, 30)), 40, 40).mode == "RGB"
    clear = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert fitted(clear, 10, 10).getpixel((5, 5)) == (128, 128, 128), "transparency lies over mid-grey"
