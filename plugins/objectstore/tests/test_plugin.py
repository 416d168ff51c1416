"""What every extension of the plugin must keep, and what the README says of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rota.testing import check_extension
from rota_objectstore import plugin
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.opening import open_store
from rota_objectstore.places import parse_uri

TASKS = {f"objectstore.{cls.__name__.lower()}": cls for cls in plugin.register_task_types()}
TYPES: dict[str, Any] = {
    **TASKS,
    "objectstore.object_created": next(iter(plugin.register_triggers())),
    "objectstore.bucket": next(iter(plugin.register_artifact_stores())),
}
README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("name", TYPES)
def test_it_keeps_the_contract_of_extensions(name: str) -> None:
    check_extension(TYPES[name])


def test_importing_the_plugin_loads_no_client() -> None:
    code = "import sys, rota_objectstore.plugin; print({'obstore', 'boto3', 'botocore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def items() -> list[dict[str, Any]]:
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)]
    return [item for block in blocks for item in (block if isinstance(block, list) else [block["artifacts"]])]


def test_the_readme_has_a_block_for_each_type() -> None:
    assert {item["type"] for item in items()} == set(TYPES)


@pytest.mark.parametrize("item", items(), ids=lambda item: item["type"])
def test_what_the_readme_shows_is_valid(item: dict[str, Any]) -> None:
    keys = {"id", "type", "interval", "retry"}
    fields = {name: "x" if "{{" in str(value) else value for name, value in item.items() if name not in keys}
    TYPES[item["type"]].model_validate(fields)


@pytest.mark.parametrize(
    ("uri", "fields"),
    [
        ("gs://bucket/key", {"anonymous": True}),
        ("az://container/key", {"account": "name", "secret_key": "a2V5"}),
        ("az://container/key", {"account": "name", "session_token": "sv=2024&sig=x"}),
        ("s3://bucket/key", {"endpoint": "https://s3.internal", "path_style": False, "anonymous": True}),
    ],
)
def test_each_kind_of_store_opens_with_its_fields(uri: str, fields: dict[str, Any]) -> None:
    assert "Store(" in repr(open_store(StoreFields.model_validate(fields), parse_uri(uri)))
