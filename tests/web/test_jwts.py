"""Who may ask, by JWT: signatures, algorithms, claims, key sets (contract sections 3 and 9)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import socket
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from turnout.errors import TurnoutError
from turnout.web import jwks
from turnout.web.jwks import KeySet, KeySource, KeyStatus, read_location
from web.fakes import FakeStore, Times, error_of, make_app, new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from web.fakes import Client

KEY = "k" * 40
FAILED = (401, "authentication_failed")

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()


def claims(**given: Any) -> dict[str, Any]:
    made = {"exp": int(time.time()) + 600, "providers": [1], "role": "attendances", **given}
    return {name: value for name, value in made.items() if value is not ...}


def hs256(key: str = KEY, **given: Any) -> str:
    return jwt.encode(claims(**given), key, "HS256")


def jwk(key: Any, kid: str | None = "a", **more: Any) -> dict[str, Any]:
    algorithm = {
        "RSA": jwt.algorithms.RSAAlgorithm,
        "EC": jwt.algorithms.ECAlgorithm,
        "OK": jwt.algorithms.OKPAlgorithm,
    }
    kind = (
        "RSA" if isinstance(key, rsa.RSAPrivateKey) else "EC" if isinstance(key, ec.EllipticCurvePrivateKey) else "OK"
    )
    made = algorithm[kind].to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, **({"kid": kid} if kid else {}), **more}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def signed(key: Any, algorithm: str, kid: str | None = "a", **given: Any) -> str:
    return jwt.encode(claims(**given), key, algorithm, headers={"kid": kid} if kid else None)


def unsigned(header: dict[str, Any], payload: dict[str, Any], signature: str = "") -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, payload))
    return ".".join([*parts, signature])


def ask(client: Client, token: str, scheme: str = "JWT", **headers: str) -> Any:
    return client.get(Authorization=f"{scheme} {token}", **headers)


@pytest.fixture
def shared(asking: Callable[..., Client]) -> Client:
    return asking(jwt_key=KEY, auth_failures="none")


# The shared key


@pytest.mark.parametrize("scheme", ["JWT", "Bearer", "Token"])
def test_a_jwt_under_any_scheme(shared: Client, scheme: str) -> None:
    answer = ask(shared, hs256(), scheme)
    assert answer.json() == {"provider": 1, "role": "attendances", "instructor": None, "token": None, "rows": [[1]]}


def test_opaque_tokens_go_on_working_beside_jwts(shared: Client, store: FakeStore) -> None:
    assert ask(shared, new_token(store, 2), "JWT").json()["provider"] == 2


@pytest.mark.parametrize(
    "given",
    [
        {"exp": ...},
        {"exp": None},
        {"exp": "soon"},
        {"exp": "4000000000"},
        {"exp": True},
        {"nbf": "1"},
        {"iat": "1"},
        {"exp": float("inf")},
        {"exp": [1]},
        {"exp": 0},
        {"providers": 1},
        {"providers": "1"},
        {"providers": ["1"]},
        {"providers": [1.0]},
        {"providers": [True]},
        {"providers": [2**70]},
        {"providers": {"1": 1}},
        {"providers": None},
        {"role": 5},
        {"role": ["attendances"]},
        {"role": None},
        {"instructor": "5"},
        {"instructor": True},
        {"instructor": 2**70},
        {"instructor": 0},
        {"instructor": [5]},
        {"aud": "somebody"},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"sub": 5},
    ],
)
def test_claims_that_are_refused(shared: Client, given: dict[str, Any]) -> None:
    token = unsigned_hs256(claims(**given))
    assert error_of(ask(shared, token)) == FAILED


def unsigned_hs256(payload: dict[str, Any]) -> str:
    """Signed properly, whatever the payload holds: the library's encoder refuses some on its own."""
    head = unsigned({"alg": "HS256", "typ": "JWT"}, payload)[:-1]
    signature = hmac.new(KEY.encode(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_the_hand_made_signature_is_right(shared: Client) -> None:
    assert ask(shared, unsigned_hs256(claims())).status_code == 200


@pytest.mark.parametrize(("given", "expected"), [
    ({"role": ...}, (403, "permission_denied")),
    ({"role": "customer"}, (403, "permission_denied")),
    ({"providers": ...}, (403, "provider_invalid")),
    ({"providers": []}, (403, "provider_invalid")),
    ({"providers": [9]}, (403, "provider_invalid")),
    ({"providers": [1, 2]}, (400, "provider_header_missing")),
    ({"role": "instructor_attendances"}, (403, "permission_denied")),
    ({"role": "instructor_attendances", "instructor": None}, (403, "permission_denied")),
])  # fmt: skip
def test_claims_that_allow_too_little(shared: Client, given: dict[str, Any], expected: tuple[int, str]) -> None:
    assert error_of(ask(shared, hs256(**given))) == expected


def test_claims_that_allow_more(shared: Client) -> None:
    assert ask(shared, hs256(role="instructor_attendances", instructor=5)).json()["instructor"] == 5
    assert ask(shared, hs256(providers=[1, 2]), **{"TeamUp-Provider-ID": "2"}).json()["provider"] == 2
    assert ask(shared, hs256(providers=[1, 1])).json()["provider"] == 1
    assert ask(shared, hs256(role="super_admin", instructor=5)).json()["instructor"] is None


@pytest.mark.parametrize(("age", "good"), [(-600, True), (15, True), (45, False), (10**9, False)])
def test_thirty_seconds_of_leeway(shared: Client, age: int, good: bool) -> None:
    answer = ask(shared, hs256(exp=int(time.time()) - age))
    assert (answer.status_code == 200) is good


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "HS384", "HS512", "RS256", "ES256", "", None, 5, ["HS256"]]
)
def test_other_algorithms_are_refused(shared: Client, algorithm: object) -> None:
    assert error_of(ask(shared, unsigned({"alg": algorithm, "typ": "JWT"}, claims()))) == FAILED
    assert error_of(ask(shared, unsigned({"alg": algorithm}, claims(), "AAAA"))) == FAILED


