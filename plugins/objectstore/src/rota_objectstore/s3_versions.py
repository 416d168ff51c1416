"""Versions of objects in S3, through boto3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from rota_objectstore.places import Place
from rota_objectstore.session import aside


async def versions_of(client: Any, place: Place) -> AsyncIterator[dict[str, Any]]:
    """Give the versions and the marks of deletion (these without `Size`) of a folder's objects."""
    prefix = f"{place.key}/" if place.key and place.is_folder else place.key
    pages = iter(client.get_paginator("list_object_versions").paginate(Bucket=place.bucket, Prefix=prefix))
    while (page := await aside(partial(next, pages, None))) is not None:
        for entry in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            yield entry


async def delete_version(client: Any, place: Place, version: str, *, bypass_governance: bool) -> None:
    """Delete one version for good. Raises boto3's errors."""
    bypass = {"BypassGovernanceRetention": True} if bypass_governance else {}
    await aside(partial(client.delete_object, Bucket=place.bucket, Key=place.key, VersionId=version, **bypass))
