"""What the README promises is what is run."""

from __future__ import annotations

import re
from pathlib import Path

from ganrm_core.cli import _parser

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def command(marker: str) -> str:
    match = re.search(rf"<!-- {marker} -->\n```bash\n(.+?)\n```", README, re.DOTALL)
    assert match, f"README.md has no command marked {marker!r}"
    return match.group(1)


def test_ci_runs_the_readmes_own_test_command() -> None:
    assert "pytest" in command("test command")
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()


def test_commands_use_the_tested_set() -> None:
    for marker in ("demo command", "test command"):
        assert "pip install -c constraints.txt" in command(marker)


def test_every_command_of_the_readme_exists() -> None:
    known = set(re.findall(r"^    (\w+) ", _parser().format_help(), re.MULTILINE))
    assert set(re.findall(r"^ganrm\s+(\w+)", README, re.MULTILINE)) <= known


def test_local_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_chapter_stands_twice() -> None:
    chapters = re.findall(r"^#+ .+", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.MULTILINE)
    assert len(chapters) == len(set(chapters))


def test_no_figure_is_still_to_come() -> None:
    assert not re.search(r"\b[A-Z]+_FIGURES\b|\bTODO\b|\bTBD\b", README)
