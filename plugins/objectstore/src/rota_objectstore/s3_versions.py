"""Versions of objects in S3, through boto3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rota_objectstore.places import Place


def versions_of(client: Any, place: Place) -> Iterator[dict[str, Any]]:
    """Give the versions and the marks of deletion (these without `Size`) of a folder's objects."""
    prefix = f"{place.key}/" if place.key and place.is_folder else place.key
    for page in client.get_paginator("list_object_versions").paginate(Bucket=place.bucket, Prefix=prefix):
        yield from (entry for entry in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())])


def delete_version(client: Any, place: Place, version: str, *, bypass_governance: bool) -> None:
    """Delete one version for good. Raises boto3's errors."""
    bypass = {"BypassGovernanceRetention": True} if bypass_governance else {}
    client.delete_object(Bucket=place.bucket, Key=place.key, VersionId=version, **bypass)
