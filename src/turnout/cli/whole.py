"""Files that appear whole or not at all: written under another name, and then renamed."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from turnout.cli.problems import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_file(path: str, option: str) -> Iterator[BinaryIO]:
    """A file to be written; `path` is it when the block is done, and what it was where the block raises.

    `option` is where `path` was given. Raises `Failure` where it cannot be written.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        # A device would be replaced by a file.
        raise Failure(f"{path} is a {'directory' if target.is_dir() else 'device'}; {option} names a file.")
    try:
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - renamed or removed below
            "wb", dir=target.parent, prefix=f".{target.name}.", delete=False
        )
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error
    unfinished = Path(file.name)
    try:
        with file as opened:
            yield cast("BinaryIO", opened)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
