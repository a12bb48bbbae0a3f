"""Every setting once; file, environment and options, the later winning (contract section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from turnout.errors import TurnoutError
from turnout.settings import Rate, Settings, settings_reference

if TYPE_CHECKING:
    from pathlib import Path


def faults(options: dict[str, object] | None = None, config: Path | None = None) -> dict[str, list[str]]:
    with pytest.raises(TurnoutError) as caught:
        Settings.load(options, config)
    assert caught.value.code == "parameter_invalid"
    return caught.value.fields


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "turnout.toml"


def test_the_later_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNOUT_PORT", "1")
    assert Settings.load().port == 1
    file.write_text("port = 2")
    assert Settings.load().port == 2
    assert Settings.load({"port": 3}).port == 3
    assert Settings.load({"port": None}).port == 2


def test_the_file_is_chosen_by_option_then_environment_then_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("port = 1")
    (other := file.with_name("other.toml")).write_text("port = 2")
    (third := file.with_name("third.toml")).write_text("port = 3")
    assert Settings.load().port == 1
    monkeypatch.setenv("TURNOUT_CONFIG", str(other))
    assert Settings.load().port == 2
    assert Settings.load(config=third).port == 3


def test_defaults(file: Path) -> None:
    settings = Settings.load()
    assert settings.database.endswith("turnout.duckdb")
    assert (settings.host, settings.port, settings.max_body, settings.max_url) == ("127.0.0.1", 8000, 64 * 2**20, 65536)
    assert (settings.query_timeout, settings.queue_timeout, settings.max_text) == (10, 2, 10_000)
    assert (settings.auth_failures, settings.token_rate) == (Rate(10, 60), None)
    assert settings.query_concurrency >= 1


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_body", "1MiB", 2**20),
        ("max_body", "2048", 2048),
        ("token_rate", "250/min", Rate(250, 60)),
        ("token_rate", "5/sec", Rate(5, 1)),
        ("token_rate", "5/hour", Rate(5, 3600)),
        ("token_rate", "5/day", Rate(5, 86400)),
        ("auth_failures", "none", None),
        ("auth_failures", "off", None),
        ("cors_origins", "https://a.example, http://b.example:81", ("https://a.example", "http://b.example:81")),
        ("cors_origins", "*", ("*",)),
        ("trusted_proxies", "10.0.0.1, 192.168.0.0/16,fd00::/8", ("10.0.0.1/32", "192.168.0.0/16", "fd00::/8")),
        ("jwt_audience", "a,b", ("a", "b")),
        ("public_url", "https://reports.example.com/x/", "https://reports.example.com/x"),
        ("metrics", "false", False),
        ("query_timeout", "0.5", 0.5),
        ("unknown_parameters", "ignore", "ignore"),
        ("threads", "", None),
    ],
)
def test_values(file: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    monkeypatch.setenv(f"TURNOUT_{name.upper()}", text)
    assert getattr(Settings.load(), name) == value
    if text:
        file.write_text(f"{name} = '{text}'")
        monkeypatch.delenv(f"TURNOUT_{name.upper()}")
        assert getattr(Settings.load(), name) == value


def test_lists_in_the_file_may_be_arrays(file: Path) -> None:
    file.write_text("cors_origins = ['https://a.example', 'https://b.example']")
    assert Settings.load().cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("host", ""),
        ("query_timeout", "0"),
        ("query_timeout", "nan"),
        ("query_timeout", "inf"),
        ("query_timeout", "10s"),
        ("query_concurrency", "0"),
        ("queue_length", "-1"),
        ("queue_timeout", "-1"),
        ("max_body", "1 apple"),
        ("max_url", "12"),
        ("token_rate", "250"),
        ("token_rate", "0/min"),
        ("token_rate", "250/week"),
        ("token_rate", "-1/min"),
        ("cors_origins", "example.com"),
        ("cors_origins", "https://a.example/path"),
        ("trusted_proxies", "proxy"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("public_url", "ftp://x"),
        ("public_url", "https://"),
        ("public_url", "https://user:pass@x"),
        ("unknown_parameters", "Ignore"),
        ("log_level", "verbose"),
        ("log_format", "xml"),
        ("metrics", "perhaps"),
        ("shutdown_timeout", "11"),
        ("threads", "0"),
        ("memory_limit", "0"),
    ],
)
def test_a_bad_value_is_named_with_what_is_expected(file: Path, name: str, bad: str) -> None:
    file.write_text(f"{name} = '{bad}'")
    (text,) = faults()[name]
    expects = next(setting.expects for setting in settings_reference() if setting.name == name)
    assert text.startswith(f"{bad!r} in turnout.toml is not {expects}.")


def test_all_faults_together_and_where_they_are(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("prot = 1\nqueue_length = 'x'\nmetrics = 1.5\n_env_file = '/etc/passwd'\n")
    monkeypatch.setenv("TURNOUT_QUERY_TIMEOUT", "slow")
    found = faults({"unknown_parameters": "ignroe"})
    assert set(found) == {"prot", "queue_length", "metrics", "query_timeout", "unknown_parameters", "_env_file"}
    assert found["prot"] == ["'prot' in turnout.toml is not a setting. Did you mean 'port'?"]
    assert "TURNOUT_QUERY_TIMEOUT" in found["query_timeout"][0]
    assert found["unknown_parameters"] == ["'ignroe' is not 'error' or 'ignore'. Did you mean 'ignore'?"]


@pytest.mark.parametrize("text", ["port = ", "port", "\x00", "[server]\nport = 1\n", "port = 1\nport = 2"])
def test_a_file_that_is_no_list_of_settings(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(TurnoutError, match="settings"):
        Settings.load()


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(TurnoutError, match="There is no file of settings"):
        Settings.load(config="missing.toml")
    file.write_bytes(b"\xff")
    with pytest.raises(TurnoutError, match="cannot be read"):
        Settings.load()


def test_secrets_are_never_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hunter2" * 5
    monkeypatch.setenv("TURNOUT_JWT_KEY", secret)
    monkeypatch.setenv("TURNOUT_JWT_JWKS", "https://user:hunter2@keys.example/jwks")
    settings = Settings.load()
    assert settings.jwt_key is not None
    assert settings.jwt_key.get_secret_value() == secret
    for shown in (repr(settings), str(settings.public()), str(settings.jwt_key)):
        assert secret not in shown
    assert "hunter2" not in str(settings.public())
    file.write_text("jwt_key = ['hunter2']")
    assert "hunter2" not in str(faults())


def test_settings_are_frozen(file: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().port = 1


def test_the_reference_has_every_setting_with_all_it_needs() -> None:
    reference = settings_reference()
    assert [setting.name for setting in reference] == list(Settings.model_fields)
    for setting in reference:
        assert setting.variable == f"TURNOUT_{setting.name.upper()}"
        assert setting.meaning.endswith(".")
        assert setting.expects
        assert setting.default
