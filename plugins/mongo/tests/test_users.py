"""Tests of users, roles and passwords."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext, RunFlow
from rota_mongo.rotation import RotatePassword
from rota_mongo.users import CreateUser, Grant

if TYPE_CHECKING:
    from pymongo import MongoClient

    Client = MongoClient[dict[str, Any]]

OLD, NEW = "the/old@password", "the:new%password"


def logs_in(client: Client, user: str, password: str) -> bool:
    """Whether a login works, tried over a connection of its own."""
    from pymongo import MongoClient
    from pymongo.errors import OperationFailure

    host, port = client.address or ("", 0)
    with MongoClient[dict[str, Any]](host, port, username=user, password=password) as mine:
        try:
            mine.admin.command("ping")
        except OperationFailure as error:
            if error.code != 18:
                raise
            return False
    return True


def as_user(client: Client, user: str, password: str = OLD) -> dict[str, Any]:
    host, port = client.address or ("", 0)
    return {"host": host, "port": port, "user": user, "password": password}


@pytest.fixture
def backup(client: Client, user: str) -> str:
    """A user with the old password, that may change its own."""
    client.admin.command("createUser", user, pwd=OLD, roles=[{"role": "root", "db": "admin"}])
    return user


def test_a_user_is_created_and_logs_in(ctx: RecordedContext, mongodb_uri: str, client: Client, user: str) -> None:
    task = CreateUser(
        uri=mongodb_uri, name=user, new_password=OLD, roles=["readAnyDatabase", {"role": "read", "db": "shop"}]
    )
    made = task.run(ctx)
    assert (made.user, made.database, made.changed) == (user, "admin", True)
    assert {(role.role, role.db) for role in made.roles} == {("readAnyDatabase", "admin"), ("read", "shop")}
    assert logs_in(client, user, OLD)
    assert OLD not in repr(task) + ctx.log.text


def test_a_user_that_is_there_fails_is_kept_or_is_updated(
    ctx: RecordedContext, mongodb_uri: str, client: Client, backup: str
) -> None:
    def create(exists: str) -> CreateUser:
        return CreateUser(
            uri=mongodb_uri, name=backup, new_password=NEW, roles=[{"role": "read", "db": "shop"}], exists=exists
        )

    with pytest.raises(TaskFailed, match="it is there already") as raised:
        create("fail").run(ctx)
    assert raised.value.retryable is False
    kept = create("keep").run(ctx)
    assert (kept.changed, kept.roles[0].role, logs_in(client, backup, OLD)) == (False, "root", True)
    updated = create("update").run(ctx)
    assert (updated.changed, updated.roles[0].role, logs_in(client, backup, NEW)) == (True, "read", True)
    assert not logs_in(client, backup, OLD)
    assert [create(exists).idempotent for exists in ("fail", "keep", "update")] == [False, True, True]


def test_a_user_of_mongodb_has_a_password_and_one_of_elsewhere_has_none() -> None:
    with pytest.raises(ValidationError, match="`new_password` is needed"):
        CreateUser(host="db", name="anna")
    with pytest.raises(ValidationError, match="`new_password` is needed"):
        CreateUser(host="db", name="CN=anna", database="$external", new_password=OLD)
    assert CreateUser(host="db", name="CN=anna", database="$external").idempotent is False


def test_roles_are_given_and_taken_away(ctx: RecordedContext, mongodb_uri: str, client: Client, user: str) -> None:
    client.admin.command("createUser", user, pwd=OLD, roles=[{"role": "read", "db": "shop"}])
    grant = Grant(uri=mongodb_uri, name=user, roles=[{"role": "readWrite", "db": "invoices"}])
    given = grant.run(ctx)
    assert {(role.role, role.db) for role in given.roles} == {("read", "shop"), ("readWrite", "invoices")}
    assert (given.changed, grant.run(ctx).changed) == (True, False)
    taken = Grant(uri=mongodb_uri, name=user, revoke=[{"role": "read", "db": "shop"}]).run(ctx)
    assert [(role.role, role.db) for role in taken.roles] == [("readWrite", "invoices")]


def test_roles_for_nobody_and_roles_that_are_none_are_told(ctx: RecordedContext, mongodb_uri: str, backup: str) -> None:
    with pytest.raises(TaskFailed, match="there is no user `nobody` of `admin`") as nobody:
        Grant(uri=mongodb_uri, name="nobody", roles=["root"]).run(ctx)
    with pytest.raises(TaskFailed, match="role") as no_role:
        Grant(uri=mongodb_uri, name=backup, roles=[{"role": "nonsense", "db": "shop"}]).run(ctx)
    assert (nobody.value.retryable, no_role.value.retryable) == (False, False)
    with pytest.raises(ValidationError, match="give `roles`"):
        Grant(uri=mongodb_uri, name=backup)


def test_a_user_rotates_its_own_password_and_both_logins_are_proved(
    ctx: RecordedContext, client: Client, backup: str
) -> None:
    task = RotatePassword(**as_user(client, backup), new_password=NEW)
    done = task.run(ctx)
    assert done.model_dump() == {
        "user": backup, "database": "admin", "changed": True, "new_login_works": True, "old_login_refused": True,
    }  # fmt: skip
    assert (logs_in(client, backup, NEW), logs_in(client, backup, OLD)) == (True, False)


def test_a_second_run_finds_it_done_and_proves_it_again(ctx: RecordedContext, client: Client, backup: str) -> None:
    task = RotatePassword(**as_user(client, backup), new_password=NEW)
    task.run(ctx)
    again = RecordedContext(ctx.workdir / "second")  # another execution, with no client that is logged in
    done = task.run(again)
    again.close()
    assert (done.changed, done.new_login_works, done.old_login_refused) == (False, True, True)
    assert "was set before" in again.log.text


def test_an_administrator_rotates_the_password_of_another(
    ctx: RecordedContext, mongodb_uri: str, client: Client, backup: str
) -> None:
    done = RotatePassword(uri=mongodb_uri, name=backup, new_password=NEW, old_password=OLD).run(ctx)
    assert (done.changed, done.new_login_works, done.old_login_refused) == (True, True, True)
    unproved = RotatePassword(uri=mongodb_uri, name=backup, new_password=OLD).run(ctx)
    assert (unproved.new_login_works, unproved.old_login_refused) == (True, None)
    assert "is not known" in ctx.log.text


def test_the_login_of_a_uri_is_rotated_too(ctx: RecordedContext, client: Client, backup: str) -> None:
    from urllib.parse import quote_plus

    host, port = client.address or ("", 0)
    uri = f"mongodb://{backup}:{quote_plus(OLD)}@{host}:{port}/?authSource=admin"
    done = RotatePassword(uri=uri, new_password=NEW).run(ctx)
    assert (done.user, done.old_login_refused) == (backup, True)


def test_a_login_that_is_neither_the_old_nor_the_new_is_refused(
    ctx: RecordedContext, client: Client, backup: str
) -> None:
    with pytest.raises(TaskFailed, match="refuses the login") as raised:
        RotatePassword(**as_user(client, backup, "neither"), new_password=NEW).run(ctx)
    assert raised.value.retryable is False
    assert logs_in(client, backup, OLD)


def test_what_cannot_be_rotated_is_told(ctx: RecordedContext, mongodb_uri: str, client: Client, backup: str) -> None:
    with pytest.raises(TaskFailed, match="is the old one"):
        RotatePassword(**as_user(client, backup), new_password=OLD).run(ctx)
    with pytest.raises(TaskFailed, match="whose password"):
        RotatePassword(host="127.0.0.1", new_password=NEW).run(ctx)
    with pytest.raises(TaskFailed, match="UserNotFound"):
        RotatePassword(uri=mongodb_uri, name="nobody", new_password=NEW).run(ctx)
    with pytest.raises(ValidationError, match="not MongoDB's to change"):
        RotatePassword(host="a", auth="x509", tls_certificate="b", new_password=NEW)


def test_an_old_password_that_still_works_is_a_failure_that_says_what_is_true(
    ctx: RecordedContext, mongodb_uri: str, client: Client, backup: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No server does that for long; a wrong `old_password` that is good for the proof's login stands for it.
    from rota_mongo import rotation

    monkeypatch.setattr(rotation, "_TRIES", 2)
    monkeypatch.setattr(rotation, "_LOOK", 0.01)
    original = RotatePassword._login
    monkeypatch.setattr(
        RotatePassword, "_login", lambda self, ctx, name, database, _: original(self, ctx, name, database, NEW)
    )
    with pytest.raises(TaskFailed, match="the old one still works") as raised:
        RotatePassword(uri=mongodb_uri, name=backup, new_password=NEW, old_password=OLD).run(ctx)
    assert (raised.value.output.changed, raised.value.output.old_login_refused) == (True, False)
    assert raised.value.retryable is None


def test_no_password_is_in_any_log(
    run_flow: RunFlow, client: Client, backup: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = client.address or ("", 0)
    with caplog.at_level(logging.DEBUG):
        run = run_flow(
            f"""
            id: rotate
            namespace: test
            tasks:
              - id: rotate
                type: mongo.rotate_password
                host: "{host}"
                port: {port}
                user: {backup}
                password: "{{{{ secret('old') }}}}"
                new_password: "{{{{ secret('new') }}}}"
            outputs: {{refused: "{{{{ outputs.rotate.old_login_refused }}}}"}}
            """,
            secrets={"old": OLD, "new": NEW},
        )
    assert run.state == "success", run.log
    assert run.outputs == {"refused": True}
    assert "logs in with the new password, and not with the old one" in run.log
    everything = run.log + caplog.text + "".join(str(record.args) for record in caplog.records)
    assert OLD not in everything
    assert NEW not in everything
