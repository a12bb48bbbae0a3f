"""The files of a deployment, as far as the tests have to understand them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ("compose.yaml", "compose.postgresql.yaml")
UNIT = ROOT / "deploy" / "turnout.service"
RULES = ROOT / "deploy" / "prometheus-rules.yml"
ROLES = ROOT / "deploy" / "roles.sql"
_VARIABLE = re.compile(r"\$\{(\w+):([-?])([^}]*)\}")


def program(name: str, package: str) -> str:
    """The path of a program that the tests need."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, f"{name} is needed; on Debian: apt-get install {package}"
    return found


@dataclass
class Image:
    """What the last stage of the Dockerfile leaves, and what all of its stages are made of."""

    bases: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    """What is copied from the repository."""
    commands: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    """What the last instruction of each name says."""

    def words(self, instruction: str) -> list[str]:
        """The words of an instruction in its JSON form."""
        return json.loads(self.last[instruction][self.last[instruction].index("[") :])


def image() -> Image:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    found = Image()
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            found.bases.append(rest.split()[0])
            found.environment, found.last = {}, {}
        elif name == "COPY" and not rest.startswith("--from"):
            found.copied += rest.split()[:-1]
        elif name == "RUN":
            found.commands.append(rest)
        elif name == "ENV":
            found.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
        if name:
            found.last[name] = rest.strip()
    return found


def read_in(name: str) -> dict[str, Any]:
    """A compose file as it is written."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def composed(name: str, **given: str) -> dict[str, Any]:
    """A compose file with variables replaced as Compose does; one that has to be given and is not is a `KeyError`."""

    def replaced(match: re.Match[str]) -> str:
        variable, how, rest = match.groups()
        return given[variable] if how == "?" else given.get(variable) or rest

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(one) for key, one in value.items()}
        if isinstance(value, list):
            return [walk(one) for one in value]
        return _VARIABLE.sub(replaced, value) if isinstance(value, str) else value

    return walk(read_in(name))


def required(name: str) -> set[str]:
    """The variables that a compose file has to be given."""
    return {match[1] for match in _VARIABLE.finditer((ROOT / name).read_text()) if match[2] == "?"}


def seconds(text: str) -> float:
    """A time such as 15s or 1m."""
    match = re.fullmatch(r"(\d+)(s|m|min)?", text)
    assert match, text
    return int(match[1]) * (60 if (match[2] or "s").startswith("m") else 1)


def unit() -> dict[str, list[str]]:
    """The values of each name of the unit; systemd's files are not quite INI files: a name may stand again."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found
