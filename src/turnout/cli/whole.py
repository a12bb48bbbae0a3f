"""Files that appear whole or not at all: written under another name, and then renamed."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import rich_click as click

from turnout.cli.problems import Failure
from turnout.store.files import holds_a_store, must_be_free, store_of_log

if TYPE_CHECKING:
    from collections.abc import Iterator


def must_be_replaceable(path: str, option: str, *, store: bool = False) -> None:
    """Refuse a name whose file must not be replaced: a directory's, a device's, a store's.

    That of a `store` may be, where one is asked for, unless somebody has it open: its server would go on with a file
    that has no name any more. `option` is where `path` was given.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        # A device would be replaced by a file.
        raise Failure(f"{path} is a {'directory' if target.is_dir() else 'device'}; {option} names a file.")
    try:
        if holds_a_store(target):
            if not store:
                raise click.UsageError(f"{path} is a store, all of which would be lost; {option} names another file.")
            must_be_free(target)
        if (owner := store_of_log(target)) and holds_a_store(owner):
            raise click.UsageError(f"{path} belongs to the store {owner}; {option} names another file.")
    except OSError as error:
        raise Failure(f"{path} may be a store, or belong to one: {error.strerror}.") from error


@contextmanager
def whole_file(path: str, option: str, *, store: bool = False) -> Iterator[BinaryIO]:
    """A file to be written; `path` is it when the block is done, and what it was where the block raises.

    Raises as `must_be_replaceable`, and `Failure` where it cannot be written.
    """
    must_be_replaceable(path, option, store=store)
    target = Path(path)
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
        must_be_replaceable(path, option, store=store)  # a store may have come there meanwhile, or its server
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
