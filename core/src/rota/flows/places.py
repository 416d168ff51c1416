"""Where each key and value of a YAML document stands."""

from __future__ import annotations

from typing import TypeAlias

from yaml.nodes import MappingNode, Node, SequenceNode

from rota.errors import Place

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value from the top of a document: keys of mappings and indexes of lists."""


class Places:
    """Finds the place of a path when it is asked for; to know them all beforehand would cost more than loading."""

    def __init__(self, root: Node | None, file: str) -> None:
        self.file = file
        self._root = root
        self._moved: dict[Path, Path] = {}

    def move(self, path: Path, source: Path) -> None:
        """Say that what is now at `path` (and below it) stands in the text at `source`."""
        self._moved[path] = source

    def source(self, path: Path) -> Path:
        """Return the path in the text of what is at `path` now; mostly the same."""
        if self._moved:
            for end in range(len(path), 0, -1):
                if path[:end] in self._moved:
                    return self._moved[path[:end]] + path[end:]
        return path

    def value(self, path: Path) -> Place:
        """Return where the value at `path` starts; what is not in the text has the place of what it is in."""
        node, _ = self._find(path)
        return self._place(node)

    def key(self, path: Path) -> Place:
        """Return where the key of `path` stands: the place to point at for a key that should not be there."""
        node, key = self._find(path)
        return self._place(key or node)

    def node(self, path: Path) -> Node | None:
        """Return what the text has at `path`; None for a path that is not in the text."""
        node: Node | None = self._root
        for part in self.source(path):
            found = _child(node, part)
            if found is None:
                return None
            node = found[1]
        return node

    def _find(self, path: Path) -> tuple[Node | None, Node | None]:
        node, key = self._root, None
        for part in self.source(path):
            found = _child(node, part)
            if found is None:
                return node, None
            key, node = found
        return node, key

    def _place(self, node: Node | None) -> Place:
        return Place(self.file) if node is None else place_of(node, self.file)


def place_of(node: Node, file: str) -> Place:
    """Return where `node` starts."""
    mark = node.start_mark
    return Place(file, mark.line + 1, mark.column + 1)


def _child(node: Node | None, part: str | int) -> tuple[Node | None, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
        return None, node.value[part]
    return None
