"""The shape of the repository: sizes, names, first sentences, packages, pins."""

from __future__ import annotations

import ast
import configparser
import os
import re
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from tests.house.tree import (
    CORE,
    PLUGINS,
    PROJECTS,
    ROOT,
    files,
    functions,
    parsed,
    place,
    project,
    python_files,
    requirements,
)

VAGUE_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}


def share_above(limit: int, sizes: list[int]) -> float:
    return sum(size > limit for size in sizes) / len(sizes)


def test_files_are_small() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    sizes = list(lengths.values())
    assert {name: size for name, size in lengths.items() if size > 600} == {}
    assert median(sizes) < 120
    assert share_above(349, sizes) <= 0.1, sorted(name for name, size in lengths.items() if size >= 350)


def test_functions_are_small() -> None:
    lengths = {
        f"{place(path)}:{function.lineno} {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in python_files()
        for function in functions(path)
    }
    longest = sorted(lengths, key=lambda name: -lengths[name])[:20]
    assert share_above(24, list(lengths.values())) <= 0.1, longest


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [place(path) for path in python_files() if VAGUE_NAMES & {path.stem, path.parent.name}] == []


def test_every_module_opens_with_one_sentence() -> None:
    silent = []
    for path in python_files():
        tree = parsed(path)
        opening = (ast.get_docstring(tree) or "").partition("\n")[0]
        if tree.body and not re.fullmatch(r"[A-Z`\"].*[.:]", opening):
            silent.append(f"{place(path)}: {opening}")
    assert silent == []


def test_no_path_of_this_machine_is_in_a_file() -> None:
    # A checkout at `/app` must not make that word a finding.
    here = {str(Path.home()), *([str(ROOT)] if len(ROOT.parts) > 2 else [])} - {"/"}
    paths = "|".join(re.escape(path) for path in sorted(here))
    assert mentions(re.compile(rf"(?<![\w.}}-])(?:{paths})(?![\w-])")) == []


def test_no_registry_is_in_a_file() -> None:
    options = [rf"--{option}[= ]\S" for option in ("index-url", "extra-index-url", "find-links")]
    hosts = [rf"\b{re.escape(host)}\b" for host in sorted(registry_hosts())]
    assert mentions(re.compile("|".join([*options, *hosts]))) == []


def test_requirements_name_no_address() -> None:
    address = re.compile(r"\w+://|^\s*-(?!-hash)", re.MULTILINE)
    pins = [ROOT / "constraints.txt", *ROOT.glob("tests/**/requirements*")]
    assert [place(path) for path in pins if address.search(path.read_text(encoding="utf-8"))] == []


def mentions(pattern: re.Pattern[str]) -> list[str]:
    """Where a text file matches, as `file:line`."""
    texts = {path: content for path in files() if b"\0" not in (content := path.read_bytes())}
    return [
        f"{place(path)}:{number}"
        for path, content in texts.items()
        for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def registry_hosts() -> set[str]:
    """The hosts of the public package index and of those that this machine is set up to use."""
    values = [value for name, value in os.environ.items() if re.search("INDEX|FIND_LINKS", name)]
    home = Path.home()
    for path in (Path("/etc/pip.conf"), home / ".pip" / "pip.conf", home / ".config" / "pip" / "pip.conf"):
        config = configparser.RawConfigParser(strict=False)
        config.read(path, encoding="utf-8")
        values += [value for section in config.sections() for value in config[section].values()]
    hosts = {urlsplit(word).hostname for value in values for word in value.split() if "://" in word}
    public = {"pypi" + ".org", "files.python" + "hosted.org"}
    return public | {host for host in hosts if host and host != "localhost"}


def test_the_lock_of_uv_is_not_under_version_control() -> None:
    assert ROOT / "uv.lock" not in files()


def test_every_requirement_has_a_lower_and_an_upper_bound() -> None:
    loose = []
    for file, requirement in requirements():
        operators = {specifier.operator for specifier in requirement.specifier}
        if not (operators & {"==", "~="} or (operators & {">=", ">"} and operators & {"<", "<="})):
            loose.append(f"{file}: {requirement}")
    assert loose == []


def test_every_requirement_is_pinned_in_the_constraints() -> None:
    pins = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    ours = {project(folder)["project"]["name"] for folder in PROJECTS} | {"flit_core"}
    names = {requirement.name for _, requirement in requirements()} - ours
    assert {name for name in names if re.sub(r"[-_.]+", "-", name).lower() not in pins} == set()


def test_every_package_is_built_and_typed_alike() -> None:
    for folder in PROJECTS:
        table = project(folder)
        assert table["build-system"]["build-backend"] == "flit_core.buildapi", folder
        assert table["project"]["requires-python"] == ">=3.11", folder
        assert table["project"]["license"] == "Apache-2.0", folder
        assert list(folder.glob("src/*/py.typed")), folder
        assert (folder / "README.md").is_file(), folder


def test_a_plugin_has_one_name_in_four_spellings() -> None:
    for folder in PLUGINS:
        name = folder.name
        table = project(folder)["project"]
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert table["name"] == f"rota-{name.replace('_', '-')}"
        assert (folder / "src" / f"rota_{name}" / "__init__.py").is_file()
        assert list(table["entry-points"]["rota"]) == [name]
        assert table["entry-points"]["rota"][name].partition(".")[0] == f"rota_{name}"
        assert list(folder.glob("tests/test_*.py")), folder


def test_a_plugin_takes_the_core_from_this_repository() -> None:
    # pip sees the core that is installed beside it; uv refuses a member of a workspace that does not say so.
    for folder in PLUGINS:
        assert project(folder)["tool"]["uv"]["sources"] == {"rota": {"workspace": True}}, folder


def test_the_core_registers_its_own_extensions_as_a_plugin_does() -> None:
    assert project(CORE.parents[1])["project"]["entry-points"]["rota"] == {"core": "rota.builtin"}
