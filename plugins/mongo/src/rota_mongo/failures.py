"""Says what went wrong: which side of the wire, and whether a retry may help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rota import Context, TaskFailed

if TYPE_CHECKING:
    from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

    from rota_mongo.connection import Connection

WRONG_LOGIN = frozenset({18, 8000})
FORBIDDEN = frozenset({13})
INTERRUPTED = frozenset({11600, 11601, 237})
TIMED_OUT = frozenset({50, 64, 89, 262})
TRANSIENT = frozenset(
    {6, 7, 46, 63, 64, 89, 91, 112, 133, 134, 175, 189, 234, 262, 317, 384, 9001, 10058, 10107, 11600, 11602, 13388}
    | {13435, 13436, 150, 10276, 14031, 12501}
)
"""What passes: elections, shutdowns, moving chunks, locks, full disks that somebody clears."""
DUPLICATE = frozenset({11000, 11001, 12582})
LONGEST = 600


@contextmanager
def explained(connection: Connection, ctx: Context, doing: str) -> Iterator[None]:
    """Turn what pymongo and bson raise in the `with` block into a TaskFailed that begins with what was done."""
    try:
        yield
    except TaskFailed:
        raise
    except Exception as error:
        failure = failure_of(error, connection, doing)
        if failure is None:
            raise
        if ctx.cancelled.is_set():
            failure = TaskFailed(f"{doing}: it was cancelled")
        # The cause would be kept in tracebacks, and its text may hold what the message leaves out.
        raise failure from None


def failure_of(error: Exception, connection: Connection, doing: str) -> TaskFailed | None:
    """Return the TaskFailed for an error of pymongo or bson, and None for any other."""
    from bson.errors import BSONError
    from pymongo.errors import PyMongoError

    if isinstance(error, PyMongoError):
        message, retryable, hint = _of_pymongo(error, connection)
    elif isinstance(error, BSONError):
        message, retryable, hint = f"a value does not fit BSON: {error}", False, ""
    elif isinstance(error, OverflowError):
        message, retryable, hint = "a whole number is too large: MongoDB takes 64 bits", False, ""
    elif isinstance(error, (TypeError, ValueError, KeyError, OSError)) and _comes_from_sdk(error):
        message, retryable, hint = f"a value is not valid: {str(error) or type(error).__name__}", False, ""
    else:
        return None
    return TaskFailed(f"{doing}: {clean(message, connection)}", retryable, hint=hint)


def clean(text: str, connection: Connection) -> str:
    """Return a message without the secrets of the connection and of a length that people read."""
    for secret in _secrets(connection):
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def _secrets(connection: Connection) -> list[str]:
    from rota_mongo.uri import split_uri

    fields = (connection.password, connection.tls_certificate_password, connection.aws_session_token)
    found = [field.get_secret_value() for field in fields if field is not None]
    found += split_uri(connection.uri_text).secrets()
    return sorted((secret for secret in found if secret), key=len, reverse=True)


def _comes_from_sdk(error: BaseException) -> bool:
    trace, last = error.__traceback__, ""
    while trace is not None:
        last = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return last.partition(".")[0] in {"pymongo", "bson", "gridfs", "ssl"}


def _of_pymongo(error: PyMongoError, connection: Connection) -> tuple[str, bool | None, str]:
    from bson.errors import InvalidDocument
    from pymongo import errors

    if isinstance(error, errors.BulkWriteError):
        return _of_bulk(error)
    if isinstance(error, errors.ServerSelectionTimeoutError):
        return _of_selection(error, connection)
    if isinstance(error, errors.OperationFailure):
        return _of_server(error, connection)
    if isinstance(error, (errors.DocumentTooLarge, InvalidDocument)):
        return f"a document cannot be sent: {error}", False, ""
    if isinstance(error, errors.ConnectionFailure):
        if error.timeout:
            return f"`{connection.place()}` did not answer in time: {in_short(error)}", None, ""
        return f"the connection to `{connection.place()}` broke: {in_short(error)}", None, "the server may have done it"
    if isinstance(error, errors.InvalidURI):
        return f"`uri` is no connection string: {error}", False, "characters such as `@ : / %` are written as `%40`"
    if isinstance(error, errors.ConfigurationError):
        hint = "pip install 'rota-mongo[aws]'" if "pymongo-auth-aws" in str(error) else ""
        return f"the connection cannot be made so: {error}", False, hint
    return f"{error}", (False if isinstance(error, errors.InvalidOperation | errors.InvalidName) else None), ""


def in_short(error: Exception) -> str:
    """Return the message without pymongo's description of its settings and of the topology."""
    return re.split(r" \(configured timeouts|, Timeout: |, Topology Description|, full error:", str(error))[0]


def _of_selection(error: Exception, connection: Connection) -> tuple[str, bool | None, str]:
    text, place = in_short(error), connection.place()
    if "certificate verify failed" in text.lower() or "CERTIFICATE_VERIFY_FAILED" in text:
        why = re.search(r"certificate verify failed: ([^(\]]*)", text)
        reason = why[1].strip() if why else "it cannot be verified"
        return f"the certificate of `{place}` is refused: {reason}", False, "`tls_ca` names the authorities to trust"
    if re.search(r"ssl|tls", text, re.IGNORECASE):
        return f"no TLS connection to `{place}`: {text}", None, "does the server want a client's certificate?"
    if re.search(r"Name or service not known|nodename nor servname|No address|name resolution|DNS", text):
        return f"the name of `{place}` is not known: {text}", None, ""
    if "refused" in text:
        return f"`{place}` refuses connections: {text}", None, "is the server running, and on this port?"
    if re.search(r"No (?:primary|replica set members? match|servers? match|suitable)|No primary", text):
        return f"no server of `{place}` can do it: {text}", None, "is there a primary?"
    return f"`{place}` did not answer in time: {text}", None, ""


def _of_server(error: OperationFailure, connection: Connection) -> tuple[str, bool | None, str]:
    details: Any = error.details or {}
    code, text = error.code, str(details.get("errmsg") or _server_text(error))
    if code in WRONG_LOGIN:
        who = f" of `{connection.user}`" if connection.user else ""
        return f"`{connection.place()}` refuses the login{who}: {text}", False, ""
    if code in FORBIDDEN:
        return f"the login may not do this: {text}", False, "the README's table names the roles it needs"
    if code in INTERRUPTED:
        return f"the server ended it: {text}", None, ""
    if code == 50 or error.timeout:
        return f"it took longer than it may: {text}", None, ""
    name = f" ({details.get('codeName') or code})" if code else ""
    return f"the server refuses it{name}: {text}", None if is_transient(error) else False, ""


def _server_text(error: OperationFailure) -> str:
    return str(error).partition(", full error:")[0]


def is_transient(error: OperationFailure) -> bool:
    """Say whether the same may succeed later."""
    labels = ("RetryableWriteError", "TransientTransactionError")
    return error.code is None or error.code in TRANSIENT or any(error.has_error_label(label) for label in labels)


def _of_bulk(error: BulkWriteError) -> tuple[str, bool | None, str]:
    details: Any = error.details or {}
    problems: list[Any] = list(details.get("writeErrors") or ())
    concerns: list[Any] = list(details.get("writeConcernErrors") or ())
    shown = "; ".join(f"number {one.get('index')}: {one.get('errmsg')}" for one in problems[:3])
    if concerns and not problems:
        return f"written, but not as safely as asked: {concerns[0].get('errmsg')}", None, ""
    lasting = any(one.get("code") not in TRANSIENT for one in problems)
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"the server refuses {len(problems)} of the writes: {shown}{more}", False if lasting else None, ""
