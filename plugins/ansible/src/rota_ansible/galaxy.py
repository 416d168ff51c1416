"""Collections and roles of Ansible Galaxy, installed once into a cache by what is asked for."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rota import Context, TaskFailed
from rota_ansible.fields import flow_path

PARTS = ("collections", "roles")


def cache_folder() -> Path:
    """Return where installed requirements are kept: `$XDG_CACHE_HOME/rota-ansible`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rota-ansible"


def install_requirements(
    requirements: Path | dict[str, Any] | list[Any], env: Mapping[str, str], ctx: Context
) -> tuple[Path, Path]:
    """Return the folders of collections and roles with what is asked for; `env` is for ansible-galaxy.

    Raises TaskFailed for requirements that cannot be read or installed, and when it is cancelled.
    """
    text = _text(requirements, ctx)
    parts = _parts(text, "requirements" if isinstance(requirements, (dict, list)) else str(requirements))
    key = hashlib.sha256(json.dumps([text, sorted(env.items())]).encode()).hexdigest()[:32]
    home = cache_folder() / key
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(home / "lock", ctx):
        if not (home / "complete").exists():
            for part in ("collections", "roles"):
                shutil.rmtree(home / part, ignore_errors=True)
            (home / "requirements.yml").write_text(text)
            for part in parts:
                _install(part, home, env, ctx)
            (home / "complete").touch()
    return home / "collections", home / "roles"


def _text(requirements: Path | dict[str, Any] | list[Any], ctx: Context) -> str:
    if not isinstance(requirements, Path):
        return json.dumps(requirements, sort_keys=True)
    try:
        return flow_path(ctx, requirements).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise TaskFailed(
            f"the requirements `{requirements}` cannot be read: {why}",
            retryable=False,
            hint="add the file to the flow's `files`",
        ) from None


def _parts(text: str, name: str) -> list[str]:
    """Return what is asked for: `collections`, `roles`. A list at the top is one of roles, as before Ansible 2.9.

    See "Installing roles and collections from the same requirements.yml file" in Ansible's user guide.
    """
    import yaml

    try:
        asked = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TaskFailed(f"the requirements `{name}` are no YAML: {error}", retryable=False) from None
    if isinstance(asked, list):
        asked = {"roles": asked}
    if not isinstance(asked, dict) or not asked.keys() <= set(PARTS):
        hint = "write `collections:` and `roles:`, each a list"
        raise TaskFailed(f"the requirements `{name}` ask for something else", retryable=False, hint=hint)
    if wrong := [part for part, wanted in asked.items() if not isinstance(wanted, list | None)]:
        raise TaskFailed(f"`{wrong[0]}` of the requirements `{name}` is no list", retryable=False)
    return [part for part in PARTS if asked.get(part)]


@contextmanager
def _locked(path: Path, ctx: Context) -> Iterator[None]:
    """Hold the lock of a cache; another task that installs the same is waited for, unless this one is cancelled."""
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if ctx.cancelled.wait(0.1):
                    raise TaskFailed("it was cancelled while another task installed the same requirements") from None
        yield


def _install(part: str, home: Path, env: Mapping[str, str], ctx: Context) -> None:
    kind = part.removesuffix("s")
    argv = [sys.executable, "-m", "ansible.cli.galaxy", kind, "install"]
    argv += ["-r", str(home / "requirements.yml"), "-p", str(home / part)]
    done = ctx.process(argv, env={"ANSIBLE_NOCOLOR": "True", **env}, cwd=ctx.workdir)
    if done.exit_code != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise TaskFailed(f"the {part} cannot be installed: {last[-1] if last else 'no message'}")
