"""Architecture: imports point to lower levels, no circles, modules have a docstring, functions are short."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LEVELS = (
    ("ganrm_core.utils", "ganrm_core.metrics"),
    ("ganrm_core.data", "ganrm_core.backbones"),
    ("ganrm_core.rewards", "ganrm_core.leakage", "ganrm_core.reports", "ganrm_core.synthetic"),
    ("ganrm_core.training", "ganrm_core.selection", "ganrm_core.attribution", "ganrm_core.post_training"),
    ("ganrm_core.demo", "ganrm_core.distributed", "ganrm_core", "nodes", "benchmarks"),
    ("ganrm_core.cli", "scripts", "__init__"),
)
LEVEL_OF = {package: level for level, packages in enumerate(LEVELS, start=1) for package in packages}
NAMELESS = ("words", "look", "looks", "misc", "helpers", "common", "utilities")
"""Module names that say nothing."""

MOST_LINES, MOST_PARAMETERS = 60, 6
LARGE = ("training.trainer.train",)
"""Functions of `ganrm_core` that may be longer or have more parameters: public API with keywords."""


def modules() -> dict[str, Path]:
    """Every module outside the tests, by its dotted name from the repository's root."""
    files = [ROOT / "__init__.py"]
    for folder in ("ganrm_core", "nodes", "benchmarks", "scripts"):
        files += sorted((ROOT / folder).rglob("*.py"))
    return {name_of(file): file for file in files}


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports(name: str, file: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported from the repository, inside functions and for types too."""
    package = name.split(".") if file.name == "__init__.py" and name != "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name


def functions(file: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int, int]]:
    """Each function of a file, methods and nested ones too, with its lines and its parameters beside self."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            named = [parameter for parameter in parameters if parameter.arg not in ("self", "cls")]
            yield node, (node.end_lineno or 0) - node.lineno + 1, len(named)


def package_of(name: str) -> str:
    """The package of LEVELS that holds a module, or "" for libraries."""
    return max((package for package in LEVEL_OF if f"{name}.".startswith(f"{package}.")), key=len, default="")


def test_every_import_points_to_a_lower_level_or_stays_in_its_package() -> None:
    against = []
    for name, file in modules().items():
        here = package_of(name)
        for line, imported in imports(name, file):
            there = package_of(imported)
            if there and there != here and LEVEL_OF[there] >= LEVEL_OF[here]:
                against.append(f"{file.relative_to(ROOT)}:{line} imports {imported}")
    assert not against, "\n".join(["imports that do not point to a lower level:", *against])


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {
        name: {
            module
            for _, imported in imports(name, file)
            for module in (imported, imported.rpartition(".")[0])
            if module in known and module != name and known[module].name != "__init__.py"
        }
        for name, file in known.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' ← '.join(error.args[1])}")


def test_module_names_say_what_is_inside() -> None:
    vague = [str(file.relative_to(ROOT)) for file in modules().values() if file.stem in NAMELESS]
    assert not vague, f"name these after what they hold: {', '.join(vague)}"


@pytest.mark.parametrize("package", [p for p in LEVEL_OF if p.startswith("ganrm_core.")])
def test_a_package_is_introduced_by_one_paragraph_and_nothing_else(package: str) -> None:
    file = ROOT.joinpath(*package.split(".")) / "__init__.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert package == "ganrm_core.cli" or len(tree.body) == 1


def test_every_module_begins_with_a_line_that_says_what_it_is() -> None:
    without = []
    for file in modules().values():
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        if len(docstring.partition("\n")[0].split()) < 3:
            without.append(str(file.relative_to(ROOT)))
    assert not without, f"say in a first line of three words or more what these are: {', '.join(without)}"


def test_functions_are_short_and_take_few_parameters() -> None:
    large = {
        f"{name}.{function.name}".removeprefix("ganrm_core."): f"{lines} lines, {parameters} parameters"
        for name, file in modules().items()
        if name.startswith("ganrm_core")
        for function, lines, parameters in functions(file)
        if lines > MOST_LINES or parameters > MOST_PARAMETERS
    }
    too_large = [f"{name}: {size}" for name, size in large.items() if name not in LARGE]
    assert not too_large, "\n".join([f"over {MOST_LINES} lines or {MOST_PARAMETERS} parameters:", *too_large])
    assert large.keys() == {*LARGE}, "take out of LARGE what is small"
