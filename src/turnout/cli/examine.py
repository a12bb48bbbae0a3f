"""What `turnout doctor` finds out. Nothing that is wrong stops it: each fault is kept, with what to do about it."""

from __future__ import annotations

import logging
import os
import platform
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnout import __version__
from turnout.cli.api import call_json
from turnout.cli.connect import HOW_TO_BEGIN, connect
from turnout.cli.problems import Failure, failure_of
from turnout.errors import TurnoutError
from turnout.settings import CONFIG_VARIABLE, ENVIRONMENT_PREFIX, FILE_NAME
from turnout.store.open import is_file, store_path
from turnout.web.opening import SERVER

if TYPE_CHECKING:
    from turnout.cli.base import Where
    from turnout.settings import Settings


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong, and what to do about it where `what` does not say that."""

    what: str
    remedy: str | None


@dataclass
class Findings:
    """Everything that `turnout doctor` says. A setting has its value and where it comes from."""

    program: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    store: dict[str, Any] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def wrong(self, what: str, remedy: str | None = None) -> None:
        self.faults.append(Fault(what, remedy))

    def document(self) -> dict[str, Any]:
        """The findings as JSON."""
        return {
            "version": __version__,
            **self.program,
            "ok": not self.faults,
            "store": self.store,
            "exports": self.exports,
            "settings": {name: {"value": value, "source": source} for name, (value, source) in self.settings.items()},
            "faults": [{"what": fault.what, "do": fault.remedy} for fault in self.faults],
        }


def examine(where: Where) -> Findings:
    """Look at the settings, the file and the store; on another machine, ask its server."""
    # What an owner in this very process would log is among the faults.
    logging.getLogger("turnout").addHandler(logging.NullHandler())
    findings = Findings(program={"python": platform.python_version()})
    if where.remote():
        _ask(where, findings)
        return findings
    try:
        settings = where.settings()
        path = store_path(settings.database) if is_file(settings.database) else None
    except Failure as failure:
        for line in failure.lines()[1:] or failure.lines():
            findings.wrong(line.strip())
        return findings
    except TurnoutError as error:
        findings.wrong(error.message)
        return findings
    findings.settings = _with_sources(settings, where)
    if path:
        findings.store = {"location": str(path)}
    if path and not path.exists():
        findings.wrong(f"There is no store {path}.", HOW_TO_BEGIN)
    else:
        _ask(where, findings)
    return findings


def _ask(where: Where, findings: Findings) -> None:
    """Let the owner of the store say how it is: a server, with its own settings, or a command while it lasts."""
    try:
        with connect(where) as client:
            owner = call_json(client, "GET", "/admin/v1/owner")
            status = call_json(client, "GET", "/admin/v1/status")
    except TurnoutError as error:
        findings.wrong(" ".join(failure_of(error).lines()))
        return
    except Failure as failure:
        findings.wrong(" ".join(failure.lines()))
        return
    if owner["pid"] != os.getpid():
        findings.store["owner"] = f"process {owner['pid']} ({owner['command']})"
    if status.get("jwt_keys") is not None:
        findings.program["jwt_keys"] = status["jwt_keys"]
    findings.store.update(status["store"] or {"providers": status["providers"]})
    findings.exports.update(status.get("exports") or {})
    if not findings.settings or owner["command"] == SERVER:
        findings.settings = {name: (value, "server") for name, value in (status["settings"] or {}).items()}
    for fault in status["faults"]:
        findings.wrong(fault)


def _with_sources(settings: Settings, where: Where) -> dict[str, tuple[Any, str]]:
    """Every setting's value, without secrets, and where it comes from."""
    chosen = where.config or os.environ.get(CONFIG_VARIABLE)
    file = Path(chosen or FILE_NAME)
    in_file = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}

    def source(name: str) -> str:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if name in where.options():
            return f"--{name.replace('_', '-')}"
        if name in in_file:
            return str(file)
        return variable if os.environ.get(variable) else "default"

    return {name: (value, source(name)) for name, value in settings.public().items()}
