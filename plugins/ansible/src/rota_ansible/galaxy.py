"""Collections and roles of Ansible Galaxy, installed once into a cache by what is asked for."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rota import Context, TaskFailed
from rota_ansible.fields import flow_path


def cache_folder() -> Path:
    """Return where installed requirements are kept: `$XDG_CACHE_HOME/rota-ansible`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rota-ansible"


def install_requirements(requirements: Path | dict[str, Any], ctx: Context) -> tuple[Path, Path]:
    """Return the folders of collections and roles with what is asked for. Raises TaskFailed."""
    text = _text(requirements, ctx)
    home = cache_folder() / hashlib.sha256(text.encode()).hexdigest()[:32]
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _install(text, home, ctx)
            (home / "complete").touch()
    return home / "collections", home / "roles"


def _text(requirements: Path | dict[str, Any], ctx: Context) -> str:
    if isinstance(requirements, dict):
        return json.dumps(requirements, sort_keys=True)
    try:
        return flow_path(ctx, requirements).read_text()
    except OSError as error:
        raise TaskFailed(
            f"the requirements `{requirements}` cannot be read: {error.strerror}",
            retryable=False,
            hint="add the file to the flow's `files`",
        ) from None


def _install(text: str, home: Path, ctx: Context) -> None:
    for part in ("collections", "roles"):
        shutil.rmtree(home / part, ignore_errors=True)
    file = home / "requirements.yml"
    file.write_text(text)
    galaxy = [sys.executable, "-m", "ansible.cli.galaxy"]
    wanted = {
        "collections": [*galaxy, "collection", "install", "-r", str(file), "-p", str(home / "collections")],
        "roles": [*galaxy, "role", "install", "-r", str(file), "-p", str(home / "roles")],
    }
    for part, argv in wanted.items():
        if f"{part}:" not in text and f'"{part}"' not in text:
            continue
        done = ctx.process(argv, env={"ANSIBLE_NOCOLOR": "True"}, cwd=ctx.workdir)
        if done.exit_code != 0:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise TaskFailed(f"the {part} cannot be installed: {last[-1] if last else 'no message'}")
