"""What is published: dependencies, the registry's metadata, the archive's size and content, the publish workflow."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
COMFYUIS_OWN = {
    *("torch", "torchvision", "torchaudio", "numpy", "pillow", "scipy", "transformers", "tokenizers"),
    *("safetensors", "sentencepiece", "aiohttp", "pyyaml", "einops", "tqdm", "psutil"),
}
"""From the requirements.txt of ComfyUI 0.3.64."""
ONLY_IN_THE_REGISTRY = {f"Environment :: GPU :: {name}" for name in ("AMD ROCm", "Intel Arc", "Apple Metal")}
"""Accelerators that the Comfy registry reads and PyPI's list of classifiers lacks."""
ACCELERATORS = {"Environment :: GPU :: NVIDIA CUDA", *ONLY_IN_THE_REGISTRY}
MOST_BYTES = 2_000_000
PUBLISH = ROOT / ".github" / "workflows" / "publish.yml"


def requirements(name: str) -> dict[str, str]:
    """Distribution name → the whole requirement, of a requirements file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {re.split(r"[<>=!~\[;]", line)[0].lower(): line for line in lines if line and line[0] != "#"}


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
    read: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def published() -> list[str]:
    """The tracked files that `comfy node publish` packs; git itself applies the ignore file."""
    if not (ROOT / ".git").exists():
        pytest.skip("what is published is what git tracks")

    def listed(*options: str) -> set[str]:
        command = ["git", "ls-files", "-z", *options]
        out = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        return {name for name in out.decode().split("\0") if name}

    return sorted(listed() - listed("--cached", "--ignored", "--exclude-from=.comfyignore"))


class TestDependencies:
    def test_nothing_is_pinned(self, pyproject: dict[str, Any]) -> None:
        extras = [name for extra in pyproject["project"]["optional-dependencies"].values() for name in extra]
        ours = [
            *requirements("requirements.txt").values(),
            *requirements("requirements-comfyui.txt").values(),
        ]
        assert len(ours) > 10
        for requirement in (*ours, *extras):
            assert not re.search(r"==|<|~=|!=", requirement), requirement

    def test_comfyuis_own_packages_are_left_alone(self) -> None:
        assert not requirements("requirements.txt").keys() & COMFYUIS_OWN
        assert requirements("requirements-comfyui.txt").keys() <= COMFYUIS_OWN

    def test_the_wheel_needs_both_files_and_the_registry_names_neither(
        self, pyproject: dict[str, Any]
    ) -> None:
        assert pyproject["project"]["dynamic"] == ["dependencies"]
        assert "dependencies" not in pyproject["project"]
        files = pyproject["tool"]["setuptools"]["dynamic"]["dependencies"]["file"]
        assert files == ["requirements.txt", "requirements-comfyui.txt"]


class TestMetadata:
    def test_the_registry_can_read_what_it_asks_for(self, pyproject: dict[str, Any]) -> None:
        project, comfy = pyproject["project"], pyproject["tool"]["comfy"]
        assert re.fullmatch(r"[a-z](?:[-_.]?[a-z0-9])*", project["name"])
        assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
        assert re.fullmatch(r">=\d+\.\d+\.\d+", comfy["requires-comfyui"])
        assert {"PublisherId", "DisplayName", "Icon"} <= {key for key, value in comfy.items() if value}
        assert {"Repository", "Documentation", "Bug Tracker", "Issues"} <= project["urls"].keys()

    def test_systems_and_accelerators_are_classifiers_the_registry_knows(
        self, pyproject: dict[str, Any]
    ) -> None:
        known = pyproject["project"]["classifiers"]
        assert [name for name in known if name.startswith("Operating System")] == [
            "Operating System :: OS Independent"
        ]
        # One that it does not know makes the registry drop all.
        assert {name for name in known if name.startswith("Environment")} == ACCELERATORS

    def test_the_wheel_is_built_without_classifiers_that_pypi_refuses(self) -> None:
        mark = re.search(r"sed -i '/(# .+)\$/d' pyproject.toml", PUBLISH.read_text(encoding="utf-8"))
        assert mark
        lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
        marked = {line.split('"')[1] for line in lines if line.endswith(mark.group(1))}
        assert marked == ONLY_IN_THE_REGISTRY

    def test_the_icon_is_in_the_repository_and_small(self, pyproject: dict[str, Any]) -> None:
        address = pyproject["tool"]["comfy"]["Icon"]
        repository = pyproject["project"]["urls"]["Repository"].removeprefix("https://github.com/")
        start = f"https://raw.githubusercontent.com/{repository}/main/"
        assert address.startswith(start)
        with Image.open(ROOT / address.removeprefix(start)) as icon:
            assert icon.format == "PNG"
            assert icon.width <= 800
            assert icon.height <= 400


class TestArchive:
    def test_it_is_small(self, published: list[str]) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in published:
                packed.write(ROOT / name, name)
        assert archive.tell() < MOST_BYTES, "see CONTRIBUTING.md, Publish"

    def test_it_holds_what_runs_and_nothing_else(self, published: list[str]) -> None:
        top = {name.split("/")[0] for name in published}
        assert top == {
            *("__init__.py", "ganrm_core", "nodes", "locales", "subgraphs", "workflows"),
            *("LICENSE", "README.md", "pyproject.toml", "requirements.txt", "requirements-comfyui.txt"),
        }
        assert "ganrm_core/reports/report.html.jinja" in published
        assert "locales/zh/nodeDefs.json" in published
        assert not [name for name in published if name.startswith("workflows/api/")]
        for name in ROOT.glob("workflows/*.json"):
            assert {f"workflows/{name.name}", f"workflows/{name.stem}.jpg"} <= {*published}

    def test_every_picture_of_a_help_page_is_in_it(self, published: list[str]) -> None:
        docs = "nodes/web/docs"
        pages = [name for name in published if name.startswith(docs) and name.endswith(".md")]
        assert pages
        for page in pages:
            for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / page).read_text(encoding="utf-8")):
                assert f"{docs}/{picture}" in published, page


def test_source_files_need_no_codepage() -> None:
    # Some checkers want source in Windows' cp1252. Python reads it as UTF-8 on every system, which a byte order mark or
    # another encoding's declaration would change; Chinese and the signs of mathematics stay (docs/compatibility.md).
    for file in [ROOT / "__init__.py", *(ROOT / "ganrm_core").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]:
        source = file.read_bytes()
        assert not source.startswith(b"\xef\xbb\xbf"), file
        assert not re.search(rb"coding[:=]", b"\n".join(source.split(b"\n")[:2])), file
        source.decode("utf-8")
