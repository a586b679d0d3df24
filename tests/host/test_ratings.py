"""Star ratings on a real server: a rated folder is trained on, the score is saved as stars, which are read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from host_support.client import Client
from host_support.drawn_pictures import fill_folder
from host_support.fixtures import MakeServer
from host_support.pack_prompts import image_folder, loaded, save_images, scored, training
from host_support.prompts import Json, echo, echoed, images
from host_support.server import Server
from unit_support.rated_files import attribute

RATED = "input/rated"
KEPT: Json = {"nodes": [], "note": "kept"}


@pytest.fixture
def rated(server: Server) -> Path:
    """12 pictures of 4 or 5 stars, 12 of 1 star or rejected, one of 3 stars; sidecars of both kinds of names."""
    folder = server.folder("input", "rated")
    for kind, stars in (("liked", (4, 5)), ("ordinary", (1, -1))):
        fill_folder(folder, kind, 12, first=500)
        for number, path in enumerate(sorted(folder.glob(f"{kind}*.png"))):
            rate(path, stars[number % 2], whole_name=number % 3 == 0)
    fill_folder(folder, "liked", 1, first=600)
    rate(folder / "liked600.png", 3)
    return folder


def rate(path: Path, stars: int, *, whole_name: bool = True) -> None:
    sidecar = path.with_name(f"{path.name}.xmp" if whole_name else f"{path.stem}.xmp")
    sidecar.write_text(attribute(value=stars))


def on_one_folder(name: str = "rated_taste") -> Json:
    prompt = training(name=name)
    prompt["liked"], prompt["ordinary"] = image_folder(RATED, "at least 4"), image_folder(RATED, "at most 2")
    return prompt


def test_a_rated_folder_trains_and_what_is_saved_with_stars_is_read_again(
    client: Client, rated: Path
) -> None:
    run = client.run(on_one_folder(), timeout=300).expect_success()
    assert "12 liked and 12 ordinary" in str(run.outputs["train"]["summary"][0])
    for form in ("png", "webp"):
        given = {"scores": ["score", 0], "reward": ["load", 0], "format": form, "star_rating": True}
        prompt = {
            "images": images("64x64, 64x64, 48x64", form="list"),
            "load": loaded("rated_taste.safetensors"),
            "score": scored(),
            "save": save_images("images", f"stars_{form}/a", **given),
        }
        saved = client.run(prompt, workflow=KEPT).expect_success().outputs["save"]
        stars = saved["stars"]
        assert [entry["type"] for entry in saved["images"]] == ["output"] * 3
        assert all(1 <= each <= 5 for each in stars)
        for entry, each in zip(saved["images"], stars, strict=True):
            raw = client.view(**entry)
            assert f'xmp:Rating="{each}"'.encode() in raw
            for told in ("ganrm", '"note": "kept"', "GANRMSaveImages"):
                assert told.encode() in raw
        for least in range(1, 6):
            expected = sum(each >= least for each in stars)
            again = {
                "folder": image_folder(f"output/stars_{form}", f"at least {least}"),
                "echo": echo("found", ["folder", 1]),
            }
            found = client.run(again)
            if expected:
                found.expect_success()
                assert echoed(client, "found") == [expected]
                assert len(found.outputs["folder"]["images"]) == 1, "a card says whose stars these are"
            else:
                assert f"is rated at least {least}: of 3 pictures" in str(found.error_message)


def test_changed_ratings_are_noticed(client: Client, rated: Path) -> None:
    def count() -> int:
        prompt = {"folder": image_folder(RATED, "at least 4"), "echo": echo("found", ["folder", 1])}
        nonlocal ran
        run = client.run(prompt).expect_success()
        ran = "folder" in run.executed
        return int(echoed(client, "found")[0])

    ran = False
    first = count()
    assert (count(), ran) == (first, False)
    changed = rated / "liked600.png"
    sidecar = changed.with_name("liked600.png.xmp")
    written = sidecar.stat().st_mtime_ns
    rate(changed, 5)
    os.utime(sidecar, ns=(written, written))
    assert (count(), ran) == (first + 1, True)
    rate(changed, 3)
    assert count() == first


def test_a_server_told_to_write_no_metadata_writes_no_stars(make_server: MakeServer) -> None:
    server = make_server(args=("--disable-metadata",))
    with server.client() as client:
        given = {"scores": ["scores", 0], "reward": ["reward", 0], "star_rating": True}
        prompt = {
            "images": images("64x64"),
            "scores": {"class_type": "ProbeScores", "inputs": {"scores": "0.5"}},
            "reward": {"class_type": "ProbeReward", "inputs": {}},
            "save": save_images("images", "no_stars", **given),
        }
        saved = client.run(prompt).expect_success().outputs["save"]
        assert [entry["type"] for entry in saved["images"]] == ["output", "temp"]
        assert b"Rating" not in client.view(**saved["images"][0])
