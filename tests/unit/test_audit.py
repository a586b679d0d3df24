"""The audit of the tested set: what fails it, and what only gives a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import audit

VULNERABLE = {
    "name": "pillow",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"], "description": ""}],
}
CLEAN = {"name": "numpy", "version": "2.0", "vulns": []}
UNKNOWN = {"name": "gone", "skip_reason": "not found"}


def test_every_constraint_is_a_pin() -> None:
    lines = audit.CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and line[0] != "#" and "==" not in line.partition(";")[0]] == []


def test_every_accepted_advisory_has_a_reason() -> None:
    assert all(audit.accepted_advisories().values())


@pytest.mark.parametrize("accepted", ["PYSEC-1", "CVE-1"])
def test_a_vulnerability_counts_unless_it_is_accepted(accepted: str) -> None:
    report = {"dependencies": [VULNERABLE, CLEAN, UNKNOWN]}
    assert list(audit.vulnerabilities(report, {})) == ["pillow 1.0: PYSEC-1, fixed in 1.1"]
    assert list(audit.vulnerabilities(report, {accepted: "not used"})) == []
    assert audit.known(report) == 2


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([VULNERABLE, CLEAN], 1, "PYSEC-1"),
        ([CLEAN], 0, "1 pins known to the advisory service, 0 vulnerabilities"),
        ([UNKNOWN], 0, "cannot be reached"),
        (None, 0, "cannot be reached"),
    ],
)
def test_what_fails_a_build(
    packages: list[Any] | None,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(command: list[str], **_: Any) -> None:
        if "environment" in command:
            Path(command[command.index("-o") + 1]).write_text(json.dumps({"components": [{}, {}]}))
        elif packages is not None:
            Path(command[command.index("-o") + 1]).write_text(json.dumps({"dependencies": packages}))

    monkeypatch.setattr(subprocess, "run", run)
    sbom = tmp_path / "sbom.json"
    monkeypatch.setattr(sys, "argv", ["audit.py", "--tools", str(tmp_path), "--sbom", str(sbom)])
    assert audit.main() == code
    out = capsys.readouterr().out
    assert words in out
    assert "SBOM (CycloneDX) of 2 packages" in out
    assert sbom.is_file()


def test_without_its_tools_it_says_so_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(audit.venv, "create", fail)
    monkeypatch.setattr(sys, "argv", ["audit.py"])
    assert audit.main() == 0
    assert capsys.readouterr().out == "No audit: cyclonedx-bom and pip-audit cannot be installed here.\n"
