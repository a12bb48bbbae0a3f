"""The owner's socket beside the store's file: `FILE.sock`, mode 0600 (contract section 5).

Its path may be longer than what the system takes for a socket's address (108 bytes on Linux): there, both sides go
through a handle of the directory or of the socket.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError
from turnout.store.open import store_path

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX: Final = ".sock"
# Linux takes 108 bytes, the last of them zero; the BSDs and macOS 104.
_LONGEST: Final = 107 if sys.platform == "linux" else 103
_HANDLES: Final = Path("/proc/self/fd")


def socket_of(database: str) -> Path:
    """Where the owner of an embedded store listens."""
    file = store_path(database).resolve()
    return file.with_name(file.name + SUFFIX)


@dataclass(frozen=True, slots=True)
class OwnerSocket:
    """A bound socket that is not listened on yet."""

    path: Path
    socket: socket.socket
    inode: int

    def remove(self) -> None:
        """Remove the file, if it is still this socket's; before the store is given up."""
        with suppress(OSError):
            if self.path.lstat().st_ino == self.inode:
                self.path.unlink()


def bind_socket(path: Path) -> OwnerSocket:
    """Bind the owner's socket. Only the owner of the store may do it: a socket that is there is taken for a stale one.

    It is made under another name and renamed, so that there is never a moment at which others may connect. Raises
    `storage_unavailable` where it cannot be made.
    """
    if not _is_free(path):
        raise TurnoutError("storage_unavailable", f"{path} is there and is no socket; move it away.")
    _check_length(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made = path.with_name(f".turnout-{token_hex(4)}")
    try:
        with _short(made, path.parent) as short:
            bound.bind(short)
        made.chmod(0o600)
        inode = made.lstat().st_ino
        made.replace(path)
    except OSError as error:
        bound.close()
        with suppress(OSError):
            made.unlink()
        raise TurnoutError("storage_unavailable", f"The socket {path} cannot be made: {error}.") from error
    return OwnerSocket(path, bound, inode)


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A path by which a client can connect to the socket at `path`, however long it is; `OSError` if none is there."""
    with _short(path, path) as short:
        yield short


def check_owner(path: str, database: str) -> None:
    """Refuse a socket that another user may have laid beside the store, to be told what is meant for its owner.

    Good are this user's, root's, and that of whoever has the store's file: root may ask for a service's report. Raises
    `storage_unavailable`, and `OSError` where nothing is at `path`.
    """
    good = {os.geteuid(), 0}
    with suppress(FileNotFoundError):
        good.add(store_path(database).stat().st_uid)
    found = Path(path).stat().st_uid
    if found not in good:
        message = f"{socket_of(database)} belongs to another user ({found}); nothing was sent there. Remove it."
        raise TurnoutError("storage_unavailable", message)


def _is_free(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return True


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LONGEST


def _check_length(path: Path) -> None:
    if not _fits(path) and not _HANDLES.is_dir():
        message = f"The path {path} is too long for a socket on this system: {_LONGEST} bytes are the most."
        raise TurnoutError("storage_unavailable", message)


@contextmanager
def _short(path: Path, handle: Path) -> Iterator[str]:
    """`path`, or the same by way of an open `handle`: the path itself, or its directory."""
    if _fits(path):
        yield str(path)
        return
    _check_length(path)
    # O_PATH is Linux's, as /proc/self/fd is.
    descriptor = os.open(handle, os.O_PATH | os.O_CLOEXEC)
    try:
        by_handle = _HANDLES / str(descriptor)
        yield str(by_handle if handle == path else by_handle / path.name)
    finally:
        os.close(descriptor)
