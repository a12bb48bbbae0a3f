"""Why a sync cannot go on."""

from __future__ import annotations


class SyncError(Exception):
    """The sync stops; what it copied, and its place, are kept. The message is for people.

    `lasting` where a later try meets the same, unless somebody does something about it.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.lasting = lasting
