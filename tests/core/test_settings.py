"""`rota.yaml` and `ROTA_*`: where they are found, what they mean, and what is said of a mistake."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import platformdirs
import pytest
from pydantic import SecretStr

from rota import SecretBackend
from rota.builtin.secrets import File
from rota.errors import SettingsError
from rota.flows.docstrings import documented
from rota.settings import NamespaceSettings, Settings, load_settings, validate_section


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder and user folders of the test's own."""
    for name, folder in (("user_config_dir", "config"), ("user_data_dir", "data")):
        monkeypatch.setattr(platformdirs, name, lambda *_, folder=folder, **__: str(tmp_path / "user" / folder))
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def load(text: str, **env: str) -> Settings:
    Path("rota.yaml").write_text(text)
    return load_settings(env=env)


def refusal(text: str, **env: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(text, **env)
    return str(refused.value)


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    settings = load_settings(env={})
    assert settings.file is None
    assert settings.home == tmp_path / "user" / "data"
    assert settings.store == f"sqlite:///{tmp_path}/user/data/rota.db"
    assert settings.artifacts.fields == {"path": f"{tmp_path}/user/data/artifacts"}
    assert settings.secret_key_file == tmp_path / "user" / "data" / "secret.key"
    assert (settings.durability, settings.workers, settings.max_abandoned) == ("power", 64, 8)
    assert (settings.lease, settings.grace) == (timedelta(seconds=15), timedelta(seconds=5))
    assert [(one.id, one.type) for one in settings.secrets] == [("env", "env")]


def test_home_is_beside_the_file(here: Path) -> None:
    settings = load("workers: 8\n")
    assert (settings.home, settings.workers, settings.file) == (here / ".rota", 8, here / "rota.yaml")
    assert settings.store == f"sqlite:///{here}/.rota/rota.db"


def test_an_empty_file_is_a_file(here: Path) -> None:
    assert load("# nothing yet\n").home == here / ".rota"


def test_the_file_is_looked_for_in_order(tmp_path: Path, here: Path) -> None:
    places = {
        "argument": tmp_path / "argument.yaml",
        "variable": tmp_path / "variable.yaml",
        "here": here / "rota.yaml",
        "user": tmp_path / "user" / "config" / "rota.yaml",
    }
    places["user"].parent.mkdir(parents=True)
    for number, path in enumerate(places.values(), start=1):
        path.write_text(f"workers: {number}\n")
    env = {"ROTA_SETTINGS": str(places["variable"])}
    assert load_settings(places["argument"], env=env).workers == 1
    assert load_settings(env=env).workers == 2
    assert load_settings(env={}).workers == 3
    places["here"].unlink()
    users = load_settings(env={})
    assert (users.workers, users.home) == (4, tmp_path / "user" / "data")


def test_a_file_that_was_asked_for_must_be_there() -> None:
    with pytest.raises(SettingsError, match=r"`ROTA_SETTINGS` names `no.yaml`, which is not a file"):
        load_settings(env={"ROTA_SETTINGS": "no.yaml"})
    with pytest.raises(SettingsError, match=r"`--settings` names `no.yaml`"):
        load_settings(Path("no.yaml"), env={})


def test_relative_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "rota.yaml").write_text(
        "home: state\nstore: data/x.db\nartifacts: files\nsecret_key_file: ../key\nflows: [flows, /srv/flows]\n"
    )
    settings = load_settings(folder / "rota.yaml", env={})
    assert settings.home == folder / "state"
    assert settings.store == f"sqlite:///{folder}/data/x.db"
    assert settings.artifacts.fields == {"path": str(folder / "files")}
    assert settings.secret_key_file == folder / ".." / "key"
    assert settings.flows == [folder / "flows", Path("/srv/flows")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sqlite:///x.db", "sqlite:///{here}/x.db"),
        ("sqlite:////abs/x.db", "sqlite:////abs/x.db"),
        ("sqlite:///x.db?timeout=5", "sqlite:///{here}/x.db?timeout=5"),
        ("postgresql://rota@db/rota", "postgresql://rota@db/rota"),
        ("postgresql:///rota", "postgresql:///rota"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_the_store_is_a_url_or_a_file(written: str, meant: str, here: Path) -> None:
    assert load(f"store: {written!r}\n").store == meant.format(here=here)


def test_variables_go_before_the_file(here: Path) -> None:
    settings = load("workers: 8\nlease: 30s\n", ROTA_WORKERS="9", ROTA_LEASE="1", ROTA_STORE="other.db")
    assert (settings.workers, settings.lease) == (9, timedelta(seconds=1))
    assert settings.store == f"sqlite:///{here}/other.db"
    assert load("home: a", ROTA_HOME="/b").secret_key_file == Path("/b/secret.key")


def test_a_wrong_variable_is_named() -> None:
    assert refusal("workers: 8\n", ROTA_WORKERS="many").startswith("ROTA_WORKERS: `workers` must be")


def test_every_fault_is_told_in_order_with_its_place() -> None:
    text = refusal(
        "stor: x\n"
        "workers: 0\n"
        "secrets: [{type: env}]\n"
        "namespaces:\n"
        "  data: {variabls: {}}\n"
        "timezone: Mars/Olympus\n"
        "durability: forever\n"
    )
    assert text.splitlines() == [
        "rota.yaml:1:1: unknown key `stor`",
        "  hint: did you mean `store`?",
        "rota.yaml:2:10: `workers` must be at least 1",
        "rota.yaml:3:11: `secrets.0.id` is missing",
        "rota.yaml:5:10: unknown key `namespaces.data.variabls`",
        "  hint: did you mean `variables`?",
        "rota.yaml:6:11: `timezone`: `Mars/Olympus` is not a timezone; write it like `Europe/Paris`",
        "rota.yaml:7:13: `durability` must be `power` or `process`",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "rota.yaml:2:1: not valid YAML"),
        ("workers: 1\nworkers: 2\n", "rota.yaml:2:1: the key `workers` is already at rota.yaml:1:1"),
        ("- workers\n", "rota.yaml:1:1: the settings are a mapping"),
        ("lease: 1ms\n", "a lease shorter than half a second"),
        ("secrets: [{id: a, type: env}, {id: a, type: file}]\n", "the id `a` is there twice"),
        ("namespaces: {'Not a name': {}}\n", "rota.yaml:1:"),
        ("\tworkers: 1\n", "indent with spaces"),
    ],
)
def test_a_mistake_has_a_place_and_a_way_out(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_section_of_an_installed_plugin_is_kept_as_written() -> None:
    Path("rota.yaml").write_text("web: {port: 8080}\nworkers: 3\n")
    settings = load_settings(env={}, plugin_names=lambda: ["ssh", "web"])
    assert settings.sections == {"web": {"port": 8080}}
    with pytest.raises(SettingsError, match="if it is the section of a plugin: no plugin `web` is installed"):
        load_settings(env={}, plugin_names=lambda: ["ssh"])


def test_plugins_are_asked_for_only_when_a_key_is_not_our_own() -> None:
    def forbidden() -> list[str]:
        raise AssertionError("plugins were looked for")

    Path("rota.yaml").write_text("workers: 3\n")
    assert load_settings(env={}, plugin_names=forbidden).workers == 3


def test_namespaces_inherit_from_their_parents() -> None:
    settings = load(
        """
        namespaces:
          data:
            variables: {a: 1, b: 1}
            labels: {team: data}
            allow: [log, ssh.*]
            run_as: data
            defaults: {ssh.*: {user: backup, port: 22}, log: {level: debug}}
          data.mongo:
            variables: {b: 2, c: 2}
            allow: [mongo.*]
            defaults: {ssh.*: {port: 2222}}
        """
    )
    parent, child = settings.namespace_settings("data"), settings.namespace_settings("data.mongo.eu")
    assert child.variables == {"a": 1, "b": 2, "c": 2}
    assert child.defaults == {"ssh.*": {"user": "backup", "port": 2222}, "log": {"level": "debug"}}
    assert (child.labels, child.run_as) == ({"team": "data"}, "data")
    assert (parent.allows("ssh.command"), parent.allows("log"), parent.allows("shell")) == (True, True, False)
    assert (child.allows("mongo.dump"), child.allows("log")) == (True, False)
    assert settings.namespace_settings("database") == NamespaceSettings()
    assert settings.namespace_settings("other").allows("anything.at_all")


def test_a_secret_backend_is_open_to_its_namespaces_and_those_below() -> None:
    settings = load(
        "secrets:\n"
        "  - {id: all, type: env}\n"
        "  - {id: some, type: env, namespaces: [data, 'ops.*']}\n"
        "  - {id: none, type: env, namespaces: []}\n"
    )
    everybody, some, nobody = settings.secrets
    for namespace, opened in {"data": True, "data.mongo": True, "database": False, "ops.eu": True}.items():
        assert everybody.is_open_to(namespace)
        assert some.is_open_to(namespace) is opened
        assert not nobody.is_open_to(namespace)


def test_the_fields_of_a_section_become_the_plugins_class(here: Path) -> None:
    settings = load("secrets: [{id: mounted, type: file, folder: run/secrets}]\n")
    backend: SecretBackend = validate_section(settings, ("secrets", 0), settings.secrets[0].fields, File)
    assert backend == File(folder=here / "run" / "secrets")


def test_a_wrong_field_of_a_section_has_its_place() -> None:
    settings = load("secrets:\n  - id: mounted\n    type: file\n    foldr: x\n")
    with pytest.raises(SettingsError) as refused:
        validate_section(settings, ("secrets", 0), settings.secrets[0].fields, File)
    text = str(refused.value)
    assert "rota.yaml:4:5: unknown key `foldr`\n  hint: did you mean `folder`?" in text
    assert "rota.yaml:2:5: `folder` is missing" in text


def test_no_secret_of_a_section_is_in_the_repr_of_the_settings() -> None:
    settings = load(
        "store: postgresql://rota:hunter2@db/rota\nsinks: [{id: chat, type: webhook, url: https://x/hunter2}]\n"
    )
    assert "hunter2" not in repr(settings)
    assert settings.sinks[0].fields == {"url": "https://x/hunter2"}
    assert SecretStr("hunter2").get_secret_value() in settings.store


def test_there_are_no_more_than_twenty_keys_and_each_is_documented() -> None:
    assert len(Settings.model_fields) <= 20
    assert [name for name, info in documented(Settings).model_fields.items() if not info.description] == []


RULES = "sinks: [{id: chat, type: log}]\nalerts:\n  - id: ops\n    to: [chat]\n"


def test_alert_rules_have_defaults() -> None:
    (rule,) = load(RULES).alerts
    assert (rule.states, rule.about, rule.namespaces, rule.flows) == (["failed"], None, None, None)
    assert (rule.group, rule.recovery, rule.disabled) == (timedelta(seconds=30), True, False)


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("    stats: [failed]\n", "rota.yaml:5:5: unknown key `alerts.0.stats`\n  hint: did you mean `states`?"),
        ("    states: [lost]\n", "rota.yaml:5:14: `alerts.0.states.0` must be `success`, `warning`"),
        ("    text: '{{ outputs.a }}'\n", "rota.yaml:5:11: `text` of alert rule `ops`: it uses `outputs`"),
        (
            "    title: '{{ alert.titel }}'\n",
            "rota.yaml:5:12: `title` of alert rule `ops`: `alert` has no `titel`\n  hint: did you mean `title`?",
        ),
        ("    text: '{{ 1 + }}'\n", "rota.yaml:5:11: `text` of alert rule `ops`: `1 +`: it is no expression"),
        ("  - {id: all, to: [chatt]}\n", "rota.yaml:5:20: alert rule `all`: there is no sink `chatt`"),
        ("  - {id: ops, to: [chat]}\n", "rota.yaml:3:3: `alerts`: the id `ops` is there twice"),
    ],
)
def test_a_wrong_alert_rule_has_its_place(rule: str, refused: str) -> None:
    assert refused in refusal(RULES + rule)


def test_what_alert_rules_read_may_be_missing_where_they_say_what_then() -> None:
    words = "{{ alert.titel | default('none') }}: {{ labels.team }}, {{ incidents[0].titel }}, {{ error.message }}"
    (rule,) = load(f'{RULES}    title: "{words}"\n').alerts
    assert rule.title == words


def test_a_sink_has_a_limit_of_its_own() -> None:
    (sink,) = load("sinks: [{id: chat, type: log, limit: {messages: 5, per: 10s}}]").sinks
    assert (sink.limit.messages, sink.limit.per, sink.fields) == (5, timedelta(seconds=10), {})
    assert "rota.yaml:1:49: `sinks.0.limit.messages` must be at least 1" in refusal(
        "sinks: [{id: chat, type: log, limit: {messages: 0}}]"
    )
