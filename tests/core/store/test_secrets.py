"""The keyring, and encrypting everything anew."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from rota.errors import SecretError, SettingsError
from rota.store import Store, executions, iterations, keyring, kv, leases, task_runs
from rota.store.rotation import rotate
from tests.core.store.rows import execution, task_run


def test_the_key_file_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secret.key"
    token = keyring.create(path).encrypt({"a": [1, "é"]})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    ring = keyring.create(path)
    assert ring.decrypt(token) == {"a": [1, "é"]}
    assert path.read_text().strip() not in repr(ring)


def test_an_added_key_encrypts_and_the_old_one_still_decrypts(tmp_path: Path) -> None:
    ring = keyring.create(tmp_path / "key")
    old = ring.encrypt("x")
    ring.add_key()
    assert ring.decrypt(old) == "x"
    new = ring.rotate(old)
    ring.drop_old_keys()
    assert len((tmp_path / "key").read_text().split()) == 1
    assert ring.decrypt(new) == "x"
    with pytest.raises(SecretError, match="no key in"):
        ring.decrypt(old)
    with pytest.raises(SecretError, match="no key in"):
        ring.rotate(old)


def test_a_missing_or_broken_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="rota init"):
        keyring.Keyring(tmp_path / "key").encrypt(1)
    (tmp_path / "key").write_text("not a key\n")
    with pytest.raises(SettingsError, match="no usable key"):
        keyring.Keyring(tmp_path / "key").encrypt(1)
    (tmp_path / "key").write_text("")
    with pytest.raises(SettingsError, match="no usable key"):
        keyring.Keyring(tmp_path / "key").encrypt(1)


def test_rotation_encrypts_every_value_anew(store: Store, tmp_path: Path) -> None:
    ring = keyring.create(tmp_path / "key")

    def secret(value: str) -> dict[str, str]:
        return {"$secret": ring.encrypt(value)}

    one = execution(1)["id"]
    with store.write() as conn:
        executions.insert_many(
            conn, [execution(number, inputs={"password": secret(f"p{number}"), "plain": "x"}) for number in range(450)]
        )
        task_runs.save(conn, [task_run("a", output=json.dumps({"rows": [secret("o"), 1]}))])
        row = {"execution_id": one, "path": "", "node": "f", "idx": 0, "key": "k", "item": [secret("i")]}
        iterations.insert_many(conn, [row])
        kv.put(conn, "data", "a", secret("v"), at=1.0)
        kv.put(conn, "data", "b", 'text with {"$secret":"gAAAA"} in it', at=1.0)
        leases.add(conn, one, "vault", "p", ring.encrypt("l"), None)
    ring.add_key()
    assert rotate(store, ring) == 450 + 4
    ring.drop_old_keys()
    with store.read() as conn:
        for number in (0, 200, 449):
            inputs = (executions.get(conn, execution(number)["id"]) or {})["inputs"]
            assert (ring.decrypt(inputs["password"]["$secret"]), inputs["plain"]) == (f"p{number}", "x")
        assert ring.decrypt(json.loads(task_runs.output(conn, one, "", "a") or "")["rows"][0]["$secret"]) == "o"
        assert ring.decrypt((iterations.get(conn, one, "", "f", 0) or {})["item"][0]["$secret"]) == "i"
        assert ring.decrypt(kv.get(conn, "data", "a", at=1.0)["$secret"]) == "v"
        assert kv.get(conn, "data", "b", at=1.0) == 'text with {"$secret":"gAAAA"} in it'
        assert ring.decrypt(leases.active_of(conn, one)[0]["lease"]) == "l"


def test_a_value_that_no_key_decrypts_stops_the_rotation_and_is_named(store: Store, tmp_path: Path) -> None:
    ring, other = keyring.create(tmp_path / "key"), keyring.create(tmp_path / "other")
    with store.write() as conn:
        executions.insert(conn, execution(7, inputs={"password": {"$secret": other.encrypt("x")}}))
    with pytest.raises(SecretError, match=f"executions.*{execution(7)['id']}"):
        rotate(store, ring)
