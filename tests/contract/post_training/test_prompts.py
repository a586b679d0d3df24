"""Node "Prompts": prompts from text and files, encoded; what is said about them, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from contract_support.groups import Clip

NODE = "GANRMPrompts"


@pytest.fixture
def prompts(pack: Any, folders: Any) -> Any:
    """(**inputs) → the node's result."""
    return lambda **inputs: pack.run(NODE, **{"clip": Clip(), "file": "none", **inputs})


def test_every_prompt_is_encoded_once_and_the_negative_one(prompts: Any) -> None:
    clip = Clip()
    result = prompts(clip=clip, text="a {red|blue} cat\n# no\n\na dog\na dog", negative="blurry")
    assert set(clip.encoded) == {"a red cat", "a blue cat", "a dog", "blurry"}
    assert len(clip.encoded) == 4
    found = result["prompts"]
    assert set(found.texts) == {"a red cat", "a blue cat", "a dog"}
    assert result["count"] == len(found) == len(found.positive) == 3
    assert [float(each[0][0]) for each in found.positive] == [float(len(text)) for text in found.texts]
    assert (found.negative_text, float(found.negative[0][0])) == ("blurry", 6.0)
    assert "there already: 1." in result["summary"]
    assert "fewer than 8" in result["summary"]
    assert result.ui["prompts"] == list(found.texts)


def test_files_of_the_input_folder_add_to_the_text(pack: Any, prompts: Any, folders: Any) -> None:
    (folders.input / "deep").mkdir()
    (folders.input / "deep" / "list.txt").write_text("ein Hündchen\r\n# no\r\n", encoding="utf-16")
    (folders.input / "table.CSV").write_text('id;Prompt\n1;"a cat; asleep"\n', encoding="utf-8-sig")
    (folders.input / "picture.png").touch()
    (option,) = (socket for socket in pack.schema(NODE).inputs if socket.id == "file")
    assert pack.module("nodes.host.prompt_files").prompt_file_choices() == [
        "none",
        "table.CSV",
        "deep/list.txt",
    ]
    assert option.default == "none"
    assert prompts(text="first", file="deep/list.txt")["prompts"].texts == ("first", "ein Hündchen")
    assert prompts(file="table.CSV")["prompts"].texts == ("a cat; asleep",)


def test_a_changed_file_runs_again(pack: Any, folders: Any) -> None:
    of = pack.node(NODE).fingerprint_inputs
    path = folders.input / "list.txt"
    seen = {of(file=None), of(file="none"), of(file="list.txt"), of(file="../list.txt")}
    for text in ("a cat", "a dog"):
        path.write_text(text)
        seen.add(of(file="list.txt"))
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"text": " \n# a cat\n"}, "There are no prompts"),
        ({"text": "a {cat", "file": "none"}, "without its }"),
        ({"text": "a cat", "clip": None}, "no text encoder"),
        ({"file": "absent.txt"}, 'no file "absent.txt"'),
        ({"file": "../secret.txt"}, "leads out of its folder"),
        ({"file": "/etc/passwd"}, "until you allow it"),
        ({"file": "picture.png"}, "no list of prompts"),
        ({"file": "latin.txt"}, "not text in UTF-8"),
        ({"file": "binary.txt"}, "holds no text"),
        ({"file": "large.txt"}, "at most 8 MB"),
        ({"text": "a", "choices": "some"}, "all combinations"),
    ],
)
def test_inputs_that_are_refused(
    prompts: Any, folders: Any, errors: Any, inputs: dict[str, Any], message: str
) -> None:
    (folders.input.parent / "secret.txt").write_text("secret")
    (folders.input / "picture.png").touch()
    (folders.input / "latin.txt").write_bytes("Hündchen".encode("latin-1"))
    (folders.input / "binary.txt").write_bytes(b"a\0b")
    with (folders.input / "large.txt").open("wb") as file:
        file.truncate(8_000_001)
    with pytest.raises(errors.DataError, match=re.escape(message)):
        prompts(**inputs)


def test_a_missing_file_is_refused_when_it_is_queued(pack: Any, folders: Any) -> None:
    assert "no file" in pack.refusal(NODE, file="absent.txt", choices="one at random")
    assert "choices" in pack.refusal(NODE, choices="some")
    assert pack.refusal(NODE, file=None, choices=None) == ""


def test_long_prompts_are_named(prompts: Any) -> None:
    text = "\n".join(["short", "long " * 80, "embedding:l"])
    summary = prompts(text=text)["summary"]
    assert "read in pieces and joined: 2, 3." in summary
    assert "is cut off, because an embedding fits one text encoder only: 3." in summary


def test_no_more_than_asked_for(prompts: Any) -> None:
    result = prompts(text="{a|b|c|d|e}", most=2)
    assert result["count"] == 2
    assert "Only 2 of 5 possible prompts" in result["summary"]
    assert prompts(text="{a|b|c|d|e}", choices="one at random")["count"] == 1


def test_cancel_between_prompts(prompts: Any, cancel: Any) -> None:
    clip = Clip()
    interrupt = cancel(lambda: len(clip.encoded) == 2)
    with pytest.raises(interrupt):
        prompts(clip=clip, text="a\nb\nc")
    assert clip.encoded == ["a", "b"]


def test_a_file_that_cannot_be_read_is_said(
    prompts: Any, folders: Any, errors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folders.input / "list.txt"
    file.write_text("a cat")
    original = type(file).open

    def forbidden(path: Any, *arguments: Any, **named: Any) -> Any:
        if path.name == file.name:
            raise PermissionError(13, "Permission denied")
        return original(path, *arguments, **named)

    monkeypatch.setattr(type(file), "open", forbidden)
    with pytest.raises(errors.DataError, match=r'Cannot read "list\.txt": Permission denied'):
        prompts(file="list.txt")
