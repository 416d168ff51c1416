"""Who may import whom, where the rule is "only": what is "not" stands in `.importlinter`."""

from __future__ import annotations

from pathlib import Path

import rota
from tests.house.tree import CORE, PLUGINS, imports, place

PUBLIC = {f"rota.{name}" for name in rota.__all__}


def test_the_built_ins_import_only_what_a_plugin_may() -> None:
    assert violations(modules_of("builtin"), PUBLIC, ["rota.builtin"]) == []


def test_plugins_import_only_the_public_names_of_the_core_and_no_other_plugin() -> None:
    for folder in PLUGINS:
        assert violations(sorted((folder / "src").rglob("*.py")), PUBLIC, [f"rota_{folder.name}"]) == []


def test_tests_of_a_plugin_use_the_core_only_as_plugin_authors_do() -> None:
    for folder in PLUGINS:
        allowed = ["rota.testing", f"rota_{folder.name}"]
        assert violations(sorted((folder / "tests").rglob("*.py")), PUBLIC, allowed) == []


def test_the_core_imports_no_plugin() -> None:
    assert violations(sorted(CORE.rglob("*.py")), set(), ["rota"]) == []


def test_the_interpreter_imports_only_models() -> None:
    allowed = ["rota.executions.models", "rota.executions.interpreter", "rota.flows.models"]
    assert violations(modules_of("executions/interpreter"), set(), allowed) == []


def test_the_interpreter_knows_no_clock_no_randomness_and_no_outside() -> None:
    impure = {
        "asyncio",
        "io",
        "os",
        "pathlib",
        "random",
        "secrets",
        "socket",
        "sqlalchemy",
        "subprocess",
        "threading",
        "time",
    }
    found = [
        f"{place(path)}:{line} {name}"
        for path in modules_of("executions/interpreter")
        for line, name in imports(path)
        if name.partition(".")[0] in impure
    ]
    assert found == []


def test_only_the_store_imports_the_database_library() -> None:
    others = [path for path in sorted(CORE.rglob("*.py")) if "store" not in path.relative_to(CORE).parts]
    assert [place(path) for path in others for _, name in imports(path) if is_in(name, "sqlalchemy")] == []


def modules_of(part: str) -> list[Path]:
    """The modules of a part of the core, be it one file or a folder."""
    return sorted([*(CORE / part).rglob("*.py"), *CORE.glob(f"{part}.py")])


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def violations(paths: list[Path], names: set[str], packages: list[str]) -> list[str]:
    """Every import of Rota or a plugin beyond these names and what is in these packages, as `file:line name`."""
    return [
        f"{place(path)}:{line} {name}"
        for path in paths
        for line, name in imports(path)
        if is_in(name, "rota") or name.startswith("rota_")
        if name not in names and not any(is_in(name, package) for package in packages)
    ]
