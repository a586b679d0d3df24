"""README, CONTRIBUTING, CHANGELOG and docs: commands, links and paths in them exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganrm_core.cli import main
from ganrm_core.rewards.known.judges import JUDGES

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
README = TEXTS["README.md"]


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


def test_every_command_of_the_readme_exists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    known = set(re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE))
    assert set(re.findall(r"^ganrm\s+(\w+)", README, re.MULTILINE)) <= known


def test_every_known_judge_is_documented() -> None:
    assert [judge.name for judge in JUDGES if judge.name not in TEXTS["docs/rewards.md"]] == []


def test_changelog_and_workflows_name_the_version() -> None:
    version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert re.findall(r"^## \[(.+)\]", TEXTS["CHANGELOG.md"], re.MULTILINE)[:1] == version
    for workflow in (ROOT / "workflows").glob("*.json"):
        ours = re.findall(r'"cnr_id": "gan-rm",\s+"ver": "(.+)"', workflow.read_text(encoding="utf-8"))
        assert set(ours) == set(version), f"{workflow.name}: run python scripts/make_workflows.py"


@pytest.mark.parametrize("page", TEXTS)
def test_local_links_and_their_headings_exist(page: str) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", TEXTS[page]):
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        assert not heading or heading in anchors(file.read_text(encoding="utf-8")), (
            f"{page} links to #{heading}"
        )


@pytest.mark.parametrize("page", TEXTS)
def test_paths_in_code_marks_exist(page: str) -> None:
    named = re.findall(r"`(?:python )?((?:\w+/)*\w+\.py)\b", TEXTS[page])
    places = (ROOT, ROOT / "ganrm_core", *((ROOT / "tests" / each) for each in ("unit", "contract")))
    lost = [name for name in named if "/" in name and not any((place / name).exists() for place in places)]
    assert lost == []


@pytest.mark.parametrize("page", TEXTS)
def test_no_figure_is_still_to_come_and_no_heading_stands_twice(page: str) -> None:
    assert not re.search(r"\b[A-Z]+_FIGURES\b|\bTODO\b|\bTBD\b", TEXTS[page])
    headings = anchors(TEXTS[page]) if page != "CHANGELOG.md" else []
    assert len(headings) == len(set(headings))


def anchors(text: str) -> list[str]:
    """The names by which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
