"""Reads YAML text: plain data, the place of each key and value, and every fault with its place.

It is YAML 1.2 with the core schema: `yes`, `1:30` and dates are text, `012` is twelve. The one tag besides
the standard ones is `!raw`, which gives a `RawValue`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from yaml import MarkedYAMLError, YAMLError
from yaml._yaml import CParser
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from rota.errors import Finding, FlowError, Place
from rota.flows import scalars
from rota.flows.places import Places, place_of
from rota.flows.syntax import syntax_finding

MAX_BYTES = 4 << 20
"""The largest document."""
MAX_DEPTH = 100
"""How deep lists and mappings may be nested."""
MAX_EXPANDED = 10_000
"""How many nodes all aliases together may stand for."""
MAX_FINDINGS = 100
"""How many faults of one document are told."""
RAW = "!raw"

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COLLECTION_TAGS: dict[type[Node], str] = {MappingNode: scalars.MAP, SequenceNode: scalars.SEQ}


@dataclass(frozen=True)
class Document:
    """What a YAML text says. `data` is plain values and `RawValue`s; `warnings` are no reason to refuse it."""

    data: Any
    places: Places = field(repr=False)
    source: str = field(repr=False)
    warnings: tuple[Finding, ...] = ()


def parse_document(source: str | bytes, file: str) -> Document:
    """Return the one document in `source`; `file` names it in places.

    Raises FlowError with a finding for each fault: wrong syntax (then only that), encoding or size, more
    than one document, duplicate and non-text keys, unknown tags, too much nesting, aliases that explode.
    """
    text = decode(source, file)
    root = _compose(text, file)
    builder = _Builder(file, has_aliases="&" in text)
    data = None if root is None else builder.build(root)
    if builder.findings:
        raise FlowError(builder.findings[:MAX_FINDINGS])
    return Document(data, Places(root, file), text, tuple(builder.warnings))


def decode(source: str | bytes, file: str) -> str:
    """Return `source` as text without a byte order mark. Raises FlowError if it is too large or not UTF-8."""
    size = len(source) if isinstance(source, bytes) else len(source.encode(errors="replace"))
    if size > MAX_BYTES:
        _refuse("too-large", f"the file is larger than {MAX_BYTES >> 20} MiB", Place(file, 1, 1),
                "keep data in files of its own, named by `files`")  # fmt: skip
    if isinstance(source, bytes):
        source = _decode_bytes(source, file)
    bad = _NOT_YAML.search(source)
    if bad and not (bad.start() == 0 and bad[0] == "\ufeff"):
        _refuse("yaml-encoding", f"the character U+{ord(bad[0]):04X} is not allowed in YAML",
                _place_at(source, bad.start(), file),
                f'remove it, or write it as `"\\u{ord(bad[0]):04x}"` in double quotes')  # fmt: skip
    return source.removeprefix("\ufeff")


def _decode_bytes(source: bytes, file: str) -> str:
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse("yaml-encoding", "the file is UTF-16", Place(file, 1, 1), "save it as UTF-8")
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError as error:
        before = source[: error.start].decode("utf-8")
        _refuse("yaml-encoding", f"the byte 0x{source[error.start]:02x} is not UTF-8",
                       _place_at(before, len(before), file), "save the file as UTF-8")  # fmt: skip


def _refuse(code: str, message: str, place: Place, hint: str) -> NoReturn:
    raise FlowError([Finding(code, message, place, hint)])


def _place_at(text: str, index: int, file: str) -> Place:
    line_start = text.rfind("\n", 0, index) + 1
    return Place(file, text.count("\n", 0, index) + 1, index - line_start + 1)


def _raw(value: Any) -> Any:
    # Imported when the tag is met: it comes with the templates, which are more than loading needs.
    from rota.flows.templates.marks import RawValue

    return RawValue(value)


class _Composer(CParser):
    """Makes nodes; libyaml calls back for each, which is where plain scalars get their type."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.depth = 0

    def resolve(self, kind: type[Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is ScalarNode:
            return scalars.tag_of(value) if implicit[0] else scalars.STR
        return _COLLECTION_TAGS[kind]

    def descend_resolver(self, parent: Node | None, index: object) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH and parent is not None:
            # It must stop here: libyaml's composer recurses on the C stack.
            raise MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=parent.start_mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1


def _compose(text: str, file: str) -> Node | None:
    composer = _Composer(text)
    try:
        node: Node | None = composer.get_single_node()
    except (MarkedYAMLError, ReaderError) as error:
        raise FlowError([syntax_finding(error, text, file)]) from None
    except YAMLError as error:
        raise FlowError([Finding("yaml-syntax", str(error).lower(), Place(file))]) from None
    finally:
        composer.dispose()
    return node


class _Builder:
    """Makes plain data of nodes, and notes every fault on the way."""

    def __init__(self, file: str, *, has_aliases: bool) -> None:
        self.file = file
        self.has_aliases = has_aliases
        self.findings: list[Finding] = []
        self.warnings: list[Finding] = []
        self._built: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()
        self._expanded = 0

    def build(self, root: Node) -> Any:
        return self._build(root, root)[0]

    def _build(self, node: Node, near: Node) -> tuple[Any, int]:
        """Return the value of `node` and how many nodes it stands for; `near` is where an alias to it stands."""
        if type(node) is ScalarNode and not self.has_aliases:
            return self._scalar(node), 1
        if id(node) in self._built:
            return self._alias(node, near)
        if id(node) in self._open:
            self._fault("yaml-bomb", "an alias stands for something that it is itself a part of", near,
                        "write the values out")  # fmt: skip
            return None, 1
        self._open.add(id(node))
        if type(node) is ScalarNode:
            # Long text counts for more: what aliases stand for must fit in memory when it is written out.
            built = self._scalar(node), 1 + len(node.value) // 256
        else:
            value, size = self._mapping(node) if type(node) is MappingNode else self._sequence(node)
            built = self._tagged(node, value), size
        self._open.discard(id(node))
        self._built[id(node)] = built
        return built

    def _alias(self, node: Node, near: Node) -> tuple[Any, int]:
        value, size = self._built[id(node)]
        within = self._expanded <= MAX_EXPANDED
        self._expanded += size
        if within and self._expanded > MAX_EXPANDED:
            self._fault("yaml-bomb", f"the aliases up to here stand for more than {MAX_EXPANDED:,} values in all", near,
                        "write a list in `variables` and read it with an expression")  # fmt: skip
        return value, size

    def _mapping(self, node: Node) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        size = 1
        for key_node, value_node in node.value:
            value, inner = self._build(value_node, key_node)
            size += inner + 1
            if self._is_key(key_node):
                if key_node.value in values:
                    self._duplicate(key_node, node)
                values[key_node.value] = value
        return values, size

    def _sequence(self, node: Node) -> tuple[list[Any], int]:
        items = [self._build(item, node) for item in node.value]
        return [value for value, _ in items], 1 + sum(size for _, size in items)

    def _is_key(self, key: Node) -> bool:
        if key.tag == scalars.STR:
            if key.value != "<<" or getattr(key, "style", None):
                return True
            self._fault("merge-key", "`<<` is not part of YAML 1.2", key,
                        'use `defaults` for what tasks share; for the text itself write `"<<"`')  # fmt: skip
        elif not isinstance(key, ScalarNode):
            brace = isinstance(key, MappingNode)
            hint = 'put quotes around an expression: `"{{ … }}"`' if brace else "write it as text"
            self._fault("key-not-text", "a list or mapping cannot be a key", key, hint)
        elif key.tag.startswith(scalars.PREFIX):
            kind = {scalars.NULL: "null", scalars.BOOL: "a boolean"}.get(key.tag, "a number")
            self._fault("key-not-text", f"the key `{key.value}` is {kind}; keys are text", key,
                        f'put it in quotes: `"{key.value}"`')  # fmt: skip
        else:
            self._fault("yaml-tag", f"a key cannot have the tag `{key.tag}`", key, "leave the tag out")
        return False

    def _duplicate(self, key: Node, mapping: Node) -> None:
        first = next(other for other, _ in mapping.value if other.value == key.value)
        self._fault("duplicate-key", f"the key `{key.value}` is already at {place_of(first, self.file)}", key,
                    "keep one of the two")  # fmt: skip

    def _scalar(self, node: Node) -> Any:
        tag: str = node.tag
        if tag == scalars.STR:
            return node.value
        if tag == RAW:
            return _raw(node.value)
        if not tag.startswith(scalars.PREFIX) or tag in (scalars.MAP, scalars.SEQ):
            self._unknown_tag(node)
            return None
        try:
            value = scalars.value_of(tag, node.value)
        except ValueError as error:
            self._fault("yaml-value", str(error), node, "put it in quotes to make it text")
            return None
        if tag == scalars.INT and scalars.looks_octal(node.value):
            self._octal(node, value)
        return value

    def _octal(self, node: Node, value: int) -> None:
        octal = f"`0o{node.value.lstrip('+-0') or 0}` for an octal number, or "
        hint = f'write {octal if not set(node.value) & set("89") else ""}`"{node.value}"` for text'
        message = f"`{node.value}` is the number {value}: a leading zero means nothing in YAML 1.2"
        self.warnings.append(Finding("leading-zero", message, place_of(node, self.file), hint, "warning"))

    def _tagged(self, node: Node, value: Any) -> Any:
        if node.tag == RAW:
            return _raw(value)
        if node.tag != _COLLECTION_TAGS[type(node)]:
            self._unknown_tag(node)
        return value

    def _unknown_tag(self, node: Node) -> None:
        tag = node.tag.replace(scalars.PREFIX, "!!")
        self._fault("yaml-tag", f"unknown tag `{tag}`", node,
                    "the only tag is `!raw`; put text that starts with `!` in quotes")  # fmt: skip

    def _fault(self, code: str, message: str, node: Node, hint: str) -> None:
        self.findings.append(Finding(code, message, place_of(node, self.file), hint))
