"""Error texts of Python and other libraries, cleaned and shortened to fit into a one-line message."""

from __future__ import annotations

_MOST_CHARACTERS = 240


def reason(error: BaseException) -> str:
    """The first line of the error's text, printable and short; its type where it has no text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shortened(lines[0] if lines else type(error).__name__).rstrip(".")


def damage(error: BaseException) -> str:
    """What is wrong with data whose parsing raised `error`, without Python terms."""
    if isinstance(error, KeyError):
        return shortened(f"{error} is missing")
    if isinstance(error, (TypeError, AttributeError, IndexError)):
        return "an entry is missing or of the wrong kind"
    return reason(error) if str(error).strip() else "it ends too early"


def shortened(text: str, most: int = _MOST_CHARACTERS) -> str:
    """At most `most` characters, printable."""
    return printable(text if len(text) <= most else text[:most] + "…")


def printable(text: str) -> str:
    """On one line: line breaks, control characters and invalid text (surrogates) are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
