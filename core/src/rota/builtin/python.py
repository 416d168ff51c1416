"""Task type `python`: Python code of the flow, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from rota import Context, Raw, TaskFailed
from rota.builtin.programs import ProgramTask


class Python(ProgramTask):
    """Run Python code, from the flow or from one of its `files`.

    It runs in a process of its own, in a folder with the flow's `files`, which it can import.

    Example:
        - id: count
          type: python
          input: {rows: "{{ vars.rows }}"}
          code: |
            import json, os
            rows = json.load(open(os.environ["ROTA_INPUT"]))["rows"]
            json.dump({"count": len(rows)}, open(os.environ["ROTA_OUTPUT"], "w"))
    """

    code: Annotated[str | None, Raw()] = None
    """The code. It is never rendered: data goes in by `input` and `env`."""
    script: str | None = None
    """A file of the flow with the code."""
    arguments: list[str | int | float] = Field(default_factory=list, repr=False)
    """Arguments of the program, `sys.argv[1:]`."""
    dependencies: list[str] = Field(default_factory=list)
    """Packages that it needs, such as `requests>=2.32`; they are installed by `uv`, apart from Rota's own."""
    python: str | None = None
    """The interpreter: a path or, with `dependencies`, a version such as `3.12`. Default: the one that runs Rota."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Python:
        if (self.code is None) == (self.script is None):
            raise ValueError("`python` has either `code` or `script`")
        return self

    def environment(self, ctx: Context) -> dict[str, str]:
        """Return the variables, the work folder on the module path among them."""
        env = super().environment(ctx)
        path = [str(ctx.workdir), *filter(None, [env.get("PYTHONPATH")])]
        return {"PYTHONUNBUFFERED": "1", **env, "PYTHONPATH": ":".join(path)}

    def command_line(self, ctx: Context, folder: Path) -> Sequence[str]:
        """Return the interpreter, by way of `uv` where there are dependencies, and the file to run."""
        arguments = [str(argument) for argument in self.arguments]
        return [*self._interpreter(), str(self._source(ctx, folder)), *arguments]

    def _source(self, ctx: Context, folder: Path) -> Path:
        if self.script is not None:
            script = ctx.in_workdir(self.script)
            if not script.is_file():
                raise TaskFailed(
                    f"there is no file `{self.script}`", retryable=False, hint="name it in the flow's `files`"
                )
            return script
        path = folder / f"{ctx.task_id}.py"
        path.write_text(self.code or "", encoding="utf-8")
        path.chmod(0o600)
        return path

    def _interpreter(self) -> list[str]:
        if not self.dependencies:
            return [self.python or sys.executable]
        import shutil

        uv = shutil.which("uv")
        if uv is None:
            raise TaskFailed(
                "`dependencies` are installed by `uv`, and there is no `uv` in PATH",
                retryable=False,
                hint="install it where Rota runs: pip install uv",
            )
        wanted = [word for package in self.dependencies for word in ("--with", package)]
        return [
            uv,
            "run",
            "--no-project",
            "--quiet",
            "--python",
            self.python or sys.executable,
            *wanted,
            "--",
            "python",
        ]
