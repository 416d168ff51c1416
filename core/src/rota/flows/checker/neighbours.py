"""Finds flows in the files beside the one that is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from rota.errors import RotaError
from rota.flows.checker.examination import FlowLookup
from rota.flows.document import MAX_BYTES
from rota.flows.loader import parse_flow
from rota.flows.models import Flow

_MOST_FILES = 500
_DEEPEST = 4


def flows_beside(file: str, namespace: str) -> FlowLookup:
    """Return a lookup over the YAML files in the folder of `file` and below it.

    A flow without a namespace counts as one of `namespace`. What does not load is passed over: it has findings
    of its own.
    """
    return _lookup(lambda: _files(Path(file).parent) if Path(file).is_file() else (), namespace)


def flows_among(files: Sequence[Path], namespace: str) -> FlowLookup:
    """Return a lookup over `files`, which are checked or deployed together; what does not load is passed over."""
    return _lookup(lambda: files, namespace)


def _lookup(files: Callable[[], Iterable[Path]], namespace: str) -> FlowLookup:
    @lru_cache(maxsize=1)
    def texts() -> list[tuple[Path, str]]:
        return [(path, text) for path in files() if (text := _text(path)) is not None]

    @lru_cache(maxsize=256)
    def find(where: str, name: str) -> Flow | None:
        pattern = re.compile(rf"^id:\s*['\"]?{re.escape(name)}['\"]?\s*(?:#.*)?$", re.MULTILINE)
        for path, text in texts():
            if pattern.search(text):
                try:
                    flow = parse_flow(text, str(path)).flow
                except RotaError:
                    continue
                if flow.id == name and (flow.namespace or namespace) == where:
                    return flow
        return None

    return find


def _files(folder: Path) -> Iterator[Path]:
    """Yield YAML files, the near ones first, as many as one may read for this."""
    todo, found = [(folder, 0)], 0
    while todo:
        current, depth = todo.pop(0)
        try:
            entries = sorted(current.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.is_symlink() or entry.name.startswith("."):
                continue
            if entry.is_dir() and depth < _DEEPEST:
                todo.append((entry, depth + 1))
            elif entry.suffix in (".yaml", ".yml"):
                found += 1
                if found > _MOST_FILES:
                    return
                yield entry


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8") if path.stat().st_size <= MAX_BYTES else None
    except (OSError, UnicodeDecodeError):
        return None
