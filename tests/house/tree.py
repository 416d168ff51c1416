"""What the repository holds: its files, modules, functions, packages and requirements."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core" / "src" / "rota"
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
PROJECTS = [ROOT / "core", *PLUGINS]
REQUIREMENTS = [ROOT / "tests" / "requirements.txt", ROOT / "tests" / "lab" / "requirements.in"]

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> list[Path]:
    """Every file that is, or would be, under version control; in an exported tree, every file that is not hidden."""
    if not (ROOT / ".git").exists():
        return sorted(path for path in ROOT.rglob("*") if path.is_file() and not _is_left_out(path))
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(path for path in {ROOT / name for name in names if name} if path.is_file())


def _is_left_out(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part in {".venv", ".rota", "__pycache__"} or part.endswith("_cache") for part in parts)


def python_files() -> list[Path]:
    """Every Python file."""
    return [path for path in files() if path.suffix == ".py"]


def place(path: Path) -> str:
    """The path as a message shows it."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a Python file."""
    return (node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every absolute import of a Python file, also inside functions, as (line, `package.name`)."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@cache
def project(folder: Path) -> dict[str, Any]:
    """The pyproject.toml of a package."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> Iterator[tuple[str, Requirement]]:
    """Every requirement that a person wrote, as (file, requirement)."""
    for folder in PROJECTS:
        table = project(folder)
        extras = table["project"].get("optional-dependencies", {}).values()
        lists = [table["build-system"]["requires"], table["project"].get("dependencies", []), *extras]
        yield from ((place(folder / "pyproject.toml"), Requirement(text)) for texts in lists for text in texts)
    for path in REQUIREMENTS:
        lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
        yield from ((place(path), Requirement(line)) for line in lines if line)
