"""`ansible.playbook`: a playbook, from a file or written in the flow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from rota import Context, Raw, TaskFailed
from rota_ansible.fields import AnsibleTask, flow_path
from rota_ansible.results import PlayOutput, Results
from rota_ansible.running import run_playbook


class Playbook(AnsibleTask):
    """Run a playbook.

    Its events go to the log as they come. A host that fails names itself in the error. `rota plan` runs it in check
    mode, with differences.

    Example:
        - id: configure
          type: ansible.playbook
          playbook: site.yml
          inventory: [{name: db-1, host: 10.0.0.1}]
          extra_vars: {version: "7.0"}
          tags: [config]
    """

    playbook: Path | None = None
    """The playbook: a file of the flow."""
    plays: Annotated[str | list[dict[str, Any]] | None, Raw()] = None
    """The plays themselves, as text or as a list; Rota renders nothing in them: data goes in by `extra_vars`."""
    tags: list[str] = Field(default_factory=list)
    """Only tasks with these tags."""
    skip_tags: list[str] = Field(default_factory=list)
    """No tasks with these tags."""
    check: bool = False
    """Change nothing: Ansible's check mode."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Playbook:
        if (self.playbook is None) == (self.plays is None):
            raise ValueError("write either `playbook` or `plays`")
        return self

    def run(self, ctx: Context) -> PlayOutput:
        """Run the playbook and return how each host ended."""
        results = Results(ctx)
        run_playbook(self, ctx, self._file(ctx), results, options=self._options(), check=self.check)
        return results.checked()

    def plan(self, ctx: Context) -> object:
        """Return what would change, by host, from check mode with differences."""
        results = Results(ctx)
        run_playbook(self, ctx, self._file(ctx), results, options=self._options(), check=True)
        output = results.checked()
        return {"changed": output.changed, "differences": results.diffs}

    def _file(self, ctx: Context) -> Path:
        if self.playbook is not None:
            path = flow_path(ctx, self.playbook)
            if not path.is_file():
                raise TaskFailed(
                    f"there is no playbook `{self.playbook}`", retryable=False, hint="add it to the flow's `files`"
                )
            return path
        path = ctx.workdir / "rota-playbook.yml"
        path.write_text(self.plays if isinstance(self.plays, str) else json.dumps(self.plays))
        return path

    def _options(self) -> list[str]:
        options = []
        if self.tags:
            options += ["--tags", ",".join(self.tags)]
        if self.skip_tags:
            options += ["--skip-tags", ",".join(self.skip_tags)]
        return options
