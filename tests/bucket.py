"""A throw-away S3-compatible storage: a server in a process of its own, which asks for credentials that are right."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3

from live import PATIENCE, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "exports-of-turnout"
REGION = "eu-central-1"
_ALLOWED = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
_SET_UP = 4
_SERVER = """
import sys
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], file=sys.stderr)
sys.stdin.read()
"""


@dataclass
class Storage:
    """A storage that is running, with one bucket; `keys` are the credentials of who may use it."""

    process: subprocess.Popen[str]
    endpoint: str
    keys: dict[str, str]

    def address(self, prefix: str = "some/where", bucket: str = BUCKET) -> str:
        """The setting `export_directory`."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region={REGION}"

    def objects(self) -> dict[str, int]:
        """The sizes of what is in the bucket, by key."""
        found = self._client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return {one["Key"]: one["Size"] for one in found}

    def unfinished(self) -> list[str]:
        """The keys of uploads that were begun, and neither ended nor taken back."""
        return [one["Key"] for one in self._client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())]

    @cached_property
    def _client(self) -> Any:
        return _client("s3", self.endpoint, self.keys)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


@contextmanager
def storage() -> Iterator[Storage]:
    """A storage that ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | {"INITIAL_NO_AUTH_ACTION_COUNT": str(_SET_UP)},
    )
    try:
        assert process.stderr
        port = process.stderr.readline().strip()
        assert port.isdecimal(), port + process.stderr.read()
        endpoint = f"http://127.0.0.1:{port}"
        yield Storage(process, endpoint, _set_up(endpoint))
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def _set_up(endpoint: str) -> dict[str, str]:
    """Make the bucket, and somebody who may use it: after so many calls the server asks who calls."""
    anybody = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "anything"}
    people = _client("iam", endpoint, anybody)
    people.create_user(UserName="turnout")
    people.put_user_policy(UserName="turnout", PolicyName="all", PolicyDocument=json.dumps(_ALLOWED))
    key = people.create_access_key(UserName="turnout")["AccessKey"]
    where = {"LocationConstraint": REGION}
    _client("s3", endpoint, anybody).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def _client(service: str, endpoint: str, keys: dict[str, str]) -> Any:
    return boto3.session.Session().client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
