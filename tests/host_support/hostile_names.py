"""Values by which a shared workflow may try to name what lies outside ComfyUI's folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DOTS = {
    "fullwidth": "\uff0e\uff0e",
    "two dot leader": "\u2025",
    "one dot leaders": "\u2024\u2024",
    "with a joiner": ".\u200d.",
    "small": "\ufe52\ufe52",
}
_SLASHES = {"division": "\u2215", "fraction": "\u2044", "fullwidth": "\uff0f", "backslash": "\uff3c"}
_UPS = (1, 2, 3, 4, 6)
_FIRST = (
    "",
    "input/",
    "output/",
    "datasets/",
    "ganrm_judges/",
    "clip_vision/",
    "newest of ",
    "file:",
    "transformers:",
)


@dataclass(frozen=True)
class Attack:
    """A kind of trick and the value that plays it; the value need not be text."""

    kind: str
    value: Any


def attacks(outside: Path) -> list[Attack]:
    """All of them. outside: a folder two levels above `input`; its files are named by `targets`."""
    return list(_attacks(outside))


TARGETS = ("pictures", "prompts.txt", "prompts.csv", "taste.safetensors", "new")
"""What lies in the folder outside, and a name that is free there."""


def _attacks(outside: Path) -> Iterator[Attack]:
    for number, target in enumerate(TARGETS):
        below = f"{outside.name}/{target}"
        for first in _FIRST:
            for up in _UPS:
                yield Attack("..", f"{first}{'../' * up}{below}")
        yield from _absolute(outside / target)
        yield from _written_otherwise(below, number)
    yield from _anywhere()


def _absolute(path: Path) -> Iterator[Attack]:
    for kind, first in (("absolute", ""), ("address", "file://"), ("backbone", "file:"), ("home", "~/../..")):
        yield Attack(kind, f"{first}{path}")
    for first in ("input", "input/", "output/", "newest of ", "transformers:", '"', " "):
        yield Attack("absolute, prefixed", f"{first}{path}")
    yield Attack("absolute, quoted", f'"{path}"')
    yield Attack("absolute, around", f"{path.parent}/nothing/../{path.name}")


def _written_otherwise(below: str, number: int) -> Iterator[Attack]:
    up = "../../"
    backwards = f"{up}{below}".replace("/", "\\")
    for first in ("", "input\\", "output\\"):
        yield Attack("backslashes", f"{first}{backwards}")
    yield Attack("mixed slashes", f"input/..\\../{below}")
    yield Attack("double slashes", f"input//..//..//{below}")
    yield Attack("dots and spaces", f"input/.. /.. /{below}")
    yield Attack("NUL", f"input/liked\0/{up}{below}")
    yield Attack("line break", f"input/liked\n/{up}{below}")
    yield Attack("percent", f"{up}{below}".replace("/", "%2f").replace(".", "%2e", 4))
    yield Attack("percent twice", f"{up}{below}".replace("/", "%252f"))
    yield Attack("JSON escapes", f"{up}{below}".replace("/", "\\u002f").replace("..", "\\u002e\\u002e"))
    for dots, text in _DOTS.items():
        yield Attack(f"{dots} dots", f"input/{text}/{text}/{below}")
    for slash, text in _SLASHES.items():
        yield Attack(f"{slash} slashes", f"input{text}..{text}..{text}{below.replace('/', text)}")
    for part in ("%date:..%", ".%date:.%", "%date:.%.", ".%score%.", "%year%/../..", "..%batch_num%"):
        yield Attack("variables", f"{part}/{part}/{below}")
    yield Attack("alternatives", f"{{..|..}}/{{..|..}}/{below}")
    yield Attack("wildcards", f"input/*/../../{below[: 3 + number]}*")


def _anywhere() -> Iterator[Attack]:
    for drive in (
        "C:\\Windows",
        "C:/Windows/win.ini",
        "C:relative",
        "c:",
        "input/C:/x",
        "\\\\?\\C:\\x",
        "\\\\.\\pipe\\x",
    ):
        yield Attack("drive", drive)
    for share in ("\\\\host\\share\\x", "//host/share/x", "input//host/share", "smb://host/share/x"):
        yield Attack("share", share)
    for stream in (
        "input/liked:secret",
        "my_taste.safetensors:secret",
        "x::$DATA",
        "input/liked::$INDEX_ALLOCATION",
    ):
        yield Attack("stream", stream)
    for device in ("CON", "NUL.safetensors", "input/aux", "/dev/zero", "/proc/self/environ", "/etc/passwd"):
        yield Attack("device", device)
    for long in (
        "a" * 300,
        "input/" + "a" * 300,
        "output/" + "a/" * 3000,
        "input/" + "../" * 3000,
        "\u4e2d" * 120,
    ):
        yield Attack("over-long", long)
    for shell in (
        "$(touch hacked)",
        "`touch hacked`",
        "x; touch hacked",
        "$HOME",
        "${HOME}/x",
        "%USERPROFILE%\\x",
    ):
        yield Attack("shell", shell)
    for odd in ("..", ".", "/", "\\", "", " ", "\ud800", "\u202egnp.x", "-rf", "--output=x"):
        yield Attack("odd", odd)
    for other in (
        None,
        True,
        7,
        0.5,
        {"x": 1},
        {"__value__": ["../../outside/new"]},
        {"__value__": [["/etc"]]},
    ):
        yield Attack("no text", other)
