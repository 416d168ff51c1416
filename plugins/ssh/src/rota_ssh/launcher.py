"""The small shell program under which a command runs: it reports its process group, then takes the command.

The command, its environment and its input come over the channel, never as arguments, where everybody on the
host could read them. What is written on the wire:

    number of lines, the lines of the command, the bytes of a script if there is one, the command's own input

The launcher answers on standard error, in marks that hold a random token: one asks for sudo's password, one
says that the command starts and which process group it is.
"""

from __future__ import annotations

import re
import secrets
import shlex
from dataclasses import dataclass

# There is a process group of the shell's own number only where it leads one: to ask for that costs no process. Whoever
# does not lead one, as below sudo, gets one by `setsid`, so that nothing else is ended with it.
_LEAD = (
    "r=$1 x=${2:-/bin/sh} nl=${IFS#??}; "
    "if kill -s 0 -- -$$ 2>/dev/null; then g=$$; "
    'elif command -v setsid >/dev/null; then exec setsid $x -c "$r" sh $$ "$nl"; '
    "elif { read -r s < /proc/$$/stat; } 2>/dev/null; then set -- ${s##*) }; g=$3; "
    "else g=$(ps -o pgid= -p $$); g=${g##* }; fi; "
    '[ "$x" = /bin/sh ] || exec $x -c "$r" sh $g "$nl"; '
    'set -- $g "$nl"; eval "$r"'
)
_TAKE = (
    'printf "[rota:%s:started:%s]" {token} $1 >&2; IFS= read -r n; c=; '
    "while [ $n -gt 0 ]; do IFS= read -r l || exit 125; c=$c$l$2; n=$((n-1)); done; "
    'unset r x nl s g n l; set --; eval "$c"'
)


_SAYS = re.compile(rb"(sudo|started:\d+)\]")


@dataclass(frozen=True, slots=True)
class Sudo:
    """Run as somebody else. `user` is empty for root; with a password sudo is told it when it asks."""

    user: str
    has_password: bool


class Launch:
    """One start of the launcher: the line to run, and the marks that it will answer with."""

    def __init__(self, *, sudo: Sudo | None = None, shell: str = "") -> None:
        self._token = secrets.token_hex(8)
        self._sudo, self._shell = sudo, shell
        self.mark_start = f"[rota:{self._token}:".encode()

    def find_mark(self, data: bytes) -> tuple[int, int, str] | None:
        """Return where the first whole mark in `data` begins and ends, and what it says."""
        at = data.find(self.mark_start)
        while at >= 0:
            found = _SAYS.match(data, at + len(self.mark_start))
            if found is not None:
                return at, found.end(), found[1].decode()
            at = data.find(self.mark_start, at + 1)
        return None

    @property
    def line(self) -> str:
        """The line for the host's login shell, whichever that is: one line, and nothing in it that differs."""
        take = _TAKE.format(token=self._token)
        words = ["/bin/sh", "-c", _LEAD, "sh", take, *([self._shell] if self._shell else [])]
        if self._sudo is not None:
            ask = ["-S", "-p", f"[rota:{self._token}:sudo]"] if self._sudo.has_password else ["-n"]
            who = ["-u", self._sudo.user] if self._sudo.user else []
            words = ["sudo", "-H", *ask, *who, "--", *words]
        return "exec " + shlex.join(words)


def framed(text: str) -> bytes:
    """Return a command as the launcher takes it. Raises ValueError for one with a NUL in it."""
    if "\0" in text:
        raise ValueError("a command cannot have a NUL in it")
    lines = text.split("\n")
    return f"{len(lines)}\n{text}\n".encode()


def exports(env: dict[str, str]) -> str:
    """Return shell text that sets environment variables."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


def ending(group: int, grace: float, remove: str = "") -> str:
    """Return shell text that ends a process group: SIGTERM, `grace` seconds later SIGKILL; then it removes a file.

    It prints `left` where something has survived even that.
    """
    tenths = max(1, round(grace * 10))
    return (
        f"g={group}\n{_ALIVE}"
        "kill -s TERM -- -$g 2>/dev/null; kill -s CONT -- -$g 2>/dev/null; i=0\n"
        f"while alive && [ $i -lt {tenths} ]; do nap; i=$((i+1)); done\n"
        "if alive; then kill -s KILL -- -$g 2>/dev/null; i=0\n"
        "while alive && [ $i -lt 20 ]; do nap; i=$((i+1)); done; fi\n"
        f"{remove}if alive; then echo left; fi\n"
    )


# A process that has ended and that nobody has fetched, as in containers, still counts for `kill`; where there is
# /proc, it says which are such.
_ALIVE = """alive() {
  kill -s 0 -- -$g 2>/dev/null || return 1
  [ -r /proc/self/stat ] || return 0
  for f in /proc/[0-9]*/stat; do
    { read -r s < $f; } 2>/dev/null || continue
    set -- ${s##*) }
    if [ "$3" = $g ] && [ "$1" != Z ] && [ "$1" != X ]; then return 0; fi
  done
  return 1
}
nap() { sleep 0.1 2>/dev/null || sleep 1; }
"""
