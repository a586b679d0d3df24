"""Every way out of ComfyUI's folders that was thought of, tried."""

from __future__ import annotations

import codecs
import re
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest

ESCAPES = [
    "..",
    "../",
    "input/..",
    "input/../..",
    "input/cats/../../..",
    "output/..\\..\\secret",
    "output\\..\\..\\secret",
    "datasets/../../../etc",
    "input//etc",
    "input/\\\\server\\share",
    "input/C:/Windows",
    "input/cats/C:/Windows",
    "input/cats/c:evil",
    "input/.. /secret",
    "input/.../secret",
    "input/\0/etc",
    "input\0",
    "input/line\nbreak",
    "input/\ud800",
]
ELSEWHERE = [
    "/etc",
    "/",
    "//server/share",
    "C:\\Users\\me",
    "C:/Users/me",
    "c:",
    "C:relative",
    "\\\\server\\share\\pics",
    "\\rooted",
    "\\\\?\\C:\\pics",
]


@pytest.fixture
def places(pack: Any, folders: Any) -> Any:
    return pack.module("nodes.host.folders")


@pytest.fixture
def errors(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder beside ComfyUI's own, which nobody allowed."""
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "private.png").touch()
    return folder


def allow(folders: Any, *lines: str, encoding: str = "utf-8") -> None:
    (folders.user / "ganrm_folders.txt").write_bytes("\r\n".join(lines).encode(encoding))


