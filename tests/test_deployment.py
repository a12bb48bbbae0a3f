"""What is deployed with: the image, the compose files, the unit and the alerts are right, as far as linters and the
program itself can tell. No container and no systemd is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import databases
from cluster import _program as postgres_program
from cluster import cluster_of_its_own
from deployment.files import (
    COMPOSE,
    ROLES,
    ROOT,
    RULES,
    UNIT,
    composed,
    image,
    program,
    read_in,
    required,
    seconds,
    unit,
)
from live import TURNOUT, Client, Server, environment, served
from turnout import __version__
from turnout.errors import ERRORS
from turnout.settings import ENVIRONMENT_PREFIX, Settings
from turnout.store.jobs import Status
from turnout.web.opening import _OTHERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster import Cluster

ENDS_WITHIN = 10
"""Seconds that a server takes at the most to end."""
GIVEN = {"POSTGRES_PASSWORD": "secret one", "OWNER_PASSWORD": "secret ' two", "TURNOUT_PASSWORD": "secret & three"}
SERVICES = [(name, service) for name in COMPOSE for service in composed(name, **GIVEN)["services"]]
OURS = [(name, service) for name, service in SERVICES if service != "database"]


def of(name: str, service: str) -> dict[str, Any]:
    return composed(name, **GIVEN)["services"][service]


def run(*command: str | Path, **more: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def settings_among(given: Mapping[str, object]) -> dict[str, str]:
    """The settings of an environment."""
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): str(value)
        for name, value in given.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name != "TURNOUT_CONFIG"
    }


# The image


def test_a_linter_finds_nothing_in_the_dockerfile() -> None:
    run(program("hadolint", "hadolint"), "--failure-threshold", "style", ROOT / "Dockerfile")


def test_the_image_is_of_one_pinned_version() -> None:
    bases = image().bases
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", bases[0])


def test_the_image_has_what_the_program_may_use() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (install,) = [command for command in image().commands if "pip install" in command]
    assert "--constraint constraints.txt" in install
    assert re.search(r"\.\[([\w,]+)\]", install)[1].split(",") == sorted(project["optional-dependencies"])


def test_what_is_copied_is_enough_to_build_the_program(tmp_path: Path) -> None:
    """Built of the files that the Dockerfile names, and no others; pictures and pages are in it."""
    import zipfile

    source = tmp_path / "build"
    source.mkdir()
    for name in image().copied:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
    run(*build, "--wheel-dir", tmp_path, source)
    (wheel,) = tmp_path.glob("turnout-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    ours = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.removeprefix("src/") for name in ours.splitlines()} <= inside


def test_nothing_but_what_is_copied_gets_into_a_build() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    assert sorted(line[1:] for line in lines if line[0] == "!") == sorted(image().copied)


def test_the_image_runs_as_nobody_in_particular() -> None:
    user = image().last["USER"]
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", user)
    number = user.partition(":")[0]
    (made,) = [command for command in image().commands if "useradd" in command]
    assert f"--uid {number} " in made
    assert f"--gid {number} " in made


def test_the_image_keeps_what_must_stay_on_its_volume() -> None:
    volume = Path(image().last["VOLUME"])
    environment = image().environment
    assert Path(environment["TURNOUT_DATABASE"]).parent == volume
    assert Path(environment["TURNOUT_DATA_DIRECTORY"]) == volume
    assert Path(image().last["WORKDIR"]) == volume


def test_the_image_serves_and_tells_its_health(tmp_path: Path) -> None:
    """Its very command, with its settings, but in another directory and on another port; and its very health check."""
    assert image().words("ENTRYPOINT") == ["turnout"]
    given = settings_among(image().environment)
    assert given["host"] == "0.0.0.0"
    assert given["port"] == image().last["EXPOSE"]
    check = image().words("HEALTHCHECK")
    assert check[0] == "python", "there is nothing else in the image"
    timeout = re.search(r"--timeout=(\w+)", image().last["HEALTHCHECK"])
    assert timeout
    assert f"timeout={seconds(timeout[1]) - 1:.0f})" in check[-1]

    def healthy(url: str) -> bool:
        code = check[-1].replace(f"'127.0.0.1', {given['port']},", f"'127.0.0.1', {url.rpartition(':')[2]},")
        assert code != check[-1]
        return subprocess.run([sys.executable, *check[1:-1], code], capture_output=True, timeout=30).returncode == 0

    assert image().words("CMD") == ["serve"]
    database = tmp_path / Path(given.pop("database")).name
    with served(database, **(given | {"data_directory": tmp_path, "port": 0})) as server:
        assert healthy(server.url)
        url = server.url
    assert not healthy(url)


# The compose files


@pytest.mark.parametrize("name", COMPOSE)
def test_a_compose_file_is_one(name: str) -> None:
    schema = json.loads((ROOT / "tests" / "deployment" / "compose-spec.json").read_text())
    schema["$schema"] = schema["$schema"].replace("https:", "http:")  # as the draft calls itself
    validator = jsonschema_rs.validator_for(schema)
    assert not [str(error) for error in validator.iter_errors(read_in(name))]
    assert list(validator.iter_errors(read_in(name) | {"service": {}})), "the schema tells what is none"


@pytest.mark.parametrize("name", COMPOSE)
def test_volumes_are_declared_and_used(name: str) -> None:
    file = read_in(name)
    mounted = [mount.split(":") for service in file["services"].values() for mount in service.get("volumes", ())]
    named = {source for source, *_ in mounted if not source.startswith(".")}
    assert named == set(file["volumes"])
    for source, *_ in mounted:
        assert not source.startswith(".") or (ROOT / source).is_file()
    assert file["name"] == "turnout", "both have the same volume of files"


@pytest.mark.parametrize(("name", "service"), SERVICES)
def test_images_are_pinned(name: str, service: str) -> None:
    picture = of(name, service)["image"]
    assert re.fullmatch(r"(postgres:1[5-9]\.\d+-\w+|turnout:\d+\.\d+\.\d+)", picture)
    if picture.startswith("turnout"):
        assert picture == f"turnout:{__version__}"


@pytest.mark.parametrize(("name", "service"), OURS)
def test_a_container_may_do_little(name: str, service: str) -> None:
    found = of(name, service)
    assert found["user"] == image().last["USER"]
    assert found["read_only"] is True
    assert [one.partition(":")[0] for one in found["tmpfs"]] == ["/tmp"]  # noqa: S108 - a directory of the container
    assert found["cap_drop"] == ["ALL"]
    assert "cap_add" not in found
    assert "privileged" not in found
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["init"] is True
    assert all(found[name] for name in ("mem_limit", "pids_limit"))


@pytest.mark.parametrize(("name", "service"), SERVICES)
def test_logs_do_not_fill_the_disk(name: str, service: str) -> None:
    assert set(of(name, service)["logging"]["options"]) == {"max-size", "max-file"}


def test_room_for_bodies_is_as_large_as_is_said() -> None:
    for name, service in OURS:
        (room,) = of(name, service)["tmpfs"]
        size = re.search(r"size=(\d+)m", room)
        assert size
        assert int(size[1]) * 2**20 == 4 * Settings.model_fields["max_body"].default


@pytest.mark.parametrize("name", COMPOSE)
def test_the_server_stays_up_and_may_end(name: str) -> None:
    server = of(name, "turnout")
    assert server["restart"] == "unless-stopped"
    assert seconds(server["stop_grace_period"]) > ENDS_WITHIN
    assert "healthcheck" not in server, "the image's holds"
    (mount,) = server["volumes"]
    assert mount.partition(":")[2] == image().last["VOLUME"]
    (port,) = server["ports"]
    assert port == f"127.0.0.1:8000:{image().last['EXPOSE']}", "not encrypted, so for this machine alone"
    others = [service for service in read_in(name)["services"].values() if service is not server]
    assert [one["ports"] for one in others if one.get("ports")] == [[port]]


@pytest.mark.parametrize(("name", "service"), OURS)
def test_settings_and_commands_are_the_programs(name: str, service: str, tmp_path: Path) -> None:
    found = of(name, service)
    for value in found["environment"].values():
        assert isinstance(value, str | int)
    given = settings_among(image().environment) | settings_among(found["environment"])
    assert set(given) <= set(Settings.model_fields)
    (tmp_path / "empty.toml").touch()
    Settings.load({name: value for name, value in given.items() if value}, tmp_path / "empty.toml")
    if found["command"][0] == "serve":
        run(TURNOUT, *found["command"], "--help", env=environment(**given))


def test_no_password_is_in_a_file() -> None:
    assert required("compose.yaml") == set()
    assert required("compose.postgresql.yaml") == set(GIVEN)
    for name in COMPOSE:
        for service in read_in(name)["services"].values():
            for variable, value in service["environment"].items():
                assert ("PASSWORD" not in variable) or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), variable
                assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), variable
    ignored = subprocess.run(["git", "check-ignore", ".env"], cwd=ROOT, capture_output=True)
    assert ignored.returncode == 0


def test_each_has_the_password_of_its_role_alone() -> None:
    services = read_in("compose.postgresql.yaml")["services"]
    for service, role, password in (
        ("prepare", "turnout_owner", "OWNER_PASSWORD"),
        ("turnout", "turnout", "TURNOUT_PASSWORD"),
    ):
        found = services[service]["environment"]
        address = conninfo_to_dict(found["TURNOUT_DATABASE"])
        assert address == {"user": role, "host": "database", "dbname": "turnout"}
        assert re.findall(r"\$\{(\w*PASSWORD)", json.dumps(found)) == [password]
    assert services["prepare"]["command"] == ["database", "prepare", "--grant-to", "turnout"]


def test_the_server_starts_after_its_tables() -> None:
    services = read_in("compose.postgresql.yaml")["services"]
    assert services["prepare"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["prepare"]["restart"] == "no"
    assert services["turnout"]["depends_on"] == {"prepare": {"condition": "service_completed_successfully"}}
    assert "--host=127.0.0.1" in services["database"]["healthcheck"]["test"]


def connections(server: Mapping[str, Any]) -> int:
    """How many connections a server takes at the most."""
    words = server["command"]
    workers = int(words[words.index("--workers") + 1])
    given = settings_among(server["environment"])
    return workers * (int(given["query_concurrency"]) + int(given["export_concurrency"]) + _OTHERS)


def test_the_database_has_enough_connections() -> None:
    services = read_in("compose.postgresql.yaml")["services"]
    most = next(word for word in services["database"]["command"] if word.startswith("max_connections="))
    # A server that is being replaced by another, and the ten that PostgreSQL and its administrator want.
    assert 2 * connections(services["turnout"]) + 10 <= int(most.partition("=")[2])
    page = (ROOT / "docs" / "deploying.md").read_text()
    assert f"`workers` x (`query_concurrency` + `export_concurrency` + {_OTHERS})" in page
    assert f"= {connections(services['turnout'])} " in page


# The roles


@pytest.fixture(scope="module")
def machine() -> Iterator[Cluster]:
    """A server of PostgreSQL on which the roles were made, as the compose file has them made."""
    given = read_in("compose.postgresql.yaml")["services"]["database"]["environment"]
    with cluster_of_its_own() as made:
        as_postgres = make_conninfo(made.address, user="postgres")
        with psycopg.connect(made.address) as connection:
            connection.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        with psycopg.connect(as_postgres) as connection:
            # The tests' own administrator has the name that the server's role is to have.
            connection.execute("ALTER ROLE turnout RENAME TO administrator")
        made.address = f"postgresql://postgres@/postgres?host={made.directory}"
        passwords = {name: GIVEN[name] for name in given if name in GIVEN}
        psql = [postgres_program("psql"), "--no-psqlrc", "--quiet", "--file", ROLES, as_postgres]
        assert run(*psql, env={"PATH": os.environ["PATH"], **passwords}) == ""
        yield made


def test_roles_are_made_and_may_do_what_they_are_to(machine: Cluster) -> None:
    with psycopg.connect(machine.address) as connection:
        roles = connection.execute(
            "SELECT rolname, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls, rolcanlogin, "
            "rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname LIKE 'turnout%' ORDER BY rolname"
        ).fetchall()
        database = connection.execute(
            "SELECT pg_get_userbyid(datdba), datcollate, datctype, pg_encoding_to_char(encoding), "
            "has_database_privilege('turnout', 'turnout', 'CREATE, TEMPORARY'), "
            "has_database_privilege('turnout', 'turnout', 'CONNECT') FROM pg_database WHERE datname = 'turnout'"
        ).fetchall()
    assert roles == [("turnout", False, True, True), ("turnout_owner", False, True, True)]
    assert database == [("turnout_owner", "C", "C", "UTF8", False, True)]


def test_roles_without_passwords_are_not_made(machine: Cluster) -> None:
    psql = [postgres_program("psql"), "--no-psqlrc", "--file", ROLES, machine.address]
    done = subprocess.run(psql, capture_output=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode != 0


# With `turnout database`


def address_of(machine: Cluster, service: str) -> str:
    """The address that a service has, at the server of the tests."""
    found = conninfo_to_dict(of("compose.postgresql.yaml", service)["environment"]["TURNOUT_DATABASE"])
    return f"postgresql://{found['user']}@/{found['dbname']}?host={machine.directory}"


def test_the_database_is_prepared_and_served_as_the_file_says(machine: Cluster, tmp_path: Path) -> None:
    """The very commands and settings of both containers, one after the other, and a command in the server's."""
    prepare, server = (of("compose.postgresql.yaml", name) for name in ("prepare", "turnout"))

    def here(service: str) -> dict[str, str]:
        given = settings_among(of("compose.postgresql.yaml", service)["environment"])
        given |= {"database": address_of(machine, service), "data_directory": str(tmp_path), "port": "0"}
        return environment(**{name: value for name, value in given.items() if value})

    def command(service: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TURNOUT, *words], env=here(service), cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    provider = ["provider", "add", "--id", "1", "--name", "Studio", "--timezone", "Europe/Berlin"]
    assert command("turnout", *provider).returncode != 0, "there are no tables, and the role may not make them"
    for _ in range(2):
        done = command("prepare", *prepare["command"])
        assert done.returncode == 0, done.stderr
    done = command("turnout", *provider)
    assert done.returncode == 0, done.stderr
    with subprocess.Popen(
        [TURNOUT, *server["command"]], env=here("turnout"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout
            url = running.stdout.readline().split()[-1]
            with closing(Client(url)) as client:
                assert client.send("GET", "/ready").status == 200
        finally:
            running.terminate()
        assert running.wait(30) == 0
    with psycopg.connect(address_of(machine, "turnout")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_class WHERE relowner = 'turnout'::regrole").fetchone() == (
            0,
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE public.mine (id INT)")
    assert command("prepare", "database", "tidy").returncode == 0


# The unit


def test_the_unit_is_one(tmp_path: Path) -> None:
    (command,) = unit()["ExecStart"]
    installed = tmp_path / UNIT.name
    # The program is where these tests have it; systemd looks whether it is there.
    installed.write_text(UNIT.read_text().replace(command.split()[0], TURNOUT))
    analyze = program("systemd-analyze", "systemd")
    assert run(analyze, "verify", "--man=no", installed) == ""
    exposed = run(analyze, "security", "--offline=true", "--threshold=20", installed)
    assert "Overall exposure level" in exposed
    wrong = tmp_path / "wrong.service"
    wrong.write_text(installed.read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly"))
    assert "strictly" in subprocess.run([analyze, "verify", "--man=no", wrong], capture_output=True, text=True).stderr


def test_the_unit_keeps_and_ends_the_server_as_it_is_to(tmp_path: Path) -> None:
    found = {name: values[-1] for name, values in unit().items()}
    assert found["ProtectSystem"] == "strict"
    assert found["NoNewPrivileges"] == found["PrivateTmp"] == "yes"
    assert found["CapabilityBoundingSet"] == ""
    assert found["User"] not in ("root", "")
    assert found["Restart"] == "on-failure"
    assert ENDS_WITHIN < seconds(found["TimeoutStopSec"]) < 90
    assert found["KillMode"] == "mixed"
    state = f"%S/{found['StateDirectory']}"
    variables = dict(value.split("=", 1) for value in unit()["Environment"])
    credential = found["LoadCredential"].partition(":")[0]
    assert variables["TURNOUT_CONFIG"] == f"%d/{credential}"
    given = settings_among(variables)
    assert set(given) <= set(Settings.model_fields)
    assert (
        Path(given["database"]).parent
        == Path(given["data_directory"])
        == Path(found["WorkingDirectory"])
        == Path(state)
    )

    # As systemd would start it, in a directory of its own.
    secret = tmp_path / credential
    secret.write_text('port = 0\njwt_key = "0123456789abcdef0123456789abcdef"\n')
    here = {name: value.replace(state, str(tmp_path)) for name, value in given.items()}
    server = Server(Path(here.pop("database")), config=secret, **here)
    try:
        with closing(Client(server.url)) as client:
            assert client.send("GET", "/ready").status == 200
    finally:
        assert server.stop() == 0


# The alerts


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_alerts_are_raised_when_they_are_to_be() -> None:
    promtool = program("promtool", "prometheus")
    assert f"{len(rules())} rules found" in run(promtool, "check", "rules", RULES)
    cases = ROOT / "tests" / "deployment" / "prometheus-rules.test.yml"
    run(promtool, "test", "rules", cases)
    raised = set(re.findall(r'alertname="(\w+)"', cases.read_text()))
    assert raised == {rule["alert"] for rule in rules()}


def test_alerts_are_of_figures_that_there_are(
    tmp_path: Path, machine: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "server", machine.address)
    source = {"sync_from": "http://127.0.0.1:9", "sync_token": "x", "sync_providers": "1"}
    with served(tmp_path / "turnout.duckdb", workers=2, **source) as server, closing(Client(server.url)) as client:
        text = client.send("GET", "/metrics").body.decode()
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    for rule in rules():
        names = re.findall(r"\b(?:turnout|process)_\w+", re.sub(r"\{[^}]*\}", "", rule["expr"]))
        assert names or rule["expr"].startswith("up{")
        for name in names:
            assert types[name.removesuffix("_bucket")] == ("histogram" if name.endswith("_bucket") else types[name])
    for code in re.findall(r'code="(\w+)"', RULES.read_text()):
        assert code in ERRORS
    for outcome in re.findall(r'outcome="(\w+)"', RULES.read_text()):
        assert outcome in set(Status)


def test_the_page_says_what_to_do_about_each_alert() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    assert {rule["alert"] for rule in rules()} == set(re.findall(r"^\| `(Turnout\w+)` \|", page, re.MULTILINE))