def test_other_strengths_of_the_shared_key_are_refused(shared: Client) -> None:
    for algorithm in ("HS384", "HS512"):
        assert error_of(ask(shared, jwt.encode(claims(), KEY * 2, algorithm))) == FAILED


@pytest.mark.parametrize(
    "token", ["a.b.c", "..", "a.b", "e30.e30.", "eyJ.eyJ.eyJ", "x" * 5000, unsigned({"alg": "HS256"}, {}, "AAAA")]
)
def test_what_is_no_jwt(shared: Client, token: str) -> None:
    assert error_of(ask(shared, token)) == FAILED


def test_tampering_is_noticed(shared: Client) -> None:
    head, _, signature = hs256().split(".")
    forged = hs256(key="x" * 40, providers=[2]).split(".")[1]
    assert error_of(ask(shared, f"{head}.{forged}.{signature}")) == FAILED
    assert error_of(ask(shared, hs256(key="x" * 40))) == FAILED


def test_a_critical_header_that_is_not_understood_is_refused(shared: Client) -> None:
    token = jwt.encode(claims(), KEY, "HS256", headers={"crit": ["x"], "x": 1})
    assert error_of(ask(shared, token)) == FAILED


def test_without_settings_no_jwt_is_good(asking: Callable[..., Client]) -> None:
    assert error_of(ask(asking(), hs256())) == FAILED


def test_audience_and_issuer(asking: Callable[..., Client]) -> None:
    client = asking(jwt_key=KEY, jwt_audience="turnout,reports", jwt_issuer="me", auth_failures="none")
    assert ask(client, hs256(aud="reports", iss="me")).status_code == 200
    assert ask(client, hs256(aud=["x", "turnout"], iss="me")).status_code == 200
    for given in ({}, {"aud": "turnout"}, {"iss": "me"}, {"aud": "x", "iss": "me"}, {"aud": "turnout", "iss": "you"}):
        assert error_of(ask(client, hs256(**given))) == FAILED


