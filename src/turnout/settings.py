"""Every setting once: its name, type, default and meaning (contract section 9).

A setting is given as `TURNOUT_NAME` in the environment, as `name` in `turnout.toml`, or as an option; the later wins.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from turnout.errors import Faults, TurnoutError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME: Final = "turnout.toml"
ENVIRONMENT_PREFIX: Final = "TURNOUT_"
CONFIG_VARIABLE: Final = ENVIRONMENT_PREFIX + "CONFIG"
SAFE_KEY_LENGTH: Final = 32
"""Bytes that a key for HS256 needs, so that it cannot be guessed from a token (RFC 7518, section 3.2)."""

_PERIODS: Final = {"sec": 1, "min": 60, "hour": 3600, "day": 86400}
_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/(sec|min|hour|day)")
_LENGTHS: Final = {"y": (12, 0), "mo": (1, 0), "w": (0, 7), "d": (0, 1)}
_PERIOD: Final = re.compile(r"([1-9][0-9]{0,3})(y|mo|w|d)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_INTERVAL: Final = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_MOST: Final = 2**63 - 1
_SYNCED: Final = re.compile(r"([1-9][0-9]{0,18})(?:=([1-9][0-9]{0,18}))?")
_ORIGIN: Final = re.compile(r"https?://[^/\s,*?#@]+")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in every `seconds`; written `250/min`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next(unit for unit, seconds in _PERIODS.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time in the calendar, of months or of days; written `3y`, `18mo`, `6w` or `90d`."""

    months: int
    days: int
    text: str

    def __str__(self) -> str:
        return self.text


def _period(value: object) -> object:
    if value is None or value in ("none", "off", ""):
        return None
    match = _PERIOD.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        months, days = _LENGTHS[match[2]]
        return Period(int(match[1]) * months, int(match[1]) * days, match[0])
    if isinstance(value, Period):
        return value
    raise ValueError


@dataclass(frozen=True, slots=True)
class Interval:
    """A time that passes between two things; written `30s`, `15m`, `12h`, `1d` or `2w`."""

    seconds: int

    def __str__(self) -> str:
        unit = next(unit for unit in reversed(_UNITS) if self.seconds % _UNITS[unit] == 0)
        return f"{self.seconds // _UNITS[unit]}{unit}"


def _rate(value: object) -> object:
    if value is None or value in ("none", "off", ""):
        return None
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return Rate(int(match[1]), _PERIODS[match[2]])
    if isinstance(value, Rate):
        return value
    raise ValueError


def _listed(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
        return tuple(part.strip() for part in parts if part.strip())
    raise ValueError


@dataclass(frozen=True, slots=True)
class Synced:
    """A provider that is copied from a source, where it may have another id; written `1`, or `1=4711`."""

    here: int
    there: int

    def __str__(self) -> str:
        return str(self.here) if self.here == self.there else f"{self.here}={self.there}"


def _synced(value: object) -> object:
    found = []
    for text in _listed(value):
        match = _SYNCED.fullmatch(text)
        ids = [int(id_) for id_ in match.groups() if id_] if match else []
        if not ids or max(ids) > _MOST:
            raise ValueError
        found.append(Synced(ids[0], ids[-1]))
    if len({one.here for one in found}) < len(found):
        raise ValueError
    return tuple(found)


def _interval(value: object) -> object:
    match = _INTERVAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return Interval(int(match[1]) * _UNITS[match[2]])
    if isinstance(value, Interval):
        return value
    raise ValueError


def _origins(value: object) -> object:
    origins = _listed(value)
    if all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in origins):
        return origins
    raise ValueError


def _networks(value: object) -> object:
    return tuple(str(ip_network(network, strict=False)) for network in _listed(value))


def _address(value: object) -> object:
    if value is None:
        return None
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError
    return str(value).rstrip("/")


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _setting(default: Any, expects: str, meaning: str, *, default_text: str | None = None, **bounds: Any) -> Any:
    """One setting: `expects` completes 'it is not ...' and the reference; a callable default is called when needed."""
    source = {"default_factory": default} if callable(default) else {"default": default}
    extra: dict[str, Any] = {"expects": expects, "default": default_text}
    return Field(**source, description=meaning, json_schema_extra=extra, **bounds)


_SECONDS: Final = "a number of seconds above 0"
_SIZE: Final = "a size such as 64MiB, or a number of bytes"
_List = Annotated[tuple[str, ...], NoDecode]
_Synced = Annotated[tuple[Synced, ...], NoDecode]


