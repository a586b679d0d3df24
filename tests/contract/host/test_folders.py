"""Folder and model names from a workflow: what they resolve to, and that none leads out of the permitted folders."""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from contract_support.pack import Folders, Pack

ESCAPES = [
    *("..", "../", "input/..", "input/../..", "input/cats/../../..", "datasets/../../../etc"),
    *("output/..\\..\\secret", "output\\..\\..\\secret", "input//etc", "input/\\\\server\\share"),
    *("input/C:/Windows", "input/cats/c:evil", "input/.. /secret", "input/.../secret"),
    *("input/\0/etc", "input\0", "input/line\nbreak", "input/\ud800"),
]
ELSEWHERE = [
    *("/etc", "/", "//server/share", "C:\\Users\\me", "C:/Users/me", "c:", "C:relative"),
    *("\\\\server\\share\\pics", "\\rooted", "\\\\?\\C:\\pics"),
]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside ComfyUI's own, with a picture in it."""
    folder = tmp_path / "out side é"
    folder.mkdir()
    (folder / "private.png").touch()
    return folder


def allow(folders: Folders, *lines: object, encoding: str = "utf-8") -> None:
    (folders.user / "ganrm_folders.txt").write_bytes("\r\n".join(map(str, lines)).encode(encoding))


class TestEscapes:
    @pytest.mark.parametrize("value", ESCAPES + ELSEWHERE)
    def test_nothing_outside_is_read_or_written(self, places: Any, errors: Any, value: str) -> None:
        with pytest.raises(errors.DataError) as caught:
            places.resolve_folder(value)
        assert not re.search("[\n\0]", str(caught.value))
        str(caught.value).encode("utf-8")
        with pytest.raises(errors.OutputError):
            places.new_folder(value.replace("input", "output"), "the dataset", default="datasets")

    def test_models_stay_in_their_folder(self, models: Any, errors: Any) -> None:
        for value in ("../evil", "a/../../evil", "..\\evil", "a/C:/evil", "a\0b", *ELSEWHERE):
            for name in (value, f'"{value}"', f"'{value}'"):
                with pytest.raises(errors.CheckpointError):
                    models.model_path(name)
                with pytest.raises(errors.OutputError):
                    models.new_model_path(name)

    def test_no_accepted_name_leaves_its_folder_on_windows(self, pack: Pack) -> None:
        # A drive inside a Windows path discards everything before it.
        home = PureWindowsPath("D:/ComfyUI/output")
        relative_path = pack.module("nodes.host.safe_paths").relative_path
        for value in ("a/b", "a\\b", "12:30/x", "./a//b", "a.b/c", ".hidden"):
            joined = home.joinpath(*relative_path(value, value, "read from").parts)
            assert home in joined.parents
            assert ".." not in joined.parts


class TestAllowlist:
    def test_the_message_shows_the_very_line_to_add(
        self, places: Any, errors: Any, folders: Folders, outside: Path
    ) -> None:
        with pytest.raises(errors.DataError) as caught:
            places.resolve_folder(str(outside))
        assert str(folders.user / "ganrm_folders.txt") in str(caught.value)
        line = re.search(r"\): (.+)$", str(caught.value))
        assert line
        allow(folders, line[1])
        assert places.resolve_folder(str(outside)) == outside, "read at every run"

    def test_a_line_allows_that_folder_and_what_lies_in_it(
        self, places: Any, errors: Any, folders: Folders, outside: Path
    ) -> None:
        evil = Path(f"{outside}_evil")
        for folder in (outside / "inner", evil):
            folder.mkdir()
        damaged = b"/caf\xe9\n"
        (folders.user / "ganrm_folders.txt").write_bytes(damaged + str(outside).encode())
        assert places.resolve_folder(f"{outside}/inner") == outside / "inner"
        for value in (evil, outside.parent, f"{outside}/inner/../../{evil.name}"):
            with pytest.raises(errors.DataError):
                places.resolve_folder(str(value))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_the_file_may_be_as_editors_leave_it(
        self, places: Any, errors: Any, folders: Folders, tmp_path: Path, encoding: str
    ) -> None:
        one, two, three = allowed = [tmp_path / name for name in ("one", "two ü", "three")]
        for folder in allowed:
            folder.mkdir()
        lines = (f"# {tmp_path}", f"  {one}  ", "", f'"{two}"', f"{three}/", "relative/is")
        allow(folders, *lines, encoding=encoding)
        with pytest.raises(errors.DataError):
            places.resolve_folder(str(tmp_path))
        assert [places.resolve_folder(str(folder)) for folder in allowed] == allowed
        choices = places.folder_choices()
        assert {str(folder) for folder in allowed} <= set(choices)
        assert not any("relative" in choice for choice in choices)


