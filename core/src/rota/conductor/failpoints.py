"""Named fail points: where the recovery tests kill this process, to see that no promise is broken by it.

`ROTA_FAILPOINT=outcome.after_commit:3` kills it when that point is reached for the third time. Without the variable
a point costs a call that does nothing.
"""

from __future__ import annotations

import itertools
import os
import signal

NAMES = (
    "running.before_commit",
    "running.after_commit",
    "task.before_run",
    "task.after_effect",
    "outcome.before_commit",
    "outcome.after_commit",
    "commit.inside",
    "adoption.inside",
    "adoption.after_commit",
    "adoption.loaded",
)
"""Every fail point there is."""
_name, _, _number = os.environ.get("ROTA_FAILPOINT", "").partition(":")
_hits = itertools.count(1)


def _kill(name: str) -> None:
    if name == _name and next(_hits) == int(_number or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def _pass(name: str) -> None:
    """Nothing is armed."""


hit = _kill if _name else _pass
"""Say that a point has been reached."""
