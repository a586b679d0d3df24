"""Help pages in the page's language, found at the first request."""

from __future__ import annotations

import pytest
from browser_support.page import OpenPage
from browser_support.panels import open_help


@pytest.mark.parametrize(("locale", "heading"), [("en", "Outputs"), ("ru", "Outputs"), ("zh", "输出")])
def test_help_is_found_at_the_first_question(open_comfy: OpenPage, locale: str, heading: str) -> None:
    with open_comfy(locale=locale) as page:
        page.raw.wait_for_timeout(500)
        page.console.clear()
        shown = open_help(page, "GANRMTrain")
        assert heading in shown.text
        assert not shown.broken_pictures
        assert page.console.mentioning("/docs/") == []
