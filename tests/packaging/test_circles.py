"""No two files import each other, directly or through others, not even lazily or for types."""

from __future__ import annotations

import ast
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[2]


def module_files(root: Path) -> dict[str, Path]:
    """Return the Python files of the package by module name."""
    package = root / "eznas"
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for folder in (package, *(link for link in package.iterdir() if link.is_symlink()))
        for path in folder.rglob("*.py")
    }


def import_graph(files: dict[str, Path]) -> nx.DiGraph:
    """Return an edge from each module to every module of the package that its text imports anywhere."""
    graph = nx.DiGraph()
    for module, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in files else node.module for name in whole]
            graph.add_edges_from((module, name) for name in names if name in files and name != module)
    return graph


def circles(root: Path) -> list[list[str]]:
    return [
        sorted(part) for part in nx.strongly_connected_components(import_graph(module_files(root))) if len(part) > 1
    ]


def test_no_files_import_each_other() -> None:
    assert circles(ROOT) == []


def test_every_file_is_looked_at() -> None:
    files = module_files(ROOT)
    assert {"eznas", "eznas.gp.loop", "eznas.primitives", "eznas.primitives.registry"} <= files.keys()
    assert import_graph(files).has_edge("eznas.gp.loop", "eznas.programs")


@pytest.mark.parametrize("late", ["    from eznas.a import A\n", "    import eznas.a\n"])
def test_a_circle_is_found_also_through_a_third_file_and_in_a_function(tmp_path: Path, late: str) -> None:
    package = tmp_path / "eznas"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "a": "from eznas import b\nA = 1\n",
        "b": "from eznas.c import c\n",
        "c": f"def c():\n{late}",
        "d": "from eznas.a import A\n",
    }.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    assert circles(tmp_path) == [["eznas.a", "eznas.b", "eznas.c"]]
