"""Git repositories, by path and over HTTP (`git http-backend` behind the standard library's server)."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.lab import control
from tests.lab.certificates import ServerTls
from tests.lab.httpserver import QuietHandler, serve_http, tls_context
from tests.lab.server import PythonServer

_ISOLATED = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
_AUTHOR = {
    f"GIT_{who}_{what}": f"lab{at}"
    for who in ("AUTHOR", "COMMITTER")
    for what, at in (("NAME", ""), ("EMAIL", "@example.org"))
}


class GitHttp(PythonServer):
    """Bare repositories, to clone and push. With a login, HTTP wants `user` and `password`."""

    user = "rota"

    def __init__(self, config: dict[str, Any]) -> None:
        self.password: str | None = config["password"]
        self._scheme = "https" if config["tls"] else "http"
        super().__init__(__name__, config)

    @classmethod
    def start(cls, *, login: bool = False, tls: ServerTls | None = None) -> Self:
        """Start a server without repositories. Raises `ServerFailed`."""
        password = secrets.token_urlsafe(12) if login else None
        config = {"ports": [None], "user": cls.user, "password": password, "tls": tls.files if tls else {}}
        return cls(config)

    def create(self, name: str, files: Mapping[str, str] | None = None) -> str:
        """Create the repository `name`, with `files` as its first commit on `main`; return its URL."""
        path = self.path(name)
        git("init", "--quiet", "--bare", "--initial-branch=main", path)
        git("-C", path, "config", "http.receivepack", "true")
        if files:
            self.commit(name, files, "the beginning")
        return self.url(name)

    def commit(self, name: str, files: Mapping[str, str], message: str) -> str:
        """Commit `files` on top of `main` in the repository `name`; return the commit's id."""
        work = self.folder / "work" / secrets.token_hex(8)
        git("clone", "--quiet", self.path(name), work)
        git("-C", work, "checkout", "--quiet", "-B", "main")
        for relative, content in files.items():
            path = work / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        git("-C", work, "add", "--all")
        git("-C", work, "commit", "--quiet", "--message", message)
        git("-C", work, "push", "--quiet", "origin", "main")
        return git("-C", work, "rev-parse", "HEAD")

    def path(self, name: str) -> Path:
        """The folder of a bare repository, to clone without HTTP."""
        return self.folder / "repositories" / f"{name}.git"

    def url(self, name: str) -> str:
        """The address of a repository, without a login in it."""
        return f"{self._scheme}://127.0.0.1:{self.ports[0]}/{name}.git"


def git(*arguments: str | Path) -> str:
    """Run git without this machine's settings; return what it printed. Raises `CalledProcessError`."""
    environment = {"PATH": os.environ["PATH"], **_ISOLATED, **_AUTHOR}
    done = subprocess.run(["git", *arguments], env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _backend(folder: Path, handler: QuietHandler, user: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of what git's CGI program answers."""
    address = urlsplit(handler.path)
    environment = {
        "PATH": os.environ["PATH"],
        **_ISOLATED,
        "GIT_PROJECT_ROOT": str(folder / "repositories"),
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": handler.command,
        "PATH_INFO": address.path,
        "QUERY_STRING": address.query,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "REMOTE_USER": user,
        "REMOTE_ADDR": handler.client_address[0],
    }
    done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if line)
    status = int(headers.pop("Status", "200" if done.returncode == 0 else "500").split()[0])
    return status, headers, content


def _handler(folder: Path, user: str, password: str | None) -> type[QuietHandler]:
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 (the standard library's name)
            body = self._body()
            if password is not None and not hmac.compare_digest(self.headers.get("Authorization", ""), expected):
                self.reply(401, b"a login is needed\n", {"WWW-Authenticate": 'Basic realm="lab"'})
                return
            status, headers, content = _backend(folder, self, user, body)
            self.reply(status, content, headers)

        do_POST = do_GET  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

    return Handler


def main(folder: Path) -> None:
    """Run the server that `config.json` in `folder` asks for, until killed."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "repositories").mkdir(exist_ok=True)
    handler = _handler(folder, config["user"], config["password"])
    ports = [serve_http(handler, config["ports"][0], tls_context(config["tls"]))]
    control.serve(folder, lambda _what, _arguments: ports)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
