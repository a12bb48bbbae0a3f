"""Links to the files of jobs: whoever has one may read the file, until it expires (contract section 8)."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from turnout.store.base import Store
    from turnout.store.jobs import Job

KEY_NAME: Final = "links"
NO_FILE: Final = "There is no file behind this link: it was not made here, it has expired, or the export is gone."
"""Why a link is good for nothing; the same in every case, so that it says no more."""


class Links:
    """Signs and checks links with a key of the store.

    The signature is of the provider, the job and the moment at which the link expires, and so of one run of one job.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def query(self, job: Job) -> str:
        """The query of the link to a complete job's file."""
        expires = job.expires_at or 0
        return f"provider={job.provider_id}&expires={expires}&signature={self._sign(job.provider_id, job.id, expires)}"

    def check(self, job_id: str, query: str) -> tuple[int, int, int]:
        """The provider, the job and the moment that a link names. Raises `not_found` for one that was not made here.

        Nothing of it is interpreted, and nothing is read, before the signature is found to be right.
        """
        names, texts = zip(*(part.partition("=")[::2] for part in query.split("&")), strict=True)
        if names != ("provider", "expires", "signature"):
            raise TurnoutError("not_found", NO_FILE)
        provider, expires, signature = texts
        wanted = self._sign(provider, job_id, expires)
        if not hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), wanted.encode()):
            raise TurnoutError("not_found", NO_FILE)
        return int(provider), int(job_id), int(expires)

    def _sign(self, provider: int | str, job_id: int | str, expires: int | str) -> str:
        signed = f"{provider}\0{job_id}\0{expires}".encode("utf-8", "surrogateescape")
        digest = hmac.new(self._store.secret(KEY_NAME), signed, sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
