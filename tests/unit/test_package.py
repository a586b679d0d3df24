"""How the package and the pack's door behave when they are imported and installed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ganrm_core

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "torchvision", "transformers", "open_clip", "timm", "matplotlib", "peft", "PIL", "numpy"}
COMFYUIS_OWN = {"torch", "torchvision", "numpy", "pillow", "transformers"}


def imported_by(code: str) -> set[str]:
    """The names of the top-level modules that are loaded once `code` has run."""
    script = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


class TestImports:
    def test_the_package_and_its_command_line_cost_nothing_heavy(self) -> None:
        loaded = imported_by("import ganrm_core, ganrm_core.cli")
        assert "ganrm_core" in loaded
        assert not loaded & HEAVY

    def test_every_public_name_is_there(self) -> None:
        assert set(ganrm_core.__all__) == set(ganrm_core._MODULE_OF)
        for name in ganrm_core.__all__:
            assert callable(getattr(ganrm_core, name))
            assert name in dir(ganrm_core)
            # A module of that name would hide it as soon as it is imported.
            assert not (ROOT / "ganrm_core" / f"{name}.py").exists()
        with pytest.raises(AttributeError, match="nonsense"):
            _ = ganrm_core.nonsense

    def test_the_packs_door_opens_under_any_name(self) -> None:
        loaded = imported_by(
            "import importlib.util, sys\n"
            "spec = importlib.util.spec_from_file_location("
            "'/custom nodes/GAN-RM 1.0', '__init__.py', submodule_search_locations=['.'])\n"
            "pack = importlib.util.module_from_spec(spec)\n"
            "sys.modules[spec.name] = pack\n"
            "spec.loader.exec_module(pack)\n"
        )
        assert not loaded & {*HEAVY, "ganrm_core", "comfy", "nodes"}

    @pytest.mark.parametrize("file", sorted((ROOT / "ganrm_core").rglob("*.py")), ids=lambda f: f.stem)
    def test_the_library_knows_no_comfyui_and_imports_itself_relatively(self, file: Path) -> None:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add((node.module or "").partition(".")[0])
        assert not names & {"comfy", "comfy_api", "nodes", "folder_paths", "server", "ganrm_core"}


class TestDependencies:
    @pytest.fixture
    def project(self) -> dict[str, Any]:
        tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
        project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return project["project"]  # type: ignore[no-any-return]

    def test_nothing_is_pinned(self, project: dict[str, Any]) -> None:
        extras = [name for extra in project["optional-dependencies"].values() for name in extra]
        for requirement in (*project["dependencies"], *extras):
            assert not re.search(r"==|<|~=|!=", requirement), requirement

    def test_comfyuis_own_packages_are_left_alone(self) -> None:
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        wanted = {re.split(r"[\s<>=!~\[;]", line)[0].lower() for line in lines if line and line[0] != "#"}
        assert wanted
        assert not wanted & COMFYUIS_OWN

    def test_the_pack_asks_for_what_the_package_asks_for(self, project: dict[str, Any]) -> None:
        named = {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]}
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert {line for line in lines if line and line[0] != "#"} == named - COMFYUIS_OWN
