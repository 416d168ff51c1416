"""`ansible.module`: one module on hosts."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from rota import Context
from rota_ansible.fields import AnsibleTask
from rota_ansible.files import private_file
from rota_ansible.results import PlayOutput, Results
from rota_ansible.running import run_playbook


class Module(AnsibleTask):
    """Run one module on hosts.

    What the module returned is `hosts.<name>.result`. Its arguments are in a file, never on a command line here.

    Example:
        - id: uptime
          type: ansible.module
          module: ansible.builtin.command
          args: uptime
          inventory: [{name: db-1, host: 10.0.0.1}]
    """

    module: str
    """The module, best with its full name: `ansible.builtin.copy`."""
    args: dict[str, Any] | str = Field(default_factory=dict, repr=False)
    """Its arguments, or the free text that it takes."""
    hosts: str = "all"
    """The hosts or groups of the inventory."""
    check: bool = False
    """Change nothing: Ansible's check mode."""

    def run(self, ctx: Context) -> PlayOutput:
        """Run the module and return what it gave on each host."""
        results = Results(ctx, keep_results=True)
        self._run(ctx, results, check=self.check)
        return results.checked()

    def plan(self, ctx: Context) -> object:
        """Return what would change, by host, from check mode with differences."""
        results = Results(ctx)
        self._run(ctx, results, check=True)
        return {"changed": results.checked().changed, "differences": results.diffs}

    def _run(self, ctx: Context, results: Results, *, check: bool) -> None:
        task = {"name": self.module, self.module: self.args}
        text = json.dumps([{"hosts": self.hosts, "gather_facts": False, "tasks": [task]}])
        # In the work folder, from which a module finds the files that its arguments name.
        with private_file(ctx.workdir / "rota-module.yml", text) as path:
            run_playbook(self, ctx, path, results, options=[], check=check)
