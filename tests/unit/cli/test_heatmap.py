"""`ganrm heatmap`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from unit_support.failing_disk import names


def test_maps_and_masks_are_written_and_bad_pictures_named(
    trained: Any, ganrm: Any, draw: Any, tmp_path: Path
) -> None:
    pictures, maps = tmp_path / "pictures", tmp_path / "maps"
    pictures.mkdir()
    for option, number in (("--share", "1"), ("--grow", "-1"), ("--blur", "-3")):
        ran = ganrm("heatmap", "no.safetensors", pictures, "--output", maps, option, number)
        assert (ran.code, option in ran.err, maps.exists()) == (2, True, False)
    draw("liked", 90).resize((64, 48)).save(pictures / "0.png")
    (pictures / "1.png").write_bytes(b"no picture")
    Image.new("RGB", (40, 15)).save(pictures / "2.png")
    ran = ganrm("heatmap", trained.checkpoint, pictures, "--output", maps, "--json")
    assert ran.code == 0, ran.err
    assert [Path(line["file"]).name for line in ran.json] == ["0.png", "1.png", "2.png"]
    assert names(maps) == ["0.map.png", "0.mask.png"]
    line = ran.json[0]
    assert line["lowest"] < line["highest"]
    with Image.open(line["map"]) as drawn, Image.open(line["mask"]) as mask:
        assert drawn.size == mask.size == (64, 48)
        assert np.asarray(mask).max() > 200
    assert "1.png" in ran.err
    assert "too small for a map" in ran.err
    again = ganrm("heatmap", trained.checkpoint, pictures / "0.png", "--output", maps)
    assert again.lines == [f"1 of 1 pictures mapped into {maps}"]
    assert names(maps) == ["0.map (2).png", "0.map.png", "0.mask (2).png", "0.mask.png"]
