"""Starts a MongoDB server in the background as `mongod --config FILE` does where the file says `fork: true`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import yaml


def main() -> int:
    """Start the server, wait until it listens, and return 0; or return 1 and say why not."""
    parser = argparse.ArgumentParser(prog="mongod", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    config = yaml.safe_load(options.config.read_text())
    if options.serve:
        _serve(config)
    argv = [sys.executable, "-P", __file__, "--config", str(options.config), "--serve"]
    with Path(config["systemLog"]["path"]).open("ab") as log:
        server = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    assert server.stdout is not None
    if server.stdout.readline() == b"ready\n":
        print(f"child process started successfully, forked process: {server.pid}")
        return 0
    print(f"ERROR: child process failed, see {config['systemLog']['path']}", file=sys.stderr)
    return 1


def _serve(config: dict[str, Any]) -> NoReturn:
    from secantus import SecantusDBServer

    # Blocked before the server's threads start, so that none of them gets it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    storage = config["storage"]["dbPath"]
    SecantusDBServer(port=config["net"]["port"], storage_path=storage, cache_size="8M").start()
    Path(config["processManagement"]["pidFilePath"]).write_text(f"{os.getpid()}\n")
    os.write(1, b"ready\n")
    signal.sigwait([signal.SIGTERM])
    # Its orderly end takes seconds; what was written is in its journal.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