def test_a_short_key_works_and_is_no_warning_at_each_request(asking: Callable[..., Client]) -> None:
    assert ask(asking(jwt_key="short"), unsigned_with_short_key()).status_code == 200


def unsigned_with_short_key() -> str:
    with warnings.catch_warnings(action="ignore"):
        return hs256(key="short")


def test_one_subject_has_one_rate_however_many_jwts(asking: Callable[..., Client]) -> None:
    client = asking(jwt_key=KEY, token_rate="2/min")
    codes = [ask(client, hs256(sub="app", jti=str(number))).status_code for number in range(3)]
    assert codes == [200, 200, 429]
    assert ask(client, hs256(sub="other")).status_code == 200
    assert ask(client, hs256(sub="app", iss="elsewhere")).status_code == 200


def test_failed_jwts_count_as_failures(asking: Callable[..., Client]) -> None:
    client = asking(jwt_key=KEY, auth_failures="2/min")
    assert [ask(client, hs256(key="x" * 40)).status_code for _ in range(3)] == [401, 401, 429]
    assert ask(client, hs256()).status_code == 200


# A key set


class Keys:
    """Where a key set is read from in tests: what it holds, how often it was read, and whether it can be."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.begun = 0
        self.reads = 0
        self.failing = False
        self.free = threading.Event()
        self.free.set()

    def read(self, location: str) -> bytes:
        assert location == "https://keys.example/jwks"
        self.begun += 1
        self.free.wait()
        self.reads += 1
        if self.failing:
            raise OSError("unreachable")
        return self.document


@pytest.fixture
def keys() -> Keys:
    return Keys(key_set(jwk(RSA, "a"), jwk(P256, "b"), jwk(P384, "c"), jwk(ED25519, "d")))


@pytest.fixture
def client(asking: Callable[..., Client], store: FakeStore, times: Times, keys: Keys) -> Client:
    app = make_app(store, times, jwt_jwks="https://keys.example/jwks", auth_failures="none", read_keys=keys.read)
    return asking(app=app)


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        *((RSA, algorithm, "a") for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (P256, "ES256", "b"),
        (P384, "ES384", "c"),
        (ED25519, "EdDSA", "d"),
        (RSA, "RS256", None),
        (ED25519, "EdDSA", None),
    ],
)
def test_asymmetric_keys(client: Client, keys: Keys, key: Any, algorithm: str, kid: str | None) -> None:
    assert ask(client, signed(key, algorithm, kid)).status_code == 200
    assert ask(client, signed(key, algorithm, kid)).status_code == 200
    assert keys.reads == 1


def test_wrong_keys(client: Client) -> None:
    assert error_of(ask(client, signed(OTHER_RSA, "RS256", "a"))) == FAILED
    assert error_of(ask(client, signed(RSA, "RS256", "b"))) == FAILED
    assert error_of(ask(client, signed(RSA, "RS256", "zzz"))) == FAILED
    assert error_of(ask(client, signed(RSA, "RS256", exp=5))) == FAILED


def test_a_public_key_is_no_shared_secret(asking: Callable[..., Client], store: FakeStore, keys: Keys) -> None:
    """Algorithm confusion: an HS256 signature whose key is the public key, in any form that it is known in."""
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    for more in ({}, {"jwt_key": KEY}):
        app = make_app(store, jwt_jwks="https://keys.example/jwks", auth_failures="none", read_keys=keys.read, **more)
        client = asking(app=app)
        for secret in (pem, pem.strip(), der, json.dumps(jwk(RSA)).encode(), jwk(RSA)["n"].encode()):
            head = unsigned({"alg": "HS256", "typ": "JWT", "kid": "a"}, claims())[:-1]
            signature = hmac.new(secret, head.encode(), hashlib.sha256).digest()
            token = f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
            assert error_of(ask(client, token)) == FAILED


def test_symmetric_encryption_and_misfit_keys_of_a_set_are_passed_over() -> None:
    secret = {"kty": "oct", "kid": "a", "k": base64.urlsafe_b64encode(KEY.encode()).decode()}
    found = KeySet(
        key_set(
            secret,
            jwk(RSA, "a", use="enc"),
            jwk(RSA, "a", key_ops=["encrypt"]),
            jwk(RSA, "a", alg="PS256"),
            jwk(P256, "a"),
            {"kty": "RSA", "kid": "a", "n": "!", "e": "AQAB"},
            {"kid": "a"},
        )
    )
    assert not found.find("a", "RS256")
    assert not found.find("a", "HS256")
    assert not found.find("a", "ES384")
    assert len(found.find("a", "PS256")) == 1
    assert len(found.find("a", "ES256")) == 1
    assert len(KeySet(key_set(jwk(RSA, "a"), jwk(OTHER_RSA, "a"))).find("a", "RS256")) == 2


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": {}}', b"\xff", b"<html>"])
def test_what_is_no_key_set(document: bytes) -> None:
    with pytest.raises(ValueError, match="JSON Web Key Set"):
        KeySet(document)


def test_a_new_key_is_found_but_the_set_is_not_read_too_often(client: Client, keys: Keys, times: Times) -> None:
    assert ask(client, signed(RSA, "RS256", "a")).status_code == 200
    keys.document = key_set(jwk(OTHER_RSA, "new"))
    token = signed(OTHER_RSA, "RS256", "new")
    # The first unknown key id comes right after a reading, and many follow.
    assert [ask(client, token).status_code for _ in range(5)] == [401] * 5
    assert keys.reads == 1
    times.move(10)
    assert ask(client, token).status_code == 200
    assert keys.reads == 2
    assert ask(client, signed(RSA, "RS256", "a")).status_code == 401


def test_keys_that_were_read_stay_good_for_an_hour_while_their_host_is_down(
    client: Client, keys: Keys, times: Times
) -> None:
    token = signed(RSA, "RS256", "a")
    assert ask(client, token).status_code == 200
    keys.failing = True
    for _ in range(11):
        times.move(300)
        assert ask(client, token).status_code == 200
        assert error_of(ask(client, signed(RSA, "RS256", "zzz"))) == FAILED
    times.move(300)
    for _ in range(3):
        assert error_of(ask(client, token)) == (503, "overloaded")
        times.move(10)
    keys.failing = False
    assert ask(client, token).status_code == 200


def test_a_key_that_was_taken_out_is_refused(client: Client, keys: Keys, times: Times) -> None:
    token = signed(RSA, "RS256", "a")
    assert ask(client, token).status_code == 200
    keys.document = key_set(jwk(P256, "b"))
    times.move(299)
    assert ask(client, token).status_code == 200
    times.move(1)
    assert error_of(ask(client, token)) == FAILED
    assert keys.reads == 2


def test_without_any_keys_the_server_says_that_it_cannot_tell(client: Client, keys: Keys, times: Times) -> None:
    keys.failing = True
    for _ in range(3):
        answer = ask(client, signed(RSA, "RS256", "a"))
        assert error_of(answer) == (503, "overloaded")
        assert answer.headers["retry-after"] == "10"
    assert keys.reads == 1
    keys.failing = False
    times.move(10)
    assert ask(client, signed(RSA, "RS256", "a")).status_code == 200


def test_many_requests_wait_for_one_reading(client: Client, keys: Keys) -> None:
    keys.free.clear()
    token = signed(RSA, "RS256", "a")

    async def many() -> list[int]:
        path, headers = "/api/v2/reports/attendances/data", {"Authorization": f"JWT {token}"}
        asked = [asyncio.create_task(client.asking("GET", path, headers=headers)) for _ in range(8)]
        first = asyncio.create_task(client.asking("GET", "/echo"))
        # The loop goes on while the keys are read.
        assert (await first).status_code == 200
        keys.free.set()
        return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert client.run(many()) == [200] * 8
    assert keys.reads == 1


def test_keys_from_a_file_change_with_it(
    asking: Callable[..., Client], store: FakeStore, times: Times, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(jwk(RSA, "a")))
    client = asking(app=make_app(store, times, jwt_jwks=str(file), auth_failures="none"))
    assert ask(client, signed(RSA, "RS256", "a")).status_code == 200
    file.write_bytes(key_set(jwk(P256, "p")))
    times.move(10)
    assert ask(client, signed(P256, "ES256", "p")).status_code == 200
    file.unlink()
    times.move(1000)
    assert ask(client, signed(P256, "ES256", "p")).status_code == 200


# What reading costs at most


def test_a_key_set_is_read_no_further_than_it_may_be_long(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    endless.write_bytes(b" " * (1 << 20))
    assert len(read_location(str(endless))) == 1 << 20
    endless.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(ValueError, match="larger than 1048576 bytes"):
        read_location(str(endless))
    with served([b" " * (1 << 16)] * 17) as url, pytest.raises(ValueError, match="larger than 1048576 bytes"):
        read_location(url)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """Reading a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="it is not a file"):
            read_location(str(path))


