"""What is said of packages that cannot be imported, and what goes on without them."""

from __future__ import annotations

import getpass
import os
import sys

import pytest
from PIL import Image, ImageCms

from ganrm_core.cli.progress_bars import bars
from ganrm_core.data import colour_profiles
from ganrm_core.utils.optional_imports import cannot_import, name_the_user
from ganrm_core.utils.progress import Progress


def test_a_package_is_named_with_what_to_install() -> None:
    error = ModuleNotFoundError("No module named 'timm'", name="timm")
    assert cannot_import("The backbone x", "timm", error, "timm torchvision") == (
        "The backbone x needs timm, which cannot be imported (No module named 'timm'). "
        "Install it with: pip install timm torchvision."
    )


def test_of_an_error_the_first_line_is_shown() -> None:
    said = cannot_import("LoRA", "peft", RuntimeError("broken.\nat length"), "peft", ", or do without")
    assert said.endswith("(broken). Install it with: pip install peft, or do without.")


def test_what_python_lacks_cannot_be_installed() -> None:
    error = ModuleNotFoundError("No module named '_lzma'", name="_lzma")
    said = cannot_import("The backbone x", "timm", error, "timm torchvision")
    assert "built without _lzma" in said
    assert "pip install" not in said


def test_without_tqdm_there_are_no_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with bars() as show:
        show(Progress("scoring", 1, 2))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [KeyError, OSError, ModuleNotFoundError])
def test_a_user_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    monkeypatch.setenv("USER", "somebody")
    name_the_user()
    assert os.environ["USER"] == "somebody"

    def unknown() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", unknown)
    name_the_user()
    assert os.environ["USER"] == "user"


def test_a_pillow_without_colour_management_reads_pictures_as_they_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.ImageCms", None)
    monkeypatch.delattr("PIL.ImageCms")
    colour_profiles.colour_management.cache_clear()
    try:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        grey = Image.new("L", (4, 4), 77)
        assert colour_profiles.in_srgb(grey, None).getpixel((0, 0)) == (77, 77, 77)
        assert not caplog.messages
        for _ in range(2):
            assert colour_profiles.in_srgb(grey, profile).getpixel((0, 0)) == (77, 77, 77)
        assert len(caplog.messages) == 1
        assert "pip install --force-reinstall pillow" in caplog.text
        with pytest.raises(ValueError, match="without ImageCms"):
            colour_profiles.in_srgb(Image.new("LAB", (4, 4)), None)
    finally:
        colour_profiles.colour_management.cache_clear()