class TestNames:
    def test_what_they_resolve_to(self, places: Any, errors: Any, folders: Folders) -> None:
        cats = folders.input / "cats" / "young"
        cats.mkdir(parents=True)
        assert places.resolve_folder("input") == folders.input
        assert places.resolve_folder("input\\cats\\young") == cats, "a workflow made on Windows"
        with pytest.raises(errors.DataError, match=r"no folder \"cats\" here.*input/.*press R"):
            places.resolve_folder("cats")
        with pytest.raises(errors.DataError, match="another machine"):
            places.resolve_folder("C:\\pics" if Path("/").is_absolute() else "/pics")

    def test_choices_are_those_that_resolve(self, places: Any, folders: Folders, outside: Path) -> None:
        (folders.input / "cats/young/tiny/too_deep").mkdir(parents=True)
        (folders.input / ".hidden").mkdir()
        (folders.models / "ganrm_datasets" / "my_likes").mkdir()
        (folders.input / "linked").symlink_to(outside)
        (folders.input / "a_loop").symlink_to(folders.input / "a_loop")
        (folders.input / "b_round").symlink_to(folders.input)
        choices = places.folder_choices()
        offered = {"input", "output", "input/cats/young/tiny", "datasets/my_likes", "input/linked"}
        assert offered <= set(choices)
        assert not any("hidden" in choice or "too_deep" in choice for choice in choices)
        assert all(places.resolve_folder(choice).is_dir() for choice in choices)
        assert (places.resolve_folder("input/linked") / "private.png").exists()

    @pytest.mark.parametrize("quote", ['"', "'"])
    def test_a_path_pasted_with_its_quotes(
        self, places: Any, models: Any, folders: Folders, outside: Path, quote: str
    ) -> None:
        """Windows' "Copy as path" and some file managers add them."""
        home = folders.models / "ganrm"
        (folders.input / "my cats").mkdir()
        allow(folders, outside)
        (home / "a.safetensors").touch()

        def quoted(value: object) -> str:
            return f" {quote}{value}{quote} "

        assert places.resolve_folder(quoted("input/my cats")) == folders.input / "my cats"
        assert places.resolve_folder(quoted(outside)) == outside
        assert places.new_folder(quoted("new one"), "it", default="output") == folders.output / "new one"
        assert places.new_folder(quoted(outside / "new"), "it", default="output") == outside / "new"
        assert models.model_path(quoted("a.safetensors")) == home / "a.safetensors"
        assert models.new_model_path(quoted("sub\\b.c")) == home / "sub" / "b.c.safetensors"

    def test_several_dataset_folders(self, places: Any, folders: Folders, tmp_path: Path) -> None:
        import folder_paths

        first, second = folders.models / "ganrm_datasets", tmp_path / "more datasets"
        for folder in (second / "theirs", second / "both", first / "both"):
            folder.mkdir(parents=True)
        folder_paths.add_model_folder_path("ganrm_datasets", str(second))
        assert {"datasets/theirs", "datasets/both"} <= set(places.folder_choices())
        assert places.resolve_folder("datasets/theirs") == second / "theirs"
        assert places.resolve_folder("datasets/both") == first / "both"
        assert places.new_folder("new", "it", default="datasets") == first / "new"
        assert places.shown_name(second / "theirs") == "datasets/theirs"

    def test_where_new_folders_go(self, places: Any, errors: Any, folders: Folders, outside: Path) -> None:
        def new(value: object, default: str = "datasets") -> Any:
            return places.new_folder(str(value), "the dataset", default=default)

        datasets = folders.models / "ganrm_datasets"
        assert new(" my_likes ") == datasets / "my_likes"
        assert new("output/a") == folders.output / "a"
        assert new("datasets/a/b", "output") == datasets / "a" / "b"
        for value in ("input", "input\\a"):
            with pytest.raises(errors.OutputError, match="only read"):
                new(value)
        for value in ("", " ", ".", "output", "datasets/"):
            with pytest.raises(errors.OutputError, match="Give the dataset a name"):
                new(value)
        with pytest.raises(errors.OutputError, match="add this line"):
            new(outside)
        allow(folders, outside)
        assert new(outside / "new") == outside / "new"
        assert not (outside / "new").exists(), "naming a folder does not make it"


def test_a_models_folder_that_cannot_be_made_does_not_stop_the_pack(
    places: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    (tmp_path / "file").touch()
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "file"))
    places.register()
