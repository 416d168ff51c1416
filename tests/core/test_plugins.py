"""Discovery of plugins: loaded by prefix, reported when broken, refused when in doubt."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rota import Task, discovery
from rota.errors import PluginError
from rota.plugins import PluginInfo, Plugins
from rota.registration import KINDS, snake_case
from tests.core.dists import Dists
from tests.core.dists import dists as dists

GOOD = """
from rota import Context, Task, hookimpl

class Check(Task):
    '''Check something.'''
    host: str
    '''Where.'''
    def run(self, ctx: Context) -> None: ...

class HTTPPing(Check):
    '''Ping.'''

@hookimpl
def register_task_types():
    return [Check, HTTPPing]
"""


def info(plugins: Plugins, name: str) -> PluginInfo:
    [found] = [one for one in plugins.all() if one.name == name]
    return found


def test_a_type_is_named_by_its_plugin_and_its_class_in_snake_case(dists: Dists) -> None:
    dists.install("tcp", GOOD)
    plugins = Plugins()
    assert plugins.task_type("tcp.check").__name__ == "Check"
    assert plugins.task_type("tcp.http_ping").__name__ == "HTTPPing"
    assert plugins.plugin_version("tcp.check") == "1.0"
    assert {"tcp.check", "tcp.http_ping", "log"} <= set(plugins.type_names("task type"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Check", "check"),
        ("HTTPRequest", "http_request"),
        ("KeyRotation2", "key_rotation2"),
        ("AWSEc2Start", "aws_ec2_start"),
    ],
)
def test_snake_case_keeps_abbreviations_together(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_the_cores_own_types_have_no_prefix_and_may_have_dots() -> None:
    plugins = Plugins()
    for name in ("log", "shell", "python", "set", "output", "assert", "kv.set", "kv.get", "kv.delete"):
        assert issubclass(plugins.task_type(name), Task)
    assert plugins.alert_sink("log").__name__ == "LogSink"
    assert plugins.secret_backend("env").__name__ == "Env"


def test_the_cores_own_types_are_found_without_a_look_at_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden() -> dict[str, list[discovery.Entry]]:
        raise AssertionError("entry points were scanned")

    monkeypatch.setattr(discovery, "installed", forbidden)
    plugins = Plugins()
    assert plugins.task_type("kv.set").__name__ == "KvSet"
    assert plugins.task_type("log").__name__ == "Log"


def test_a_type_loads_only_the_plugin_of_its_prefix(dists: Dists) -> None:
    used, other = dists.install("tcp", GOOD), dists.install("other", "raise SystemExit('imported')")
    Plugins().task_type("tcp.check")
    assert used in sys.modules
    assert other not in sys.modules


def test_help_needs_neither_plugins_nor_pydantic() -> None:
    code = "import rota, sys; print([m for m in ('pydantic', 'pluggy', 'sqlalchemy', 'yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_type_name_replaces_the_snake_case_with_or_without_the_prefix(dists: Dists) -> None:
    classes = "\n".join(
        f"class {cls}(Task):\n    type_name = {name!r}\n    def run(self, ctx): ..."
        for cls, name in (("One", "go"), ("Two", "tcp.stop"))
    )
    dists.install(
        "tcp",
        f"from rota import Task, hookimpl\n{classes}\nclass Three(One): pass\n"
        "@hookimpl\ndef register_task_types(): return [One, Two, Three]\n",
    )
    assert info(Plugins(), "tcp").types == {"task type": ["tcp.go", "tcp.stop", "tcp.three"]}


BROKEN = {
    "raises on import": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "exits on import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "misses a module": ("import not_there_at_all", "No module named 'not_there_at_all'"),
    "is no python": ("def (", "SyntaxError"),
    "raises in a hook": ("@hookimpl\ndef register_task_types(): return 1 / 0", "ZeroDivisionError"),
    "returns no list": (
        "@hookimpl\ndef register_task_types(): return 7",
        "`register_task_types` returned 7, not a list",
    ),
    "returns text": ("@hookimpl\ndef register_task_types(): return 'Check'", "returned 'Check', not a list"),
    "returns no classes": ("@hookimpl\ndef register_task_types(): return ['A']", "not a subclass of `rota.Task`"),
    "returns the wrong class": (
        "@hookimpl\ndef register_triggers(): return [Task]",
        "not a subclass of `rota.Trigger`",
    ),
    "forgets run": ("class A(Task): pass\n@hookimpl\ndef register_task_types(): return [A]", "does not define `run`"),
    "takes a key of tasks": (
        """