@pytest.mark.parametrize("value", ESCAPES + ELSEWHERE)
def test_nothing_is_read_from_outside(places: Any, errors: Any, value: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        places.resolve_folder(value)
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("value", [value.replace("input", "output") for value in ESCAPES] + ELSEWHERE)
def test_nothing_is_written_outside(places: Any, errors: Any, value: str) -> None:
    with pytest.raises(errors.OutputError):
        places.new_folder(value, "the dataset", default="datasets")


@pytest.mark.parametrize(
    "value", ["../evil", "a/../../evil", "..\\evil", "a/C:/evil", "a\0b", "..", *ELSEWHERE]
)
def test_models_stay_in_their_folder(places: Any, errors: Any, value: str) -> None:
    with pytest.raises(errors.CheckpointError):
        places.model_path(value)
    with pytest.raises(errors.OutputError):
        places.new_model_path(value)


@pytest.mark.parametrize("value", [5, None, ["input"], {"a": 1}])
def test_what_is_no_text_is_refused_in_words(places: Any, errors: Any, value: Any) -> None:
    with pytest.raises(errors.DataError, match="named by text"):
        places.resolve_folder(value)
    with pytest.raises(errors.OutputError, match="named by text"):
        places.new_folder(value, "the dataset", default="datasets")


def test_no_accepted_name_leaves_its_folder_on_windows(places: Any) -> None:
    # A drive amid a Windows path throws away all that stands before it.
    home = PureWindowsPath("D:/ComfyUI/output")
    for value in ("a/b", "a\\b", "12:30/x", "./a//b", "a.b/c", ".hidden"):
        joined = home.joinpath(*places.inside(value, value, "read from").parts)
        assert home in joined.parents
        assert ".." not in joined.parts


def test_the_usual_names_lead_where_they_say(places: Any, folders: Any) -> None:
    cats = folders.input / "cats" / "young"
    cats.mkdir(parents=True)
    assert places.resolve_folder("input") == folders.input
    assert places.resolve_folder("input/cats/young") == cats
    assert places.resolve_folder("input\\cats\\young") == cats, "a workflow made on Windows"
    assert places.resolve_folder("output") == folders.output


def test_a_folder_that_is_not_offered_is_refused_in_words(places: Any, errors: Any) -> None:
    with pytest.raises(errors.DataError, match=r"no folder \"cats\" here.*input/.*press R"):
        places.resolve_folder("cats")


def test_the_message_shows_the_very_line_to_add(
    places: Any, errors: Any, folders: Any, tmp_path: Path
) -> None:
    pictures = tmp_path / "my pictures é"
    pictures.mkdir()
    with pytest.raises(errors.DataError) as caught:
        places.resolve_folder(str(pictures))
    message = str(caught.value)
    assert str(folders.user / "ganrm_folders.txt") in message
    line = re.search(r"\): (.+)$", message)
    assert line
    allow(folders, line[1])
    assert places.resolve_folder(str(pictures)) == pictures, "read at every run"


def test_another_machines_path_is_not_said_to_be_one_line_away(places: Any, errors: Any) -> None:
    foreign = "C:\\pics" if Path("/").is_absolute() else "/pics"
    with pytest.raises(errors.DataError, match="another machine") as caught:
        places.resolve_folder(foreign)
    assert "add this line" not in str(caught.value)


def test_a_line_allows_that_folder_and_what_lies_in_it(
    places: Any, errors: Any, folders: Any, tmp_path: Path
) -> None:
    allowed, evil = tmp_path / "data" / "pics", tmp_path / "data" / "pics_evil"
    for folder in (allowed / "inner", evil):
        folder.mkdir(parents=True)
    allow(folders, str(allowed))
    assert places.resolve_folder(str(allowed)) == allowed
    assert places.resolve_folder(f"{allowed}/inner") == allowed / "inner"
    for value in (evil, allowed.parent, f"{allowed}/../pics_evil", f"{allowed}/inner/../../pics_evil"):
        with pytest.raises(errors.DataError):
            places.resolve_folder(str(value))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_list_may_look_as_editors_leave_it(
    places: Any, folders: Any, tmp_path: Path, encoding: str
) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two ü", "three"))
    for folder in (one, two, three):
        folder.mkdir()
    allow(
        folders,
        "# my folders",
        f"  {one}  ",
        "",
        f'"{two}"',
        f"{three}/",
        "relative/is/ignored",
        encoding=encoding,
    )
    for folder in (one, two, three):
        assert places.resolve_folder(str(folder)) == folder
        assert str(folder) in places.folder_choices()
    assert not any("relative" in choice for choice in places.folder_choices())


def test_a_comment_allows_nothing(places: Any, errors: Any, folders: Any, secret: Path) -> None:
    allow(folders, f"# {secret}", f"#{secret}")
    with pytest.raises(errors.DataError):
        places.resolve_folder(str(secret))


def test_one_damaged_line_does_not_cost_the_others(places: Any, folders: Any, secret: Path) -> None:
    (folders.user / "ganrm_folders.txt").write_bytes(codecs.BOM_UTF8 + b"/caf\xe9\n" + str(secret).encode())
    assert places.resolve_folder(str(secret)) == secret


def test_links_that_the_owner_placed_are_followed(places: Any, folders: Any, secret: Path) -> None:
    (folders.input / "linked").symlink_to(secret)
    (folders.output / "linked").symlink_to(secret)
    assert "input/linked" in places.folder_choices()
    assert (places.resolve_folder("input/linked") / "private.png").exists()
    assert places.new_folder("output/linked/new", "it", default="output") == folders.output / "linked" / "new"


def test_links_in_a_circle_hide_nothing(places: Any, folders: Any) -> None:
    (folders.input / "a_loop").symlink_to(folders.input / "a_loop")
    (folders.input / "b_round").symlink_to(folders.input)
    (folders.input / "cats").mkdir()
    assert "input/cats" in places.folder_choices()


def test_choices_name_what_resolves(places: Any, folders: Any) -> None:
    for name in ("cats/young/tiny/too_deep", ".hidden"):
        (folders.input / name).mkdir(parents=True)
    (folders.models / "ganrm_datasets" / "my_likes").mkdir()
    choices = places.folder_choices()
    assert {"input", "output", "input/cats/young/tiny", "datasets/my_likes"} <= set(choices)
    assert not any("hidden" in choice or "too_deep" in choice for choice in choices)
    assert all(places.resolve_folder(choice).is_dir() for choice in choices)


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_path_pasted_with_its_quotes(places: Any, folders: Any, tmp_path: Path, quote: str) -> None:
    """As Copy as path gives it on Windows, and some file managers elsewhere."""
    (folders.input / "my cats").mkdir()
    outside = tmp_path / "out side"
    outside.mkdir()
    allow(folders, str(outside))
    (folders.models / "ganrm" / "a.safetensors").touch()

    def quoted(value: Any) -> str:
        return f" {quote}{value}{quote} "

    assert places.resolve_folder(quoted("input/my cats")) == folders.input / "my cats"
    assert places.resolve_folder(quoted(outside)) == outside
    assert places.new_folder(quoted("new one"), "it", default="output") == folders.output / "new one"
    assert places.new_folder(quoted(outside / "new"), "it", default="output") == outside / "new"
    assert places.model_path(quoted("a.safetensors")) == folders.models / "ganrm" / "a.safetensors"
    assert places.new_model_path(quoted("b")) == folders.models / "ganrm" / "b.safetensors"


@pytest.mark.parametrize("value", ["../x", "/etc", "C:/x", "a/../../x"])
def test_quotes_open_no_way_out(places: Any, errors: Any, value: str) -> None:
    for quote in "\"'":
        for resolve in (places.resolve_folder, places.model_path, places.new_model_path):
            with pytest.raises(errors.GanRMError):
                resolve(f"{quote}{value}{quote}")


def test_several_dataset_folders(places: Any, folders: Any, tmp_path: Path) -> None:
    import folder_paths

    second = tmp_path / "more datasets"
    (second / "theirs").mkdir(parents=True)
    (second / "both").mkdir()
    first = folders.models / "ganrm_datasets"
    (first / "both").mkdir()
    folder_paths.add_model_folder_path("ganrm_datasets", str(second))
    assert {"datasets/theirs", "datasets/both"} <= set(places.folder_choices())
    assert places.resolve_folder("datasets/theirs") == second / "theirs"
    assert places.resolve_folder("datasets/both") == first / "both"
    assert places.new_folder("new", "it", default="datasets") == first / "new"
    assert places.shown_name(second / "theirs") == "datasets/theirs"


def test_where_new_folders_go(places: Any, errors: Any, folders: Any, tmp_path: Path) -> None:
    datasets = folders.models / "ganrm_datasets"
    assert places.new_folder(" my_likes ", "it", default="datasets") == datasets / "my_likes"
    assert places.new_folder("a/b", "it", default="datasets") == datasets / "a" / "b"
    assert places.new_folder("output/a", "it", default="datasets") == folders.output / "a"
    assert places.new_folder("datasets/a", "it", default="output") == datasets / "a"
    for value in ("input", "input/a", "input\\a"):
        with pytest.raises(errors.OutputError, match="only read"):
            places.new_folder(value, "the dataset", default="datasets")
    for value in ("", " ", ".", "output", "datasets/"):
        with pytest.raises(errors.OutputError, match="Give the dataset a name"):
            places.new_folder(value, "the dataset", default="datasets")
    outside = tmp_path / "outside"
    with pytest.raises(errors.OutputError, match="add this line"):
        places.new_folder(str(outside), "the dataset", default="datasets")
    allow(folders, str(outside))
    assert places.new_folder(f"{outside}/new", "the dataset", default="datasets") == outside / "new"
    assert not outside.exists(), "naming a folder does not make it"


def test_models_are_found_and_named(places: Any, errors: Any, folders: Any) -> None:
    home = folders.models / "ganrm"
    (home / "mine").mkdir()
    (home / "mine" / "a.safetensors").touch()
    assert places.model_path("mine/a.safetensors") == home / "mine" / "a.safetensors"
    assert places.model_path("mine\\a.safetensors") == home / "mine" / "a.safetensors"
    assert places.new_model_path(" my.taste ") == home / "my.taste.safetensors"
    assert places.new_model_path("sub/b.safetensors") == home / "sub" / "b.safetensors"
    with pytest.raises(errors.CheckpointError, match=r"not on this machine.*put it into"):
        places.model_path("theirs.safetensors")
    with pytest.raises(errors.OutputError) as caught:
        places.new_model_path("/tmp/evil")
    assert "add this line" not in str(caught.value), "no line would help"


def test_a_models_folder_that_cannot_be_made_does_not_stop_the_pack(
    places: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    (tmp_path / "file").touch()
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "file"))
    places.register()
