"""Imports of the package and of the node pack."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ganrm_core

PACKAGE = Path(ganrm_core.__file__).parent
HEAVY = {"torch", "torchvision", "transformers", "open_clip", "timm", "matplotlib", "peft", "PIL", "numpy"}


def imported_by(code: str, folder: Path = PACKAGE.parent) -> set[str]:
    """The names of the top-level modules that are loaded once `code` has run in a folder."""
    script = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
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
            assert not (PACKAGE / f"{name}.py").exists()
        with pytest.raises(AttributeError, match="nonsense"):
            _ = ganrm_core.nonsense

    def test_the_pack_is_imported_under_any_name_and_loads_nothing_heavy(self, repository: Path) -> None:
        loaded = imported_by(
            "import importlib.util, sys\n"
            "spec = importlib.util.spec_from_file_location("
            "'/custom nodes/GAN-RM 1.0', '__init__.py', submodule_search_locations=['.'])\n"
            "pack = importlib.util.module_from_spec(spec)\n"
            "sys.modules[spec.name] = pack\n"
            "spec.loader.exec_module(pack)\n",
            repository,
        )
        assert not loaded & {*HEAVY, "ganrm_core", "comfy", "nodes"}

    def test_the_library_knows_no_comfyui_and_imports_itself_relatively(self) -> None:
        forbidden = {"comfy", "comfy_api", "nodes", "folder_paths", "server", "ganrm_core"}
        for file in PACKAGE.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    names.append(node.module or "")
                assert not {name.partition(".")[0] for name in names} & forbidden, file