def test_a_key_set_over_http() -> None:
    with served([key_set(jwk(RSA, "a"))]) as url:
        assert len(KeySet(read_location(url)).find("a", "RS256")) == 1


def test_a_key_set_that_comes_by_drops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read is answered at once, and they would never end."""
    monkeypatch.setattr(jwks, "_READ_WITHIN", 0.2)
    with served(itertools.repeat(b" ")) as url, pytest.raises(TimeoutError):
        read_location(url)


@contextmanager
def served(chunks: Iterable[bytes]) -> Iterator[str]:
    """A server that answers one request with these chunks, for as long as somebody reads them: its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                for chunk in chunks:
                    connection.sendall(chunk)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/jwks"
        thread.join()


# What is said of it


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (key_set(jwk(RSA, "a"), jwk(P256, "b"), jwk(RSA, "c", use="enc"), {"kty": "oct", "k": "AAAA"}), (2, None)),
        (key_set(), (0, "it has no key that can check the signature of a JWT")),
        (b"<html>", (0, "it is not a JSON Web Key Set")),
        (None, (0, "No such file or directory")),
    ],
)
def test_the_status_says_how_the_key_set_is(
    asking: Callable[..., Client], store: FakeStore, tmp_path: Path, document: bytes | None, said: tuple[int, str]
) -> None:
    keys, fault = said
    file = tmp_path / "keys.json"
    if document is not None:
        file.write_bytes(document)
    owner = asking(app=make_app(store, jwt_jwks=str(file)), trusted=True)
    status = owner.get("/admin/v1/status").json()
    assert status["jwt_keys"] == keys
    found = [text for text in status["faults"] if "jwt_jwks" in text]
    assert len(found) == bool(fault)
    assert all(text.startswith(f"jwt_jwks, {file}, cannot be used: {fault}") for text in found)


