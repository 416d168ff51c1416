"""The code blocks of the pages that people read: README, docs, the READMEs of plugins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: `language` and `kind` are the words behind its fence, `line` is that of the fence."""

    page: str
    line: int
    language: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return every page that people read."""
    return [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]


def blocks(language: str) -> Iterator[Block]:
    """Yield the blocks of a language in all pages, in order."""
    for page in pages():
        text = page.read_text()
        for found in _FENCE.finditer(text):
            words = found["info"].split()
            if words and words[0] == language:
                line = text.count("\n", 0, found.start()) + 1
                kind = words[1] if len(words) > 1 else ""
                yield Block(str(page.relative_to(ROOT)), line, language, kind, found["text"])
