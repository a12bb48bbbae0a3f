"""Fetches what others wrote and the page uses, as `vendored.toml` says: `python -m tools.vendor` (`make vendor`).

Each package's archive is fetched by npm, its integrity checked, and then the sum of each of the files taken from it.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
LIST: Final = Path(__file__).with_name("vendored.toml")


def packages() -> list[dict[str, Any]]:
    """The packages, as the list has them."""
    return tomllib.loads(LIST.read_text(encoding="utf-8"))["package"]


def place(package: dict[str, Any], name: str) -> Path:
    """Where a package's file is put: without the folder `dist`, which says nothing."""
    return ROOT / package["into"] / name.removeprefix("dist/")


def fetch(package: dict[str, Any], folder: Path) -> Path:
    """The package's archive. Raises `ValueError` where it is not the one that the list means."""
    asked = f"{package['name']}@{package['version']}"
    command = ["npm", "pack", asked, "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    archive = folder / done.stdout.split()[-1]
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package["integrity"]:
        raise ValueError(f"{asked}: its integrity is {found}, not {package['integrity']}")
    return archive


def unpack(package: dict[str, Any], archive: Path) -> None:
    """Put the package's files in their places. Raises `ValueError` where one has another sum than the list says."""
    with tarfile.open(archive) as inside:
        for name, expected in package["files"].items():
            member = inside.extractfile(f"package/{name}")
            body = member.read() if member else b""
            found = hashlib.sha256(body).hexdigest()
            if found != expected:
                raise ValueError(f"{package['name']}: the sum of {name} is {found}, not {expected}")
            target = place(package, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for package in packages():
            try:
                unpack(package, fetch(package, Path(folder)))
            except ValueError as error:
                sys.exit(str(error))


if __name__ == "__main__":
    main()