# One setting a line.
# ruff: noqa: E501
# fmt: off
class Settings(BaseSettings):
    """All settings of one run; frozen. Secrets are `SecretStr`: their text appears in no message, log or answer."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    database: str = _setting(lambda: str(user_data_path("turnout") / "turnout.duckdb"), "a file's path, or an address such as postgresql://turnout@db.example.com/turnout", "The store: the path of its file, or the address of a PostgreSQL database.", default_text="turnout.duckdb in the user's data directory", min_length=1)
    data_directory: str | None = _setting(None, "a directory's path", "Where servers on a database keep their files: uploads, exports, what a large merge writes; those on several machines share one. A directory of the user's own unless set; an embedded store keeps them beside its file.", min_length=1)
    host: str = _setting("127.0.0.1", "an address or a host name", "The address to listen on.", min_length=1)
    port: int = _setting(8000, "a port from 0 to 65535", "The port to listen on; 0 takes a free one.", ge=0, le=65535)
    public_url: Annotated[str | None, BeforeValidator(_address)] = _setting(None, "an address such as https://reports.example.com", "The server's address as clients see it, for links; without it, links use the address that was asked.")
    trusted_proxies: Annotated[_List, BeforeValidator(_networks)] = _setting((), "a list of addresses or networks, such as 10.0.0.0/8", "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.")
    cors_origins: Annotated[_List, BeforeValidator(_origins)] = _setting((), "a list of origins such as https://app.example.com, or *", "Origins whose pages may read answers in a browser; none unless set.")
    unknown_parameters: Literal["error", "ignore"] = _setting("error", "'error' or 'ignore'", "What happens to a request with an unknown parameter. 'Prefer: handling=...' overrides it.")
    query_timeout: float = _setting(10.0, _SECONDS, "How long a query may run before it is stopped.", gt=0, le=86400, allow_inf_nan=False)
    query_concurrency: int = _setting(cores, "a whole number from 1 to 1000", "How many queries run at once.", default_text="the number of cores", ge=1, le=1000)
    queue_timeout: float = _setting(2.0, "a number of seconds, 0 or more", "How long a query waits for its turn before the server says that it is overloaded.", ge=0, le=3600, allow_inf_nan=False)
    queue_length: int = _setting(100, "a whole number, 0 or more", "How many queries may wait for their turn.", ge=0, le=1_000_000)
    memory_limit: ByteSize | None = _setting(None, _SIZE, "How much memory the store may use; without it, the store decides.", gt=0)
    answer_cache: ByteSize = _setting(64 * 1024**2, _SIZE, "How much memory answers may take that are kept, to be given again as long as working them out anew gives the same; 0 keeps none.", ge=0)
    threads: int | None = _setting(None, "a whole number from 1 to 1000", "How many threads the store may use for one query; without it, the store decides.", ge=1, le=1000)
    max_url: ByteSize = _setting(64 * 1024, _SIZE, "The longest URL that is answered, and the most bytes of header lines beside it.", ge=1024, le=16 * 1024**2)
    max_body: ByteSize = _setting(64 * 1024**2, _SIZE, "The largest request body.", ge=1024)
    max_text: int = _setting(10_000, "a whole number of characters above 0", "The longest text that is stored, in characters.", ge=1)
    auth_failures: Annotated[Rate | None, BeforeValidator(_rate)] = _setting(Rate(10, 60), "a rate such as 10/min, or 'none'", "How many failed authentications one client address may make before it is answered 429.")
    token_rate: Annotated[Rate | None, BeforeValidator(_rate)] = _setting(None, "a rate such as 250/min, or 'none'", "How many requests one token may make before it is answered 429; no limit unless set.")
    jwt_key: SecretStr | None = _setting(None, "a text", f"The shared key of JWTs that are signed with HS256; {SAFE_KEY_LENGTH} bytes or more are safe.", min_length=1)
    jwt_jwks: str | None = _setting(None, "a file's path, or an address that begins with https:// or http://", "The JSON Web Key Set of JWTs that are signed with asymmetric keys.", min_length=1)
    jwt_audience: Annotated[_List, BeforeValidator(_listed)] = _setting((), "a list of texts", "The audiences (`aud`) that a JWT may be for. A JWT that names one is refused unless it is listed here.")
    jwt_issuer: str | None = _setting(None, "a text", "The issuer (`iss`) that a JWT must have.", min_length=1)
    retention: Annotated[Period | None, BeforeValidator(_period)] = _setting(None, "a period such as 3y, 18mo, 6w or 90d, or 'none'", "How long attendances show who their customer is, counted from their event; name, email and picture of older ones are dropped. For ever unless set.")
    sync_from: Annotated[str | None, BeforeValidator(_address)] = _setting(None, "an address such as https://goteamup.com", "The server that attendances are copied from, over and over; none unless set. It needs `sync_token` and `sync_providers`.")
    sync_token: SecretStr | None = _setting(None, "a text", "The token for the server that attendances are copied from.", min_length=1)
    sync_providers: Annotated[_Synced, BeforeValidator(_synced)] = _setting((), "a list of providers' ids, such as 1,2; or 1=4711 where the id there is another one", "The providers whose attendances are copied.")
    sync_every: Annotated[Interval, NoDecode, BeforeValidator(_interval)] = _setting(Interval(900), "a time such as 30s, 15m, 12h or 1d", "How long after the end of one copy the next one begins.")
    export_concurrency: int = _setting(2, "a whole number from 1 to 100", "How many exports are made at once, by each process.", ge=1, le=100)
    export_queue: int = _setting(100, "a whole number of 2 or more", "How many exports may wait for their turn; one provider's are at most half of them.", ge=2, le=1_000_000)
    export_life: Annotated[Interval, NoDecode, BeforeValidator(_interval)] = _setting(Interval(604_800), "a time such as 12h, 7d or 2w", "How long the file of an export is kept.")
    export_directory: str | None = _setting(None, "a directory's path, or an address such as s3://bucket/prefix?region=eu-central-1", "Where the files of exports are kept; beside the store, or in `data_directory`, unless set. Servers on several machines share a folder, or a bucket of S3-compatible storage: `endpoint=https://...` names one that is not AWS's. Its credentials come from the environment, as AWS tools take them.", min_length=1)
    workers: int = _setting(1, "a whole number from 1 to 256", "How many processes serve; several need a database. What is said of one server, such as how many queries run at once, holds for each.", ge=1, le=256)
    shutdown_timeout: float = _setting(7.0, "a number of seconds from 0 to 8", "How long running requests may take to finish after SIGTERM, before they are cancelled.", ge=0, le=8, allow_inf_nan=False)
    log_format: Literal["json", "text"] = _setting("json", "'json' or 'text'", "The form of log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "'debug', 'info', 'warning' or 'error'", "The least important log lines that are written; requests are 'info'.")
    metrics: bool = _setting(True, "'true' or 'false'", "Whether /metrics is answered.")
# fmt: on

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings

    @classmethod
    def load(cls, options: Mapping[str, object] | None = None, config: str | Path | None = None) -> Self:
        """Read the environment and the file, and lay `options` over them; an option of None is as if absent.

        The file is `config`, else `TURNOUT_CONFIG`, else `turnout.toml` of the current directory if there is one.
        Raises `TurnoutError("parameter_invalid")` with every fault under its setting's name.
        """
        file, from_file = _read_file(config)
        chosen = {name: value for name, value in (options or {}).items() if value is not None}
        faults = Faults()
        for name in (name for name in [*from_file, *chosen] if name not in cls.model_fields):
            where = f" in {file}" if name in from_file else ""
            faults.add(name, f"{shown(name)}{where} is not a setting.{did_you_mean(name, cls.model_fields)}")
        given = {name: value for name, value in {**from_file, **chosen}.items() if name in cls.model_fields}
        try:
            settings = cls(**given)
        except ValidationError as error:
            environment = EnvSettingsSource(cls)()
            for name in dict.fromkeys(str(fault["loc"][0]) for fault in error.errors()):
                origin = "" if name in chosen else f" in {file}" if name in from_file else f" in {_variable(name)}"
                faults.add(name, _complaint(cls, name, given.get(name, environment.get(name)), origin))
        if faults.fields:
            raise TurnoutError("parameter_invalid", "The settings are not valid.", fields=faults.fields)
        return settings

    def public(self) -> dict[str, object]:
        """Every setting as JSON can hold it, without secrets."""
        return {name: _public(getattr(self, name)) for name in type(self).model_fields}


def _read_file(config: str | Path | None) -> tuple[Path, dict[str, Any]]:
    chosen = config or os.environ.get(CONFIG_VARIABLE)
    file = Path(chosen or FILE_NAME)
    try:
        return file, tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        if chosen:
            raise TurnoutError("parameter_invalid", f"There is no file of settings {shown(str(file))}.") from None
        return file, {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TurnoutError("parameter_invalid", f"The settings in {file} cannot be read: {error}.") from error


def _complaint(cls: type[Settings], name: str, value: object, origin: str) -> str:
    field = cls.model_fields[name]
    expects = _extra(field.json_schema_extra)["expects"]
    choices = get_args(field.annotation)
    if SecretStr in (field.annotation, *choices):
        return f"The value{origin} is not {expects}."
    words = [choice for choice in choices if isinstance(choice, str)]
    hint = did_you_mean(str(value), words) if words else ""
    return f"{shown(value if isinstance(value, str) else str(value))}{origin} is not {expects}.{hint}"


def _extra(extra: object) -> dict[str, Any]:
    return extra if isinstance(extra, dict) else {}


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _public(value: object) -> object:
    if isinstance(value, SecretStr):
        return "(set)"
    if isinstance(value, str):
        # Addresses may carry a password: scheme://user:password@host, or among the parameters.
        return re.sub(r"((?:password|passfile|sslpassword)=)[^&\s]*", r"\1***", re.sub(r"(?<=://)[^/@\s]*@", "***@", value))
    if isinstance(value, tuple):
        return [str(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, Rate | Period | Interval) else value


@dataclass(frozen=True, slots=True)
class SettingReference:
    """What the documentation says of one setting."""

    name: str
    variable: str
    expects: str
    default: str
    meaning: str


def settings_reference() -> list[SettingReference]:
    """Every setting, in the order in which they are declared."""
    found = []
    for name, field in Settings.model_fields.items():
        extra = _extra(field.json_schema_extra)
        default = extra["default"] or _default_text(field.default)
        found.append(SettingReference(name, _variable(name), extra["expects"], default, field.description or ""))
    return found


def _default_text(value: object) -> str:
    if value is None or value == ():
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
