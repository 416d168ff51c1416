"""Task types `mongo.dump` and `mongo.restore`: MongoDB's own tools, streamed."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Any, ClassVar, Self, cast
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rota import Artifact, Context, ProcessResult, TaskFailed
from rota_mongo.client import EXTERNAL, MECHANISMS, tls_options
from rota_mongo.connection import Connection, MongoTask, Roles
from rota_mongo.failures import clean
from rota_mongo.streams import Stored, is_absolute, named, sink, source
from rota_mongo.uri import UriParts, split_uri

_TOOLS_HINT = "install the MongoDB Database Tools on the machine that runs Rota, or name the path in `program`"
_DUMPED = re.compile(r"done dumping .*\((\d+) documents?\)")
_RESTORED = re.compile(r"(\d+) document\(s\) restored successfully\. (\d+) document\(s\) failed")
_MODES = {"primary": "primary", "primary_preferred": "primaryPreferred", "secondary": "secondary"}
_MODES |= {"secondary_preferred": "secondaryPreferred", "nearest": "nearest"}


class ToolTask(MongoTask):
    """A task that runs one of MongoDB's tools."""

    program: str
    """The tool: its name, or its path."""
    arguments: list[str] = Field(default_factory=list)
    """Further arguments. Anybody on the machine can read them: no secrets."""

    def run_tool(self, ctx: Context, arguments: list[str], **streams: Any) -> ProcessResult:
        """Run the tool; where it is and who asks is in a private file. Raises TaskFailed unless it ends well."""
        found = shutil.which(self.program)
        if found is None:
            raise TaskFailed(f"`{self.program}` is not installed here", retryable=False, hint=_TOOLS_HINT)
        with ExitStack() as files:
            config = ctx.workdir / ".rota-mongo.yaml"
            files.callback(config.unlink, missing_ok=True)
            config.touch(mode=0o600)
            config.write_text(json.dumps(tool_settings(self, files)), encoding="utf-8")  # JSON is YAML
            argv = [found, f"--config={config}", *arguments, *self.arguments]
            ended = ctx.process(argv, on_line=lambda _, line: ctx.log.info(clean(line, self)), **streams)
        if ended.exit_code != 0:
            raise self._failure(ended)
        return ended

    def _failure(self, ended: ProcessResult) -> TaskFailed:
        lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        reasons = [line for line in lines if "Failed:" in line or "error" in line.lower()] or lines
        said = clean(reasons[-1], self) if reasons else "it said nothing"
        wrong = re.search(r"auth\w* error|Authentication failed|not authorized|unknown option|unrecogni[sz]ed", said)
        name = Path(self.program).name
        return TaskFailed(f"`{name}` ended with exit code {ended.exit_code}: {said}", False if wrong else None)


