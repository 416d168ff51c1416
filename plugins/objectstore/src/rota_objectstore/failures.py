"""What went wrong with a store, in words: which side failed, and whether trying again may help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from rota import TaskFailed
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.places import Place

_CODE, _MESSAGE = re.compile(r"<Code>([\w.]+)</Code>"), re.compile(r"<Message>([^<]*)</Message>")
_STATUS = re.compile(r"status(?: code)?: (\d{3})")
_DELETE = re.compile(r'code: "(\w+)",\s*message: "([^"]*)"')
_HOPELESS = {400, 401, 403, 404, 405, 411, 416, 501}
_KEYS = {"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "AuthenticationFailed"}

# What the HTTP client says about a connection, how to call it, and whether another try may help.
_CONNECTION = [
    (r"dns error|failed to lookup|Name or service|NameResolution|failed to resolve", "its name is not known", None),
    (r"ConnectionRefused|Connection refused", "the connection is refused: nothing listens there", None),
    (r"Expired|certificate has expired", "its certificate has expired", False),
    (
        r"InvalidCertificate|UnknownIssuer|certificate verify|CERTIFICATE_VERIFY",
        "its certificate is not trusted",
        False,
    ),
    (r"InvalidContentType|corrupt message|WRONG_VERSION|wrong version", "it does not speak TLS", False),
    (r"TimedOut|timed out|timeout", "it did not answer in time", None),
    (r"reset|closed|BrokenPipe|IncompleteMessage|UnexpectedEof|Aborted", "it broke the connection", None),
    (r"error sending request|ConnectionError|EndpointConnection", "it cannot be reached", None),
]


class Damaged(Exception):
    """What a source gave, or what a store kept, is not what it should be."""


@contextmanager
def in_words(fields: StoreFields, place: Place, doing: str) -> Iterator[None]:
    """Turn the errors of the clients into TaskFailed; `doing` is what was tried: `put`, `list`."""
    try:
        yield
    except (TaskFailed, KeyboardInterrupt):
        raise
    except Damaged as error:
        raise TaskFailed(f"{doing} `{place.uri}`: {error}") from error
    except Exception as error:
        if not _is_of_a_client(error):
            raise
        # No cause is kept: the clients' own words hold URLs, and those of Azure hold signatures.
        raise failure(error, fields, place, doing) from None


def failure(error: Exception, fields: StoreFields, place: Place, doing: str) -> TaskFailed:
    """Return the error of a client as TaskFailed. No word of it holds a URL's query."""
    text = f"{doing} `{place.uri}`"
    if isinstance(error, (ValueError, NotImplementedError)) or type(error).__name__ in {
        "NotSupportedError",
        "InvalidPathError",
        "ParamValidationError",
    }:
        return TaskFailed(f"{text} cannot be done: {_first_line(error)}", retryable=False)
    if place.scheme == "file":
        return _of_files(error, text)
    status, code, message = answer_of(error)
    if status:
        server = host_of(fields, place)
        said = f"{code}: {message}" if code and message else code or f"status {status}"
        retryable = False if status in _HOPELESS or code in _KEYS else None
        return TaskFailed(f"{text} was refused by {server}: {said}", retryable, hint=_hint(status, code, place))
    if "credential" in str(error).lower() or "169.254.169.254" in str(error):
        return TaskFailed(
            f"{text}: there are no credentials for it",
            retryable=False,
            hint="give `access_key` and `secret_key`, or the like",
        )
    return _of_connection(error, fields, place, text)


def answer_of(error: Exception) -> tuple[int, str, str]:
    """Return status, code and message of a server's refusal; the status is 0 where it said nothing."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        said = response.get("Error", {})
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        code = str(said.get("Code", ""))
        return status, "" if code.isdigit() else code, str(said.get("Message", ""))
    text = str(error)
    if refused := _DELETE.search(text):
        return 403 if refused[1] == "AccessDenied" else 400, refused[1], refused[2]
    status_found, code_found, message_found = _STATUS.search(text), _CODE.search(text), _MESSAGE.search(text)
    return (
        int(status_found[1]) if status_found else 404 if isinstance(error, FileNotFoundError) else 0,
        code_found[1] if code_found else "",
        message_found[1][:300] if message_found else "",
    )


def exists_already(error: Exception) -> bool:
    """Whether an error says that a condition stood against it: something is there already."""
    if type(error).__name__ in {"AlreadyExistsError", "PreconditionError"}:
        return True
    status, code, _ = answer_of(error)
    return status in {409, 412} or code in {"PreconditionFailed", "ConditionalRequestConflict"}


def host_of(fields: StoreFields, place: Place) -> str:
    """Return what to call the server in a message."""
    if fields.endpoint:
        return f"`{urlsplit(fields.endpoint).netloc}`"
    return {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure"}.get(place.scheme, "the store")


def _is_of_a_client(error: Exception) -> bool:
    module = type(error).__module__.partition(".")[0]
    builtin = (OSError, ValueError, NotImplementedError)
    return module in {"obstore", "botocore", "boto3", "s3transfer", "urllib3"} or isinstance(error, builtin)


def _of_files(error: Exception, text: str) -> TaskFailed:
    if isinstance(error, FileNotFoundError):
        return TaskFailed(f"{text}: there is no such file", retryable=False)
    if "Permission denied" in str(error) or "PermissionDenied" in str(error):
        return TaskFailed(f"{text}: Rota may not do that", retryable=False, hint="look at the folder's permissions")
    return TaskFailed(f"{text} failed: {_first_line(error)}")


def _of_connection(error: Exception, fields: StoreFields, place: Place, text: str) -> TaskFailed:
    # botocore says of every failure that it could not connect, and keeps the reason apart.
    reason = getattr(error, "kwargs", {}).get("error", error)
    whole = f"{type(error).__name__} {reason}"
    for pattern, words, retryable in _CONNECTION:
        if re.search(pattern, whole):
            return TaskFailed(f"{text}: {host_of(fields, place)} failed: {words}", retryable)
    return TaskFailed(f"{text} failed at {host_of(fields, place)}: {type(error).__name__}")


def _hint(status: int, code: str, place: Place) -> str:
    if code in _KEYS or status == 401:
        return "look at `access_key` and `secret_key`, or the like"
    if code == "NoSuchBucket":
        return f"there is no bucket `{place.bucket}`: buckets are not made by a flow"
    if status == 403:
        return "these keys may not do that: the plugin's README has the rights that each type needs"
    if status == 404:
        return "there is no such object"
    return ""


def _first_line(error: Exception) -> str:
    return re.sub(r"https?://\S+", "…", str(error).partition("\n")[0])[:300]
