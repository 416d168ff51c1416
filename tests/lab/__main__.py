"""`python -m tests.lab up`: start a small bank to play with; `... fault db-07 down`: break one of its hosts."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests.lab import control
from tests.lab.bank import Bank, bank
from tests.lab.process import ServerFailed
from tests.lab.rotafile import remove, write
from tests.lab.server import ROOT
from tests.lab.sshfault import Fault

_EXAMPLES = ("examples/bank/*/flow.yaml", "examples/fleet-check/flow.yaml")
_SUBFLOWS = "examples/bank/vault-subflows"


class _Stop(BaseException):
    """Somebody pressed Ctrl-C or sent a signal to end."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command of the lab and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".lab"), help="where rota.yaml goes (default: .lab)")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a bank, until Ctrl-C")
    up.add_argument("--clusters", type=int, default=57, help="how many clusters (default: 57)")
    fault = commands.add_parser("fault", help="break a host of the running bank, or mend it")
    fault.add_argument("host", help="such as db-07")
    fault.add_argument("fault", choices=[*(fault.value for fault in Fault), "none"])
    options = parser.parse_args(arguments)
    folder: Path = options.folder.resolve()
    try:
        return _up(folder, options.clusters) if options.command == "up" else _fault(folder, options.host, options.fault)
    except (ServerFailed, control.Refused) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up(folder: Path, clusters: int) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    began = time.monotonic()
    print(f"starting a bank of {clusters} clusters ...", flush=True)
    try:
        with bank(clusters) as running:
            _show(running, folder, time.monotonic() - began)
            while True:
                signal.pause()
    except _Stop:
        return 0
    finally:
        remove(folder)
        (folder / "lab.json").unlink(missing_ok=True)
        print("the bank is closed", flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    """End once, and let the servers be stopped in peace."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise _Stop


def _fault(folder: Path, host: str, fault: str) -> int:
    state = folder / "lab.json"
    if not state.exists():
        print(f"error: no bank runs in `{folder}`\nhint: `python -m tests.lab up` starts one", file=sys.stderr)
        return 2
    fleet = Path(json.loads(state.read_text())["fleet"])
    try:
        control.ask(fleet, "fault", name=host, fault=None if fault == "none" else fault)
    except OSError:
        print(f"error: the bank of `{folder}` is gone\nhint: `python -m tests.lab up` starts one", file=sys.stderr)
        return 2
    print(f"{host}: {fault}")
    return 0


def _show(running: Bank, folder: Path, seconds: float) -> None:
    path = write(running, folder)
    (folder / "lab.json").write_text(json.dumps({"pid": os.getpid(), "fleet": str(running.fleet.folder)}))
    fleet, mongodb = running.fleet, running.mongodb
    first = fleet.hosts[0]
    print(f"open after {seconds:.1f} s; settings in {path}:\n")
    print(path.read_text())
    print("how to look at it:")
    print(f"  ssh         ssh -i {fleet.key.private} -p {first.port} -o UserKnownHostsFile={fleet.known_hosts}", end="")
    print(f" {fleet.user}@{first.address}    # {first.name}; all are in {folder / 'clusters.json'}")
    print(f"  mongodb     mongosh {mongodb.uri(0)}    # {first.name}")
    print(f"  vault       BAO_ADDR={running.vault.url} BAO_TOKEN={running.vault.token} .venv/bin/bao kv list secret/")
    print(f"  s3          {running.s3.url}, keys in {folder / 'secrets/s3/backup'}")
    print(f"  inventory   curl -H 'Authorization: Bearer {running.inventory.token}' {running.inventory.url}/clusters")
    print(f"  mail        127.0.0.1:{running.smtp.port}, kept in {running.smtp.folder / 'mails'}")
    print(f"  git         git clone {running.git.url('flows')}")
    print(f"  postgresql  {running.postgres.url}")
    print("\nbreak a host:  python -m tests.lab fault db-07 down    (or silent, wrong_key, disk_full; none mends it)")
    print("\nrun a flow, in another terminal:")
    for example in _examples():
        print(f"  ROTA_SETTINGS={path} .venv/bin/rota run {example}")
    print(f"  ROTA_SETTINGS={path} .venv/bin/rota flows deploy {_SUBFLOWS}    # which other flows call")
    print(
        "\nrun a server, which starts flows in time and tells of what failed by mail (docs/bank has a page for each flow):"
    )
    print(f"  ROTA_SETTINGS={path} .venv/bin/rota flows deploy {_EXAMPLES[0]}")
    print(f"  ROTA_SETTINGS={path} .venv/bin/rota serve")
    print("\nCtrl-C closes the bank.", flush=True)


def _examples() -> list[Path]:
    found = [path.relative_to(ROOT) for pattern in _EXAMPLES for path in sorted(ROOT.glob(pattern))]
    return found or [Path("FLOW")]


if __name__ == "__main__":
    sys.exit(main())