def tool_settings(connection: Connection, files: ExitStack) -> dict[str, str]:
    """Return what the tools' `--config` file holds: the connection string, and the password of the private key."""
    if connection.uri is not None:
        parts = split_uri(connection.uri_text)
    else:
        hosts = [connection.host] if isinstance(connection.host, str) else connection.host or []
        named_ports = [host if re.search(r":\d+$", host) else f"{host}:{connection.port}" for host in hosts]
        parts = UriParts("mongodb", "", ",".join(named_ports), "", "")
    if connection.user is not None:
        password = f":{quote(connection.password.get_secret_value(), safe='')}" if connection.password else ""
        login = quote(connection.user, safe="") + password
        parts = UriParts(parts.scheme, login, parts.hosts, parts.database, parts.query)
    # The database of a connection string is what the tools would dump; the login's is named apart.
    source_of_login = connection.auth_database or ("$external" if connection.auth in EXTERNAL else parts.database)
    options: dict[str, Any] = {
        "authSource": None if re.search(r"(?i)authsource=", parts.query) else source_of_login or None,
        "authMechanism": MECHANISMS[connection.auth] if connection.auth else None,
        "replicaSet": connection.replica_set,
        "directConnection": None if connection.direct is None else str(connection.direct).lower(),
        "connectTimeoutMS": str(round(connection.connect_timeout.total_seconds() * 1000)),
        "serverSelectionTimeoutMS": str(round(connection.selection_timeout.total_seconds() * 1000)),
        **tls_options(connection, files),
    }
    if connection.auth_database:
        options["authSource"] = connection.auth_database
    if connection.aws_session_token is not None:
        token = connection.aws_session_token.get_secret_value()
        options["authMechanismProperties"] = f"AWS_SESSION_TOKEN:{token}"
    key_password = options.pop("tlsCertificateKeyFilePassword", None)
    texts = {name: _text(value) for name, value in options.items() if value is not None}
    bare = UriParts(parts.scheme, parts.login, parts.hosts, "", parts.query)
    return {"uri": bare.text(**texts), **({"sslPEMKeyPassword": key_password} if key_password else {})}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Dumped(Stored):
    """The archive, and where it is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    documents: int
    """How many documents the tool says that it dumped."""


class Dump(ToolTask):
    """Dump a server, a database or a collection with `mongodump`, as one archive, streamed.

    Example:
        - id: dump
          type: mongo.dump
          uri: "{{ secret('db-01#backup_uri') }}"
          oplog: true
          timeout: 4h
    """

    idempotent: ClassVar[bool] = True

    program: str = "mongodump"
    """The tool: its name, or its path."""
    database: str | None = Field(default=None, min_length=1)
    """The database. Default: all."""
    collection: str | None = Field(default=None, min_length=1)
    """The collection of the database. Default: all."""
    exclude: list[str] = Field(default_factory=list)
    """Collections of the database to leave out."""
    oplog: bool = False
    """Dump what happens meanwhile, too: the archive is then of one moment. For whole replica sets only."""
    file: Annotated[str | None, AfterValidator(is_absolute)] = None
    """Absolute path of the archive to write. Default: an artifact."""
    gzip: bool = True
    """Compress the archive."""
    read_preference: Roles = "primary"
    """Which member to dump."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.collection or self.exclude) and self.database is None:
            raise ValueError("`collection` and `exclude` need `database`")
        if self.oplog and self.database is not None:
            raise ValueError("`oplog` is for the whole server: leave out `database`")
        return self

    def run(self, ctx: Context) -> Dumped:
        arguments = ["--archive", f"--readPreference={_MODES[self.read_preference]}"]
        arguments += ["--gzip"] if self.gzip else []
        arguments += ["--oplog"] if self.oplog else []
        arguments += [f"--db={self.database}"] if self.database else []
        arguments += [f"--collection={self.collection}"] if self.collection else []
        arguments += [f"--excludeCollection={name}" for name in self.exclude]
        name = ".".join(filter(None, [self.database, self.collection])) or "all"
        with sink(ctx, self.file, f"{name}.archive" + (".gz" if self.gzip else ""), "none", 1) as out:
            # Only `write` is asked of the file.
            ended = self.run_tool(ctx, arguments, stdout=cast("IO[bytes]", out))
            if not out.size:
                raise TaskFailed(f"`{Path(self.program).name}` wrote nothing")
        documents = sum(int(number) for number in _DUMPED.findall(ended.stderr))
        return Dumped(**dict(out.stored), documents=documents)


class Restored(BaseModel):
    """What was restored."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    documents: int
    """How many documents the tool says that it restored."""


class Restore(ToolTask):
    """Restore an archive of `mongo.dump` or `mongodump` with `mongorestore`, streamed.

    Example:
        - id: restore
          type: mongo.restore
          uri: "{{ secret('test#restore_uri') }}"
          file: "{{ outputs.dump.artifact }}"
          drop: true
          rename: {"shop.*": "shop_copy.*"}
    """

    program: str = "mongorestore"
    """The tool: its name, or its path."""
    file: Artifact | str
    """The archive: an artifact, its uri, an absolute path, or a path in the work folder."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9A-Fa-f]{64}$")
    """What its SHA-256 must be; it is read once before anything is written."""
    include: list[str] = Field(default_factory=list)
    """What to restore, as `database.collection`, with `*`. Default: all."""
    exclude: list[str] = Field(default_factory=list)
    """What to leave out, as `database.collection`, with `*`."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Names in the archive to names in the server, as `database.collection`, with `*`."""
    drop: bool = False
    """Drop each collection before it is restored."""
    oplog_replay: bool = False
    """Replay what happened during a dump with `oplog`."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """It is where collections are dropped first."""
        return self.drop

    def run(self, ctx: Context) -> Restored:
        arguments = ["--archive", "--stopOnError"]
        arguments += [f"--nsInclude={name}" for name in self.include]
        arguments += [f"--nsExclude={name}" for name in self.exclude]
        for before, after in self.rename.items():
            arguments += [f"--nsFrom={before}", f"--nsTo={after}"]
        arguments += ["--drop"] if self.drop else []
        arguments += ["--oplogReplay"] if self.oplog_replay else []
        # What is packed is unpacked here: the tool need not be told.
        with source(ctx, self.file, self.sha256) as (_, plain):
            if not plain.peek(1):
                raise TaskFailed(f"{named(self.file)} is empty", retryable=False)
            ended = self.run_tool(ctx, arguments, stdin=plain)
        counts = _RESTORED.findall(ended.stderr)
        if any(int(failed) for _, failed in counts):
            raise TaskFailed(f"{counts[-1][1]} documents could not be restored", output=_restored(counts))
        return _restored(counts)


def _restored(counts: list[tuple[str, str]]) -> Restored:
    return Restored(documents=sum(int(good) for good, _ in counts))
