"""The fields that lead to the lab's S3."""

from __future__ import annotations

from typing import Any

import pytest
from tests.lab.s3 import S3

Fields = dict[str, Any]


def fields_of(server: S3, identity: str = "admin") -> Fields:
    """What a flow would write to reach a server."""
    who = server.identities[identity]
    return {
        "endpoint": server.url,
        "allow_http": True,
        "region": server.region,
        "access_key": who.access_key,
        "secret_key": who.secret_key,
    }


@pytest.fixture
def store(s3: S3) -> Fields:
    """The fields of the administrator."""
    return fields_of(s3)


@pytest.fixture
def reader(s3: S3) -> Fields:
    """The fields of somebody who may read and list."""
    return fields_of(s3, "reader")


@pytest.fixture
def bucket(s3_bucket: str) -> str:
    """The URI of an empty bucket of this test's own, without a slash at its end."""
    return f"s3://{s3_bucket}"
