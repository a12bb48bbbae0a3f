"""`turnout doctor`: what it says of stores that are well, missing, damaged or not ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
from shell import Shell

from conftest import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "a shared key that is long enough for HS256"


def test_a_store_that_is_well(shell: Shell) -> None:
    findings = json.loads(shell.out("doctor", "--json"))
    assert findings["ok"] is True
    assert findings["faults"] == []
    store = findings["store"]
    assert (store["location"], store["attendances"], store["providers"]) == (str(shell.database), ROWS, 2)
    assert store["size"] > 0
    assert "owner" not in store
    text = shell.out("doctor")
    assert str(shell.database) in text
    assert "Nothing is wrong." in text
    assert {" ".join(line.split()) for line in text.splitlines()} >= {"rebuilt at never", "retained at never"}


def test_settings_are_shown_with_their_source_and_without_secrets(shell: Shell) -> None:
    file = shell.database.parent / "turnout.toml"
    file.write_text('port = 8080\nlog_level = "error"\n')
    keyed = Shell(shell.database, TURNOUT_JWT_KEY=SECRET, TURNOUT_LOG_LEVEL="debug", TURNOUT_HOST="::1")
    done = keyed.run("doctor", "--json")
    settings = json.loads(done.stdout)["settings"]
    assert settings["port"] == {"value": 8080, "source": "turnout.toml"}
    assert settings["log_level"] == {"value": "error", "source": "turnout.toml"}
    assert settings["host"] == {"value": "::1", "source": "TURNOUT_HOST"}
    assert settings["metrics"] == {"value": True, "source": "default"}
    assert settings["jwt_key"] == {"value": "(set)", "source": "TURNOUT_JWT_KEY"}
    assert (
        json.loads(keyed.out("doctor", "--json", "--database", str(shell.database)))["settings"]["database"]["source"]
        == "--database"
    )
    for told in (done.stdout, keyed.run("doctor").stdout):
        assert SECRET.encode() not in told


def faults(shell: Shell, *, process: bool = False) -> list[str]:
    findings = json.loads(shell.out("doctor", "--json", status=1, process=process))
    assert findings["ok"] is False
    assert "Wrong: " in shell.out("doctor", status=1, process=process)
    return [" ".join(filter(None, fault.values())) for fault in findings["faults"]]


def test_no_store(new_shell: Callable[..., Shell]) -> None:
    shell = new_shell()
    (fault,) = faults(shell)
    assert f"There is no store {shell.database}." in fault
    assert "turnout provider add" in fault
    assert not shell.database.exists()


def test_a_file_that_is_no_store(new_shell: Callable[..., Shell]) -> None:
    shell = new_shell()
    shell.database.write_bytes(b"something else " * 1000)
    (fault,) = faults(shell)
    assert str(shell.database) in fault
    assert "not a Turnout store" in fault
    assert shell.database.read_bytes() == b"something else " * 1000


def test_a_database_of_something_else(new_shell: Callable[..., Shell]) -> None:
    shell = new_shell()
    duckdb.connect(str(shell.database)).close()
    (fault,) = faults(shell)
    assert "not a Turnout store" in fault


def test_a_damaged_store(shell: Shell) -> None:
    whole = shell.database.read_bytes()
    shell.database.write_bytes(whole[:9000] + bytes(len(whole) - 9000))
    (fault,) = faults(shell)
    assert str(shell.database) in fault


def test_a_directory(new_shell: Callable[..., Shell]) -> None:
    shell = new_shell()
    shell.database.mkdir()
    (fault,) = faults(shell)
    assert "is not a file" in fault


def test_a_file_that_others_may_open(shell: Shell) -> None:
    shell.database.chmod(0o644)
    (fault,) = faults(shell)
    assert f"chmod 600 {shell.database}" in fault


def test_settings_that_are_wrong_are_all_named(shell: Shell) -> None:
    wrong = Shell(shell.database, TURNOUT_PORT="high", TURNOUT_LOG_FORMAT="xml")
    first, second = faults(wrong)
    assert "port: 'high' in TURNOUT_PORT is not a port" in first
    assert "log_format: 'xml' in TURNOUT_LOG_FORMAT" in second


def test_a_key_set_is_read(shell: Shell) -> None:
    (fault,) = faults(Shell(shell.database, TURNOUT_JWT_JWKS="keys.json"))
    assert fault == "jwt_jwks, keys.json, cannot be used: No such file or directory."
    broken = Shell(shell.database, TURNOUT_JWT_JWKS="keys.json")
    assert broken.words("doctor", status=1, process=True) == "", "it is said once"
    document = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}
    shell.database.with_name("keys.json").write_text(json.dumps(document))
    findings = json.loads(Shell(shell.database, TURNOUT_JWT_JWKS="keys.json").out("doctor", "--json"))
    assert (findings["ok"], findings["jwt_keys"]) == (True, 1)


def test_an_owner_that_does_not_answer(shell: Shell) -> None:
    with duckdb.connect(str(shell.database)):
        (fault,) = faults(shell, process=True)
    assert "is in use by process" in fault
