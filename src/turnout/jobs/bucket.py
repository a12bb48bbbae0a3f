"""Files of jobs in a bucket of S3-compatible storage, which all servers of a store reach.

A file is made in a local directory and uploaded whole: nobody sees a part of it. Nothing in the bucket is public; who
fetches a file does so through the server. Credentials come from where other AWS programs take them, never from here.
"""

from __future__ import annotations

import errno
import re
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from turnout.errors import TurnoutError, did_you_mean, shown
from turnout.jobs.homes import BLOCK
from turnout.store.aside import made_aside, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SETTING: Final = "export_directory"
_FORM: Final = "s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=NAME"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINT: Final = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?")
_REGION: Final = re.compile(r"[a-z0-9-]+")
_CODE: Final = re.compile(r"[A-Za-z0-9]{1,60}")
_GONE: Final = ("NoSuchKey", "404")
_PART_BYTES: Final = 16 << 20
_READ_AGAIN: Final = 2
"""How often a download goes on after a connection that broke off before another byte came."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bucket is: its name, what names in it begin with, and what the storage's own address and region are."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None


def address_of(text: str) -> Address:
    """Read `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`.

    Raises `parameter_invalid`, which repeats no value: somebody may have put a secret into it.
    """
    parts = urlsplit(text)
    if not _NAME.fullmatch(parts.netloc) or parts.fragment or not text.startswith("s3://"):
        raise _refused(f"It is neither a directory's path nor {_FORM}; credentials come from the environment.")
    known = {"endpoint": _ENDPOINT, "region": _REGION}
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise _refused(f"{shown(name)} is not known in {_FORM}.{did_you_mean(name, known)}")
        if name in found or not known[name].fullmatch(value):
            raise _refused(f"The {name} is not one as in {_FORM}.")
        found[name] = value.rstrip("/")
    prefix = unquote(parts.path).strip("/")
    return Address(parts.netloc, f"{prefix}/" if prefix else "", found.get("endpoint"), found.get("region"))


def bucket_of(text: str, aside: Path) -> Bucket:
    """The bucket at an address. Nothing is asked of it yet. Files are made beside `aside`, a path of its servers' own.

    Raises `parameter_invalid`.
    """
    address = address_of(text)
    if not find_spec("boto3"):
        raise _refused("Storage in a bucket needs boto3: pip install 'turnout[s3]'.")
    return Bucket(address, aside)


def _refused(fault: str) -> TurnoutError:
    return TurnoutError("parameter_invalid", "The settings are not valid.", fields={_SETTING: [fault]})


class Bucket:
    """See `homes.Home`. Files are made in directories `.NAME.aside-*` beside the path `aside`."""

    far = True

    def __init__(self, address: Address, aside: Path) -> None:
        self._address = address
        self._aside = aside
        self._clients: dict[bool, Any] = {}
        self._connecting = threading.Lock()

    @property
    def place(self) -> str:
        """The bucket's address."""
        at = f" at {self._address.endpoint}" if self._address.endpoint else ""
        return f"s3://{self._address.bucket}/{self._address.prefix}{at}"

    @contextmanager
    def making(self, name: str, check: Callable[[], None]) -> Iterator[Path]:
        """A path to write a file to, which is uploaded when the block ends well."""
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - loaded with the first file

        # In this thread alone: what is interrupted ends here, and what it had uploaded is taken back.
        how = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, use_threads=False)
        self._aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with made_aside(self._aside) as directory:
            file = directory / name
            yield file
            check()
            try:
                with _errors(), file.open("rb") as source:
                    self._client(patient=True).upload_fileobj(
                        source, self._address.bucket, self._key(name), Callback=lambda _: check(), Config=how
                    )
            except OSError:
                check()  # the client tells in its own words what was raised within an upload
                raise

    def names(self, prefix: str) -> set[str]:
        """The names that begin so."""
        with _errors():
            pages = self._client(patient=True).get_paginator("list_objects_v2").paginate(**self._all(prefix))
            found = [one["Key"] for page in pages for one in page.get("Contents", ())]
        return {key.removeprefix(self._address.prefix) for key in found}

    def size(self, name: str) -> int:
        """How many bytes a file has. Asked by listing, which tells a bucket that is not there from a file."""
        with _errors():
            found = self._client().list_objects_v2(**self._all(name), MaxKeys=1).get("Contents", ())
        if not found or found[0]["Key"] != self._key(name):
            raise FileNotFoundError(errno.ENOENT, "The file is not there")
        return int(found[0]["Size"])

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """A part of a file. A connection that breaks off is made anew where it was."""
        if start >= end:
            self.size(name)
            return iter(())
        return self._blocks(name, self._get(name, start, end), start, end)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with _errors():
            self._client(patient=True).delete_object(Bucket=self._address.bucket, Key=self._key(name))

    def alone(self, prefix: str) -> bool:  # noqa: ARG002 - there is no lock that all respect
        """Who else uses a bucket cannot be known."""
        return False

    def tidy(self) -> None:
        """Remove the local directories of those who were killed while they made files."""
        sweep(self._aside)

    def fault(self) -> str | None:
        """Why the bucket cannot be read, or who might read along."""
        try:
            with _errors():
                self._client().list_objects_v2(**self._all(""), MaxKeys=1)
        except OSError as error:
            return f"Exports cannot be kept in {self.place}: {error.strerror}."
        endpoint = urlsplit(self._address.endpoint or "")
        if endpoint.scheme == "http" and endpoint.hostname not in ("localhost", "127.0.0.1", "::1"):
            return f"Exports go to {self.place} without TLS; whoever sits between can read them."
        return None

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._connecting:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _get(self, name: str, start: int, end: int) -> Any:
        with _errors():
            return self._client().get_object(
                Bucket=self._address.bucket, Key=self._key(name), Range=f"bytes={start}-{end - 1}"
            )["Body"]

    def _blocks(self, name: str, body: Any, start: int, end: int) -> Iterator[bytes]:
        failures = 0
        while True:
            with suppress(OSError), closing(body), _errors():
                while block := body.read(BLOCK):
                    start += len(block)
                    failures = 0
                    yield block
            if start >= end:
                return
            failures += 1
            if failures > _READ_AGAIN:
                raise OSError(errno.EIO, "The storage breaks off")
            body = self._get(name, start, end)

    def _key(self, name: str) -> str:
        return self._address.prefix + name

    def _all(self, prefix: str) -> dict[str, str]:
        return {"Bucket": self._address.bucket, "Prefix": self._key(prefix)}

    def _client(self, *, patient: bool = False) -> Any:
        """A client; a patient one where nobody waits for an answer."""
        with self._connecting:
            if patient not in self._clients:
                self._clients[patient] = self._connect(patient=patient)
            return self._clients[patient]

    def _connect(self, *, patient: bool) -> Any:
        import boto3  # noqa: PLC0415 - it takes half a second, and most servers keep files in a directory
        from botocore.config import Config  # noqa: PLC0415

        how: dict[str, Any] = {
            "connect_timeout": 3 if patient else 2,
            "read_timeout": 30 if patient else 10,
            "retries": {"mode": "standard", "total_max_attempts": 4 if patient else 2},
            "max_pool_connections": 32,
        }
        if self._address.endpoint:
            # What every storage understands that speaks S3.
            how["s3"] = {"addressing_style": "path"}
            how["request_checksum_calculation"] = how["response_checksum_validation"] = "when_required"
        region = self._address.region or (self._address.endpoint and "us-east-1")
        session = boto3.session.Session()
        return session.client(
            "s3", endpoint_url=self._address.endpoint, region_name=region or None, config=Config(**how)
        )


@contextmanager
def _errors() -> Iterator[None]:
    """Turn the client's errors into `OSError`s, whose texts hold no more than what kind of error it is."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as in `_connect`

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _GONE:
            raise FileNotFoundError(errno.ENOENT, "The file is not there") from None
        told = code if _CODE.fullmatch(code) else "an error"
        raise OSError(errno.EIO, f"The storage answers {told}") from None
    except BotoCoreError as error:
        raise OSError(errno.EIO, f"The storage cannot be used ({type(error).__name__})") from None