def test_the_status_of_a_key_server_without_its_password(asking: Callable[..., Client], store: FakeStore) -> None:
    def refuse(location: str) -> bytes:
        request = httpx.Request("GET", location)
        raise httpx.HTTPStatusError(f"not found: {location}", request=request, response=httpx.Response(404))

    app = make_app(store, jwt_jwks="https://u:secret@keys.example/jwks", read_keys=refuse)
    faults = asking(app=app, trusted=True).get("/admin/v1/status").json()["faults"]
    assert "jwt_jwks, https://***@keys.example/jwks, cannot be used: its server answered 404." in faults
    assert "secret" not in str([text for text in faults if "jwks" in text])


def test_nobody_waits_for_ever_for_keys(keys: Keys, times: Times, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "_READ_WITHIN", 0.01)
    keys.free.clear()

    async def look() -> None:
        source = KeySource("https://keys.example/jwks", times.clock.monotonic, keys.read)
        assert await source.status() == KeyStatus(0, "it has not been read within 0.01 seconds")
        with pytest.raises(TurnoutError, match="cannot be read at the moment"):
            await source.find("a", "RS256")
        times.move(60)
        assert (await source.status()).keys == 0
        assert keys.begun == 1, "one reading at a time, however long it takes"
        keys.free.set()
        while (await source.status()).fault:
            pass
        assert await source.status() == KeyStatus(4, None)

    asyncio.run(look())
