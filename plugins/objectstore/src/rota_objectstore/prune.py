"""Task type `objectstore.prune`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, field_validator, model_validator

from rota import Context, Duration, Task, TaskFailed
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.places import Place, Uri, parse_uri
from rota_objectstore.retention import Backup, Policy, grouped

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

    from rota_objectstore.session import Session

_DATE = ("year", "month", "day", "hour", "minute", "second")


class Kept(BaseModel):
    """A backup that is kept."""

    name: str
    """The object, or the folder with a `/` at its end, as it is called in the folder that is pruned."""
    date: datetime
    """When it was made."""
    reasons: list[str]
    """Why it is kept: `last 1`, `daily 3`, `monthly 2`, `recent`."""


class Pruned(BaseModel):
    """What was deleted, or would be, and what is kept."""

    deleted: list[str]
    """The names of the backups that are deleted, the oldest first."""
    objects: int
    """How many objects that are."""
    size: int
    """How many bytes that frees."""
    kept: list[Kept]
    """What is kept, and why."""
    ignored: list[str]
    """Names that are no backup: they do not fit `pattern`, `series` or `date`. They are left alone."""


class Prune(StoreFields, Task):
    r"""Delete old backups: keep the last ones, and one of each day, week, month and year.

    What any of the rules keeps is kept. Of a day (week, month, year) the newest backup counts, and a day without a
    backup does not: where nothing new comes, nothing more is deleted. `rota plan` shows what would go, and why the rest
    stays.

    Example:
        - id: retention
          type: objectstore.prune
          uri: s3://backups/nightly/
          pattern: "*.gz"
          series: '([^/]+)\.gz$'
          keep_last: 3
          keep_daily: 7
          keep_weekly: 4
          keep_monthly: 12
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/backup#access_key') }}"
          secret_key: "{{ secret('s3/backup#secret_key') }}"
    """

    idempotent: ClassVar[bool] = True

    uri: Uri
    """The folder with the backups."""
    backup: Literal["object", "folder"] = "object"
    """What is one backup: an object, or a folder in the folder with everything in it."""
    pattern: str | None = Field(default=None, min_length=1)
    """Only objects whose name fits are looked at: `*`, `?`, `[…]`; others are left alone."""
    series: str | None = Field(default=None, min_length=1)
    """A regular expression: backups whose first groups are equal, found in the name, are one series, and the rules hold
    for each series. Default: all are one series."""
    date: str | None = Field(default=None, min_length=1)
    """A regular expression with the groups `year`, `month`, `day` and, if need be, `hour`, `minute`, `second`: when a
    backup was made, found in the name. Default: when the object was written."""
    keep_last: int = Field(default=0, ge=0)
    """How many of the newest to keep."""
    keep_daily: int = Field(default=0, ge=0)
    """For how many days to keep one."""
    keep_weekly: int = Field(default=0, ge=0)
    """For how many weeks to keep one."""
    keep_monthly: int = Field(default=0, ge=0)
    """For how many months to keep one."""
    keep_yearly: int = Field(default=0, ge=0)
    """For how many years to keep one."""
    keep_within: Duration | None = None
    """Keep everything that is not older than this."""
    timezone: str = "UTC"
    """Where a day begins and ends, and what a date in a name means."""

    @field_validator("series", "date")
    @classmethod
    def _is_an_expression(cls, text: str | None) -> str | None:
        try:
            re.compile(text or "")
        except re.error as error:
            raise ValueError(f"`{text}` is no regular expression: {error}") from None
        return text

    @field_validator("timezone")
    @classmethod
    def _is_a_timezone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone `{name}`: write it like `Europe/Paris`") from None

    @model_validator(mode="after")
    def _keeps_something(self) -> Prune:
        counts = (self.keep_last, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly)
        if not any(counts):
            raise ValueError("nothing would be kept once it is old: give `keep_last`, `keep_daily` or the like")
        if self.series is not None and re.compile(self.series).groups < 1:
            raise ValueError("`series` needs a group: `([^/]+)\\.gz$`")
        if self.date is not None and not set(_DATE[:3]) <= set(re.compile(self.date).groupindex):
            raise ValueError(r"`date` needs the groups `year`, `month`, `day`: `(?P<year>\d{4})-(?P<month>\d\d)-…`")
        if not parse_uri(self.uri).is_folder:
            raise ValueError("`uri` is a folder and ends with `/`")
        return self

    def plan(self, ctx: Context) -> object:
        return self._prune(ctx, delete=False).model_dump(mode="json")

    def run(self, ctx: Context) -> Pruned:
        return self._prune(ctx, delete=True)

    def _prune(self, ctx: Context, *, delete: bool) -> Pruned:
        from rota_objectstore.delete import delete_keys
        from rota_objectstore.failures import in_words
        from rota_objectstore.session import Session, store_at

        place = parse_uri(self.uri)
        with Session(ctx) as session, store_at(ctx, self, place) as store:
            with in_words(self, place, "list"):
                backups, ignored = self._backups(place, self._listed(session, store, place))
            pruned, keys = self._decided(backups, ignored)
            if delete and keys:
                ctx.output(pruned)
                with in_words(self, place, "delete"):
                    delete_keys(session, store, place, keys)
                ctx.log.info(f"{len(pruned.deleted)} backup(s) of {place.uri} are deleted, {len(pruned.kept)} are kept")
        return pruned

    def _listed(self, session: Session, store: ObjectStore, place: Place) -> list[ObjectMeta]:
        from rota_objectstore.listing import walk

        async def listed() -> list[ObjectMeta]:
            return [meta async for meta in walk(store, place)]

        return session.call(listed)

    def _backups(self, place: Place, listed: list[ObjectMeta]) -> tuple[dict[str, list[ObjectMeta]], list[str]]:
        """Return the objects of each backup by its name, and the names of what is none."""
        from rota_objectstore.listing import fits

        ignored: list[ObjectMeta] = []
        taken: list[ObjectMeta] = []
        for meta in listed:
            name = place.relative(meta["path"])
            is_backup = fits(place, meta["path"], self.pattern) and (self.backup == "object" or "/" in name)
            (taken if is_backup else ignored).append(meta)

        def backup_of(meta: ObjectMeta) -> str:
            name = place.relative(meta["path"])
            return name if self.backup == "object" else name.partition("/")[0] + "/"

        backups = grouped(taken, backup_of)
        names = [place.relative(meta["path"]) for meta in ignored]
        for name in [name for name, metas in backups.items() if not self._is_dated(name, metas)]:
            names.append(name)
            del backups[name]
        return backups, sorted(names)

    def _is_dated(self, name: str, metas: list[ObjectMeta]) -> bool:
        if self.series is not None and re.search(self.series, name) is None:
            return False
        return self._date_of(name, metas) is not None

    def _date_of(self, name: str, metas: list[ObjectMeta]) -> datetime | None:
        if self.date is None:
            return max(meta["last_modified"] for meta in metas)
        found = re.search(self.date, name)
        if found is None:
            return None
        parts = {part: int(found[part]) for part in _DATE if found.groupdict().get(part)}
        try:
            return datetime(**parts, tzinfo=ZoneInfo(self.timezone))
        except (TypeError, ValueError):
            return None

    def _decided(self, backups: dict[str, list[ObjectMeta]], ignored: list[str]) -> tuple[Pruned, list[str]]:
        policy = Policy(
            last=self.keep_last,
            daily=self.keep_daily,
            weekly=self.keep_weekly,
            monthly=self.keep_monthly,
            yearly=self.keep_yearly,
            within=self.keep_within,
            timezone=ZoneInfo(self.timezone),
        )
        known = [Backup(name, date) for name, metas in backups.items() if (date := self._date_of(name, metas))]
        now = datetime.now(UTC)
        judged = [one for series in grouped(known, self._series_of).values() for one in policy.apply(series, now)]
        going = sorted((one for one in judged if not one.reasons), key=lambda one: (one.date, one.name))
        metas = [meta for one in going for meta in backups[one.name]]
        if judged and len(going) == len(judged):
            raise TaskFailed("the rules would delete every backup: nothing is deleted", retryable=False)
        pruned = Pruned(
            deleted=[one.name for one in going],
            objects=len(metas),
            size=sum(meta["size"] for meta in metas),
            kept=[Kept(name=one.name, date=one.date, reasons=one.reasons) for one in judged if one.reasons],
            ignored=ignored,
        )
        return pruned, [meta["path"] for meta in metas]

    def _series_of(self, backup: Backup) -> str:
        found = re.search(self.series, backup.name) if self.series is not None else None
        return found[1] or "" if found is not None else ""