class A(Task):
    timeout: int
    def run(self, ctx): ...

@hookimpl
def register_task_types(): return [A]
""",
        "has a field `timeout`, which is a key of the language",
    ),
    "takes a key of tasks by alias": (
        """
class A(Task):
    when_: str = Field(alias="when")
    def run(self, ctx): ...

@hookimpl
def register_task_types(): return [A]
""",
        "has a field `when`",
    ),
    "takes a key of triggers": (
        """
class A(Trigger):
    interval: int
    def poll(self, ctx): return []

@hookimpl
def register_triggers(): return [A]
""",
        "has a field `interval`",
    ),
    "has two types of a name": (
        """
class A(Task):
    type_name = "x"
    def run(self, ctx): ...

class B(Task):
    type_name = "x"
    def run(self, ctx): ...

@hookimpl
def register_task_types(): return [A, B]
""",
        "the task type `bad.x` is there twice",
    ),
    "implements an unknown hook": (
        "@hookimpl\ndef register_task_typs(): return []",
        "there is no hook `register_task_typs`; did you mean `register_task_types`?",
    ),
    "implements a hook wrongly": ("@hookimpl\ndef register_task_types(application): return []", "application"),
    "has a filter that is none": ("@hookimpl\ndef register_filters(): return {'x': 3}", "returned 'x': 3"),
    "raises when it opens hooks": ("@hookimpl\ndef add_hookspecs(manager): manager.add_hookspecs(1, 2)", "TypeError"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_plugin_that(what: str, dists: Dists) -> None:
    source, reason = BROKEN[what]
    dists.install("bad", f"from pydantic import Field\nfrom rota import Task, Trigger, hookimpl\n{source}")
    dists.install("tcp", GOOD)
    plugins = Plugins()
    assert reason in info(plugins, "bad").broken
    assert info(plugins, "bad").types == {}
    assert info(plugins, "tcp").broken == ""
    assert plugins.task_type("tcp.check").__name__ == "Check"
    with pytest.raises(PluginError) as refused:
        plugins.task_type("bad.check")
    assert "the plugin `bad` (rota-bad 1.0) is broken" in str(refused.value)
    assert reason in str(refused.value)


def test_the_reason_names_the_line_of_the_plugin(dists: Dists) -> None:
    module = dists.install("bad", "x = 1\n\nraise RuntimeError('no luck')\n")
    assert info(Plugins(), "bad").broken.endswith(f"{module}.py:3)")


def test_a_field_without_documentation_is_no_reason_to_refuse_a_plugin(dists: Dists) -> None:
    dists.install("tcp", GOOD.replace("'''Where.'''", ""))
    assert info(Plugins(), "tcp").broken == ""


def test_a_class_that_cannot_be_built_is_the_plugins_error(dists: Dists) -> None:
    dists.install("tcp", "from __future__ import annotations\n" + GOOD.replace("host: str", "host: NotThere"))
    with pytest.raises(PluginError, match=r"the task type `tcp.check` of `tcp` \(rota-tcp 1.0\) cannot be used"):
        Plugins().task_type("tcp.check")


def test_two_plugins_of_one_name_are_both_refused_and_both_named(dists: Dists) -> None:
    first = dists.install("tcp", GOOD, dist="rota-tcp")
    second = dists.install("tcp", GOOD, dist="team-tcp", version="2.1")
    plugins = Plugins()
    reasons = [one.broken for one in plugins.all() if one.name == "tcp"]
    assert len(reasons) == 2
    for reason in reasons:
        assert f"rota-tcp 1.0 ({first}) and team-tcp 2.1 ({second})" in reason
    with pytest.raises(PluginError, match="two plugins are called `tcp`"):
        plugins.task_type("tcp.check")
    assert not {first, second} & set(sys.modules)


def test_one_plugin_installed_in_two_places_is_no_duplicate(dists: Dists) -> None:
    dists.install("tcp", GOOD)
    dists.install("tcp", GOOD, version="2.0", folder="newer")
    [found] = [one for one in Plugins().all() if one.name == "tcp"]
    assert (found.version, found.broken) == ("2.0", "")


def test_a_filter_that_two_plugins_provide_is_refused_in_the_second(dists: Dists) -> None:
    source = "from rota import hookimpl\n@hookimpl\ndef register_filters(): return {'shout': str.upper}"
    dists.install("a", source)
    dists.install("b", source)
    plugins = Plugins()
    assert plugins.filters()["shout"]("x") == "X"
    assert info(plugins, "a").types == {"filter": ["shout"]}
    assert info(plugins, "b").broken == "the filter `shout` is provided by `a` (rota-a 1.0) too"


def test_a_type_of_the_core_cannot_be_taken(dists: Dists) -> None:
    source = GOOD.replace("class Check(Task):", "class Check(Task):\n    type_name = 'kv.set'")
    dists.install("kv", source)
    plugins = Plugins()
    assert info(plugins, "kv").broken == f"the task type `kv.set` is provided by `core` (rota {_version()}) too"
    assert plugins.task_type("kv.set").__name__ == "KvSet"


def _version() -> str:
    import rota

    return rota.__version__


def test_the_name_core_and_names_that_no_type_can_have_are_refused(dists: Dists) -> None:
    dists.install("thief", GOOD, entry="core")
    dists.install("odd", GOOD, entry="Odd.Name")
    reasons = {(one.name, one.dist): one.broken for one in Plugins().all()}
    assert "belongs to Rota itself" in reasons["core", "rota-thief"]
    assert "is no name for a plugin" in reasons["Odd.Name", "rota-odd"]
    assert reasons["core", "rota"] == ""


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mongo.dump", "rota-mongo provides mongo.*: pip install rota-mongo"),
        ("mong.dump", "did you mean mongo.*? rota-mongo provides it: pip install rota-mongo"),
        ("tcp.chekc", "did you mean `tcp.check`?"),
        ("tpc.check", "did you mean `tcp.check`?"),
        ("tcp.zzz", "there is `tcp.check`, `tcp.http_ping`"),
        ("shel", "did you mean `shell`?"),
        ("zzz", "`rota plugins` lists what is installed"),
        ("foreahc", "did you mean `foreach`?"),
    ],
)
def test_an_unknown_type_says_what_is_missing_or_what_was_meant(name: str, hint: str, dists: Dists) -> None:
    dists.install("tcp", GOOD)
    error = Plugins().unknown("task type", name, also=["foreach"])
    assert f"unknown task type `{name}`" in error.message
    assert error.hint == hint


def test_every_known_plugin_is_named_to_those_who_lack_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "installed", dict)
    for name in discovery.KNOWN:
        with pytest.raises(PluginError, match=f"pip install rota-{name}"):
            Plugins().task_type(f"{name}.something")


def test_a_plugin_opens_a_hook_that_another_implements(dists: Dists) -> None:
    dists.install(
        "opener",
        "import pluggy\nfrom rota import hookimpl\nheard = []\n"
        "class Specs:\n    @pluggy.HookspecMarker('rota')\n    def colours(self, shade): ...\n"
        "@hookimpl\ndef add_hookspecs(manager):\n    heard.append(manager)\n    manager.add_hookspecs(Specs)\n",
    )
    dists.install(
        "painter",
        "from rota import hookimpl\n@hookimpl(optionalhook=True)\ndef colours(shade): return shade + ' red'",
    )
    plugins = Plugins()
    assert [one.broken for one in plugins.all()] == ["", "", ""]
    manager = sys.modules[info(plugins, "opener").module].heard[0]
    assert manager.hook.colours(shade="dark") == ["dark red"]


def test_who_does_not_fit_a_hook_is_blamed_not_who_opened_it(dists: Dists) -> None:
    dists.install("a", "from rota import hookimpl\n@hookimpl(optionalhook=True)\ndef colours(wrong): ...")
    dists.install(
        "b",
        "import pluggy\nfrom rota import hookimpl\n"
        "class Specs:\n    @pluggy.HookspecMarker('rota')\n    def colours(self, shade): ...\n"
        "@hookimpl\ndef add_hookspecs(manager): manager.add_hookspecs(Specs)\n",
    )
    plugins = Plugins()
    assert "wrong" in info(plugins, "a").broken
    assert info(plugins, "b").broken == ""


def test_execution_changed_reaches_everybody_though_one_raises(dists: Dists) -> None:
    dists.install("a", "from rota import hookimpl\n@hookimpl\ndef execution_changed(execution): raise OSError('down')")
    heard = dists.install(
        "b",
        "from rota import hookimpl\nheard = []\n@hookimpl\ndef execution_changed(execution): heard.append(execution)",
    )
    problems = Plugins().execution_changed({"id": "x", "state": "success"})
    assert len(problems) == 1
    assert problems[0].startswith("`a` (rota-a 1.0): OSError: down")
    assert sys.modules[heard].heard == [{"id": "x", "state": "success"}]


def test_services_are_listed_with_the_plugins_name_before_the_dot(dists: Dists) -> None:
    dists.install(
        "web",
        "from rota import Service, hookimpl\n"
        "class Page(Service):\n    port: int = 80\n    def serve(self, app, stop): ...\n"
        "@hookimpl\ndef register_services(): return [Page]",
    )
    assert list(Plugins().service_types()) == ["web.page"]


def test_many_threads_that_ask_for_one_type_import_it_once(dists: Dists) -> None:
    module = dists.install(
        "tcp", "import builtins\nbuiltins.rota_imports = getattr(builtins, 'rota_imports', 0) + 1\n" + GOOD
    )
    plugins = Plugins()
    found: list[type[Task]] = []
    threads = [threading.Thread(target=lambda: found.append(plugins.task_type("tcp.check"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {sys.modules[module].Check}
    assert len(found) == 16


def test_damaged_metadata_of_any_package_is_told_without_a_traceback(dists: Dists, tmp_path: Path) -> None:
    damaged = tmp_path / "site" / "damaged-1.dist-info"
    damaged.mkdir()
    (damaged / "METADATA").write_text("Metadata-Version: 2.1\nName: damaged\nVersion: 1\n")
    (damaged / "entry_points.txt").write_bytes(b"[rota]\n\xff\xfe = x\n")
    with pytest.raises(PluginError, match="the metadata of the installed packages cannot be read"):
        Plugins().task_type("mongo.dump")


def test_every_kind_has_a_lookup_of_its_own() -> None:
    plugins = Plugins()
    lookups = {
        "task type": plugins.task_type,
        "trigger": plugins.trigger_type,
        "secret backend": plugins.secret_backend,
        "alert sink": plugins.alert_sink,
        "artifact store": plugins.artifact_store,
        "executor": plugins.executor,
    }
    assert set(KINDS) - set(lookups) == {"service"}
    for kind, lookup in lookups.items():
        with pytest.raises(PluginError, match=f"unknown {kind} `nobody.has_this`"):
            lookup("nobody.has_this")
