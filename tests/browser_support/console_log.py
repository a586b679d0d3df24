"""Console errors and uncaught exceptions of a page, without the noise that pages make by themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Error, Page

# (pattern of the text, pattern of the address or stack) of what pages print on a server without packs or network.
_NOISE = (
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
    # Page 1.27 asks the address of a missing file for its size, which takes a network.
    (r"Error fetching file size: TypeError: Failed to fetch", r""),
    # Page 1.27 removes listeners of a subgraph that it never added.
    (r"Attempted to cleanup event listeners for graph that was never set up", r""),
    # Page 1.27 reads one of its own settings before that is registered.
    (r"reading 'id'", r"addSetting"),
)


@dataclass(frozen=True)
class Complaint:
    """One console error or uncaught exception. `where` is the address of the script or file, or the stack."""

    text: str
    where: str


@dataclass
class ConsoleLog:
    """All complaints of one page since it was opened or since `clear()`."""

    complaints: list[Complaint] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", self._page_error)

    def unexpected(self) -> list[Complaint]:
        """Everything but `_NOISE`."""
        return [c for c in self.complaints if not _is_noise(c)]

    def mentioning(self, word: str) -> list[Complaint]:
        """Complaints with a word in text or address, noise or not."""
        return [c for c in self.complaints if word in f"{c.text} {c.where}"]

    def clear(self) -> None:
        self.complaints.clear()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(Complaint(message.text, message.location.get("url", "")))

    def _page_error(self, error: Error) -> None:
        self.complaints.append(Complaint(error.message, error.stack or ""))


def _is_noise(complaint: Complaint) -> bool:
    if complaint.where.startswith("http") and not is_loopback(complaint.where):
        return True
    return any(
        re.search(text, complaint.text) and re.search(where, complaint.where) for text, where in _NOISE
    )


def is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", None)
