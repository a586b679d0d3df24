"""SBOM and known vulnerabilities of the tested set: python scripts/audit.py [--python PYTHON] [--sbom FILE] [--tools DIR]

Writes a CycloneDX SBOM of what is installed for PYTHON (default: the one that runs this), and asks pip-audit about every
pin of constraints.txt. Exit code 1 for a vulnerability that ACCEPTED does not name with a reason, unless --report-only.
Where the tools cannot be installed or the advisory service cannot be reached, one line says so and nothing fails: a build
must not depend on it.

The tools get an environment of their own, so that they are not in the SBOM. DIR: one that has them already (its `bin`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
ACCEPTED = ROOT / ".ci" / "accepted_advisories.txt"
"""One a line: the advisory's id, and after a space the reason why it does not concern the pack."""
_TOOLS = ("cyclonedx-bom", "pip-audit")
_SECONDS = 240  # of one command


def main() -> int:
    parser = argparse.ArgumentParser(description="SBOM and known vulnerabilities of the tested set.")
    parser.add_argument("--python", default=sys.executable, help="whose environment the SBOM describes")
    parser.add_argument(
        "--sbom", type=Path, help="where the SBOM is written (default: only made and counted)"
    )
    parser.add_argument("--tools", type=Path, help="folder with cyclonedx-py and pip-audit")
    parser.add_argument("--report-only", action="store_true", help="list vulnerabilities, and exit with 0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audit-") as name:
        tools = options.tools or _installed(Path(name) / "tools")
        if tools is None:
            print(f"No audit: {' and '.join(_TOOLS)} cannot be installed here.")
            return 0
        made = _write_sbom(tools, options.python, options.sbom or Path(name) / "sbom.json")
        found = _judge(_asked(tools, Path(name) / "report.json"))
        return max(made, 0 if options.report_only else found)


def vulnerabilities(report: Mapping[str, Any], accepted: Mapping[str, str]) -> Iterator[str]:
    """A line for each vulnerability in pip-audit's report that is not accepted, by its id or another name of it."""
    for package in report["dependencies"]:
        for each in package.get("vulns", ()):
            if not accepted.keys() & {each["id"], *each["aliases"]}:
                fixed = ", ".join(each["fix_versions"]) or "no version yet"
                yield f"{package['name']} {package['version']}: {each['id']}, fixed in {fixed}"


def known(report: Mapping[str, Any]) -> int:
    """How many packages the advisory service knows."""
    return sum("skip_reason" not in package for package in report["dependencies"])


def accepted_advisories() -> dict[str, str]:
    """id → reason."""
    lines = ACCEPTED.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(" ") for line in lines if line and not line.startswith("#"))
    return {name: reason.strip() for name, _, reason in pairs}


def _installed(folder: Path) -> Path | None:
    """The programs' folder of a new environment with the tools."""
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    try:
        venv.create(folder, with_pip=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "-c", str(CONSTRAINTS), *_TOOLS]
        subprocess.run(pip, check=True, timeout=_SECONDS, capture_output=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return programs


def _write_sbom(tools: Path, python: str, path: Path) -> int:
    """Exit code: 1 where it cannot be made."""
    command = [str(tools / "cyclonedx-py"), "environment", "--of", "JSON", "-o", str(path), python]
    try:
        subprocess.run(command, check=True, timeout=_SECONDS, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        print(f"No SBOM: it was not made within {_SECONDS} s.")
        return 0
    except subprocess.CalledProcessError as error:
        print(f"No SBOM: cyclonedx-py ended with {error.returncode}. {error.stderr.strip()[-500:]}")
        return 1
    count = len(json.loads(path.read_text(encoding="utf-8"))["components"])
    print(f"SBOM (CycloneDX) of {count} packages")
    return 0


def _asked(tools: Path, report: Path) -> dict[str, Any] | None:
    """pip-audit's report; None where the advisory service cannot be reached."""
    # Every line is a pin, so nothing has to be resolved or downloaded.
    command = [str(tools / "pip-audit"), "-r", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    command += ["--progress-spinner", "off", "-f", "json", "-o", str(report)]
    try:
        subprocess.run(command, check=False, timeout=_SECONDS, capture_output=True)
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    except (subprocess.TimeoutExpired, OSError, ValueError):
        return None
    return found if known(found) else None


def _judge(report: dict[str, Any] | None) -> int:
    if report is None:
        print("No audit of vulnerabilities: the advisory service cannot be reached here.")
        return 0
    found = list(vulnerabilities(report, accepted_advisories()))
    print(f"pip-audit: {known(report)} pins known to the advisory service, {len(found)} vulnerabilities")
    for line in found:
        print(f"  {line}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
