from __future__ import annotations

from pathlib import Path

import pytest

from ganrm_core.cli import _parser
from ganrm_core.cli.given_paths import given_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('"/a/b c"', "/a/b c"),
        ("'/a/b c'", "/a/b c"),
        ("/a/b c", "/a/b c"),
        ('"', '"'),
        ('""', '""'),
        ("\"a'", "\"a'"),
        ("file:///a/b%20c/%23d", "/a/b c/#d"),
        ("file://localhost/a", "/a"),
        ("'file:///a'", "/a"),
    ],
)
def test_as_pasted(text: str, path: str) -> None:
    assert given_path(text) == Path(path)


def test_a_url_of_a_name_that_is_no_text() -> None:
    assert bytes(given_path("file:///a/caf%E9")) == b"/a/caf\xe9"


def test_what_really_is_called_so_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path('"a"').touch()
    assert given_path('"a"') == Path('"a"')


def test_every_command_takes_its_paths_so() -> None:
    parse = _parser().parse_args
    options = parse(["score", "'a.safetensors'", '"my pictures"', "'b'"])
    assert (options.model, options.paths) == (Path("a.safetensors"), [Path("my pictures"), Path("b")])
    options = parse(["train", "--liked", '"l"', "--ordinary", "file:///o", "--output", "'m.safetensors'"])
    assert (options.liked, options.ordinary, options.output) == (Path("l"), Path("/o"), Path("m.safetensors"))
    options = parse(["combine", "'a b.safetensors':0.5", '"c"', "--output", '"x.json"'])
    assert options.models == [(Path("a b.safetensors"), 0.5), (Path("c"), 1.0)]
