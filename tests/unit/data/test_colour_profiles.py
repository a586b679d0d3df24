"""Colour profiles where Pillow was built without colour management."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from PIL import Image, ImageCms

from ganrm_core.data import colour_profiles


@pytest.fixture
def without_colour_management(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "PIL.ImageCms", None)
    monkeypatch.delattr("PIL.ImageCms")
    colour_profiles.colour_management.cache_clear()
    yield
    colour_profiles.colour_management.cache_clear()


@pytest.mark.usefixtures("without_colour_management")
def test_pictures_are_read_as_they_are_and_one_warning_says_so(caplog: pytest.LogCaptureFixture) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Image.new("L", (4, 4), 77)
    for known in (None, profile, profile):
        assert colour_profiles.in_srgb(grey, known).getpixel((0, 0)) == (77, 77, 77)
        assert len(caplog.messages) == (known is not None)
    assert "pip install --force-reinstall pillow" in caplog.text
    with pytest.raises(ValueError, match="without ImageCms"):
        colour_profiles.in_srgb(Image.new("LAB", (4, 4)), None)
