"""Starting a child program: its environment, its user, and what to say when it does not start."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rota.errors import TaskFailed

_INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")
_PASSING = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that a child program runs as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def find_account(name: str) -> Account | None:
    """Return the account of user `name`, None when this process is that user already.

    Raises TaskFailed when there is no such user, or this process may not become it.
    """
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise TaskFailed(
            f"there is no user `{name}` on this machine", False, hint="correct `run_as` of the namespace in `rota.yaml`"
        ) from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise TaskFailed(
            f"cannot run a program as user `{name}`: Rota runs as uid {os.geteuid()}",
            False,
            hint="only root may change the user; run Rota as root, or remove `run_as` of the namespace in `rota.yaml`",
        )
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return Account(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


def clean_environment(env: Mapping[str, str] | None, account: Account | None) -> dict[str, str]:
    """Return PATH, HOME, LANG, TZ and TMPDIR of this process, with `env` over them.

    HOME is that of `account` where one is given.
    """
    clean = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    if account is not None:
        clean["HOME"] = account.home
    clean.update(env or {})
    return clean


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    account: Account | None,
    stdin: int,
    stdout: int,
    stderr: int,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own; the three files are descriptors.

    Raises TaskFailed when it cannot be started; only the program's name is told, never its arguments.
    """
    if not argv or not argv[0]:
        raise TaskFailed("cannot start a program: its name is empty", False)
    # No preexec_fn: it is unsafe beside threads, and without it the child shares our memory up to its exec (vfork).
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else account.groups,
        )
    except (OSError, ValueError, TypeError, UnicodeError) as error:
        raise _not_started(error, argv, env, cwd) from error


def _not_started(error: Exception, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> TaskFailed:
    name = str(argv[0])
    if not isinstance(error, OSError):
        return TaskFailed(f"cannot start `{_shown(name)}`: {_wrong_text(argv, env)}", False)
    if cwd is not None and not os.access(cwd, os.X_OK):
        reason = "may not be entered" if cwd.exists() else "does not exist"
        return TaskFailed(f"cannot start `{name}`: its work folder `{cwd}` {reason}", False)
    if cwd is not None and not cwd.is_dir():
        return TaskFailed(f"cannot start `{name}`: its work folder `{cwd}` is not a folder", False)
    if error.errno == errno.ENOENT:
        return _missing(name, env, cwd)
    if error.errno == errno.EACCES:
        return TaskFailed(
            f"cannot start `{name}`: no permission to run it", False, hint=f"is it a program? `chmod +x {name}`"
        )
    if error.errno == errno.ENOEXEC:
        return TaskFailed(
            f"cannot start `{name}`: it is neither a program nor a script",
            False,
            hint="a script opens with a line such as `#!/bin/sh`",
        )
    if error.errno == errno.E2BIG:
        return TaskFailed(
            f"cannot start `{name}`: its arguments and environment are too long",
            False,
            hint="give long data through standard input or a file",
        )
    return TaskFailed(
        f"cannot start `{name}`: {(error.strerror or str(error)).lower()}", None if error.errno in _PASSING else False
    )


def _missing(name: str, env: Mapping[str, str], cwd: Path | None) -> TaskFailed:
    if "/" not in name:
        return TaskFailed(
            f"cannot start `{name}`: there is no such program in PATH",
            False,
            hint=f"install it where Rota runs, or write its full path; PATH is `{env.get('PATH', os.defpath)}`",
        )
    path = Path(cwd or "", name)
    if not path.exists():
        return TaskFailed(f"cannot start `{name}`: there is no such file", False)
    # The kernel says "no such file" for the interpreter of a script, too.
    with path.open("rb") as file:
        first = file.readline(256).decode(errors="replace").strip()
    what = f"its interpreter, `{first[2:].strip()}`," if first.startswith("#!") else "its loader"
    return TaskFailed(f"cannot start `{name}`: {what} does not exist", False)


def _wrong_text(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Name the argument or variable that no program can be given, without telling its value."""
    for number, text in enumerate(argv):
        if fault := _fault(text):
            return f"argument {number} {fault}"
    for name, value in env.items():
        if fault := _fault(name) or _fault(value):
            return f"environment variable `{_shown(name)}` {fault}"
        if not name or "=" in name:
            return f"`{name}` cannot be the name of an environment variable"
    return "its arguments or its environment are not text"


def _fault(text: object) -> str:
    if not isinstance(text, str | os.PathLike):
        return f"is not text but {type(text).__name__}"
    try:
        return "contains a NUL" if b"\0" in os.fsencode(text) else ""
    except UnicodeError:
        return "holds a character that this system cannot encode"


def _shown(text: object) -> str:
    return str(text).replace("\0", "\\0")
