"""Every hook, setting, command, setting of a plugin and finding has its line in the docs."""

from __future__ import annotations

import re
from pathlib import Path

from rota import hookspecs
from rota.cli.launcher import COMMANDS
from rota.flows.checker.codes import CODES
from rota.settings import Settings
from tests.docs.blocks import ROOT, pages

REFERENCE = ROOT / "docs" / "reference"


def text_of(page: str) -> str:
    return (REFERENCE / page).read_text()


def test_every_hook_is_documented() -> None:
    hooks = [name for name, hook in vars(hookspecs).items() if hasattr(hook, "rota_spec")]
    assert len(hooks) >= 10
    assert [name for name in hooks if f"## `{name}(" not in text_of("hooks.md")] == []


def test_every_setting_is_documented() -> None:
    assert [name for name in Settings.model_fields if f"| `{name}` |" not in text_of("settings.md")] == []


def test_there_are_at_most_twenty_settings() -> None:
    assert len(Settings.model_fields) <= 20


def test_every_command_is_documented() -> None:
    assert [name for name in COMMANDS if f"## `rota {name}`" not in text_of("commands.md")] == []


def test_every_finding_is_documented() -> None:
    assert [name for name in CODES if f"| `{name}` |" not in text_of("findings.md")] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    links = [
        (page, target) for page in pages() for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    ]
    assert [f"{page}: {target}" for page, target in links if not (page.parent / target).exists()] == []


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    named = set(re.findall(r"\]\(([^)#:]+)", index))
    written = {str(path.relative_to(ROOT / "docs")) for path in Path(ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert written - named == set()
