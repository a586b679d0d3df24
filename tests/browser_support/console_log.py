"""What the page complains about: console errors and uncaught exceptions, and whose fault they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Error, Page

# What the page versions print on a server without any pack, on a machine without a network. Each pair is
# (pattern of the text, pattern of the address or stack).
_NOISE = tuple(
    (re.compile(text), re.compile(where))
    for text, where in (
        (r"status of 404", r"/user\.css$|/favicon\.ico$|/index_logo\.json$"),
        (r"status of 404", r"/api/userdata[/?]"),
        # Page 1.58 asks a newer server's routes of 0.3.64.
        (r"status of 404", r"/api/(global_subgraphs|jobs|assets|node_replacements|tags)\b"),
        (r"JobsApiError|\[Jobs API\]", r""),
        # Help pages are asked for in the language first, then without one.
        (r"status of 404", r"/docs/[^/]+/[a-zA-Z-]+\.md$"),
        # Newer servers forbid their page to ask others about models and packs, which it does all the same.
        (r"(Connecting to|Fetch API cannot load) '?https://.*Content Security Policy", r""),
        (r"ComfyApp graph accessed before initialization", r""),
        # A newer server without all packages of core's templates serves none of them.
        (r"status of 404", r"/templates/index\.json$"),
        (r"Error loading core workflow templates", r""),
        # Page 1.27 reads one of its own settings before that is registered.
        (r"reading 'id'", r"addSetting"),
    )
)


@dataclass(frozen=True)
class Complaint:
    """One console error or uncaught exception. `where` is the address of the script or file, or the stack."""

    kind: str
    text: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text} ({self.where})"


@dataclass
class ConsoleLog:
    """All complaints of one page since it was opened or since `clear()`."""

    complaints: list[Complaint] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", self._page_error)

    def unexpected(self) -> list[Complaint]:
        """Everything but the noise that both page versions make without any pack and without a network."""
        return [c for c in self.complaints if not _is_noise(c)]

    def mentioning(self, words: Iterable[str] = ("gan-rm", "ganrm")) -> list[Complaint]:
        """Complaints that name the pack, one of its files or one of its nodes, noise or not."""
        wanted = [word.lower() for word in words]
        return [c for c in self.complaints if any(word in f"{c.text} {c.where}".lower() for word in wanted)]

    def clear(self) -> None:
        self.complaints.clear()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(Complaint("console", message.text, message.location.get("url", "")))

    def _page_error(self, error: Error) -> None:
        self.complaints.append(Complaint("uncaught", error.message, error.stack or ""))


def _is_noise(complaint: Complaint) -> bool:
    if complaint.where.startswith("http") and not is_loopback(complaint.where):
        return True
    return any(text.search(complaint.text) and where.search(complaint.where) for text, where in _NOISE)


def is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", None)
