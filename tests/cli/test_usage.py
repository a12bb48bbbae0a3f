"""What the command line alone shows to be wrong: exit status 2, in words, before any store is opened."""

from __future__ import annotations

import pytest
from shell import typed

ADD = ("provider", "add", "--id", "1", "--name", "Harbour Yoga", "--timezone", "Europe/London")
EXPORT = ("export", "--provider", "1")
REPORT = ("report", "--provider", "1")
SERVER = ("--server", "http://127.0.0.1:9", "--token", "tk_x")

WRONG = {
    "unknown command": (("repotr",), "'repotr' is not a command. Did you mean 'report'?"),
    "nothing like a command": (
        ("zzz",),
        "The commands are: serve, provider, token, import, sync, report, export, demo",
    ),
    "unknown option": ((*REPORT, "--stauts", "attended"), "'--stauts' is not an option. Did you mean '--status'?"),
    "missing option": (("report",), "Missing option '--provider'"),
    "missing argument": (("import", "--provider", "1"), "Missing argument"),
    "an argument too many": ((*REPORT, "surplus"), "unexpected extra argument"),
    "no id": (("report", "--provider", "x"), "'x' is not an id"),
    "id of zero": (("report", "--provider", "0"), "'0' is not an id"),
    "id too large": (("report", "--provider", str(2**63)), "is not an id"),
    "id in other digits": (("report", "--provider", "٣"), "is not an id"),
    "unknown zone": ((*ADD[:-1], "Europe/Lodon"), "Did you mean 'Europe/London'?"),
    "unknown day": ((*ADD, "--week-start", "mondey"), "Did you mean 'monday'?"),
    "empty name": ((*ADD[:5], " ", *ADD[6:]), "at least one character"),
    "nothing to change": (("provider", "set", "--id", "1"), "Nothing to change"),
    "unknown role": (
        ("token", "create", "--provider", "1", "--role", "admin"),
        "'admin' is not one of: super_admin, attendances, instructor_attendances",
    ),
    "no instructor": (
        ("token", "create", "--provider", "1", "--role", "instructor_attendances"),
        "needs --instructor",
    ),
    "an instructor who would be ignored": (
        ("token", "create", "--provider", "1", "--instructor", "5"),
        "goes with --role instructor_attendances",
    ),
    "no lifetime": (("token", "create", "--provider", "1", "--expires", "90x"), "'90x' is not a length of time"),
    "too many demo rows": (("demo", "--rows", "10000001"), "from 1 to 10,000,000"),
    "an unknown form": ((*REPORT, "--format", "xml"), "'xml' is not one of: table, csv, json"),
    "an unknown form among other faults": (
        (*REPORT, "--format", "xml", "--status", "bogus"),
        "--status: 'bogus' is not one of the choices",
    ),
    "an unknown form of a file": (
        (*EXPORT, "-o", "a.csv", "--format", "xls", "--columns", "nme"),
        "--format: 'xls' is not one of: csv, json, ndjson, xlsx, parquet. Did you mean 'xlsx'?",
    ),
    "an unknown ending of a file": (
        (*EXPORT, "-o", "a.pdf", "--columns", "nme"),
        "--output: No form of a file ends in '.pdf': .csv, .json",
    ),
    "a part of an export": (
        (*EXPORT, "-o", "a.csv", "--limit", "5", "--page", "2"),
        "--limit: An export holds every row that matches; leave out 'limit'.",
    ),
    "two forms": ((*REPORT, "--json", "--format", "csv"), "--json and --format csv"),
    "every row, but not from the first on": ((*REPORT, "--all", "--page", "2"), "leave out --page"),
    "every row from somewhere on": ((*REPORT, "--all", "--offset", "50"), "leave out --offset"),
    "every row after a cursor": ((*REPORT, "--all", "--cursor", "abc"), "leave out --cursor"),
    "every row and none": ((*REPORT, "--all", "--limit", "0"), "--all has every row, and --limit 0 none"),
    "every row and none by another name": ((*REPORT, "--all", "--page_size", " 00"), "--page-size"),
    "a single column among counts": (
        (*REPORT, "--columns", "id,count"),
        "--columns 'id' is of single attendances, and does not go with 'count', which asks for counts",
    ),
    "a single column with a pivot": (
        (*REPORT, "--columns", "event.name", "--pivot", "month"),
        "does not go with --pivot",
    ),
    "an order of single attendances among counts": (
        (*REPORT, "--group-by", "status", "--sort", "-event.starts_at"),
        "--sort '-event.starts_at' is of single attendances",
    ),
    "counts twice over": (
        (*REPORT, "--group-by", "status", "--columns", "status"),
        "--group-by is short for --columns",
    ),
    "counts of nothing": ((*REPORT, "--pivot", "month"), "--columns: At least one is needed"),
    "an unknown group": ((*REPORT, "--group-by", "venu"), "'venu' is not a column. Did you mean 'venue'?"),
    "a column with no near name": (
        (*REPORT, "--sort", "zzzz"),
        "'zzzz' is not a column. The choices are: id, updated_at,",
    ),
    "an order that is not selected": ((*REPORT, "--group-by", "status", "--sort", "venue.name"), "status, count"),
    "too many periods": ((*REPORT, "--group-by", "status", "--max-pivot-columns", "13"), "the most is 12"),
    "a table in a file": ((*REPORT, "-o", "x.txt"), "--output goes with --format csv or --format json"),
    "no server": ((*REPORT, "--server", "127.0.0.1:80"), "is not the address of a server"),
    "a server with a password": ((*REPORT, "--server", "http://u:p@host"), "is not the address of a server"),
    "a token in pieces": ((*REPORT, *SERVER[:2], "--token", "tk_a\ntk_b"), "characters that no token has"),
    "a token of other letters": ((*REPORT, *SERVER[:2], "--token", "tk_é"), "characters that no token has"),
    "a server without a token": ((*REPORT, "--server", "http://127.0.0.1:9"), "needs a token"),
    "a token without a server": ((*REPORT, "--token", "tk_x"), "--token goes with --server"),
    "a server and a store": ((*REPORT, *SERVER, "--database", "x"), "cannot be given together"),
    "serve on another server": (("serve", *SERVER), "this one is the server"),
    "rows without demo": (("serve", "--rows", "5"), "--rows goes with --demo"),
    "demo into a server": (("demo", *SERVER), "works on a store of this machine"),
    "a bad setting": (("serve", "--port", "99999"), "--port: '99999' is not a port from 0 to 65535"),
    "another bad setting": (("serve", "--unknown_parameters", "ignroe"), "Did you mean 'ignore'?"),
    "no shell": (("completion", "tcsh"), "'tcsh' is not one of: bash, zsh, fish"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_command(case: str) -> None:
    arguments, said = WRONG[case]
    done = typed(*arguments)
    assert done.exit_code == 2, done.output
    assert not done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr


FAULTS = {
    "status": ("attendedd", "Did you mean 'attended'?"),
    "columns": ("custmer.name", "Did you mean 'customer.name'?"),
    "sort": ("customer", "'customer' is a group"),
    "limit": ("101", "100"),
    "page": ("0", "1"),
    "event_timeframe": ("last_tuesday", "last_tuesday"),
    "event_start_gte": ("24:00", "24:00"),
    "include_future": ("maybe", "maybe"),
    "timezone": ("Mars/Olympus", "Mars/Olympus"),
    "csv_header": ("keys", "'keys'"),
    "customers": ("1;2", "1;2"),
    "booking_sources": ("web", "web"),
    "days_of_week": ("mondy", "Did you mean 'monday'?"),
    "start_hours": ("24", "the most is 23"),
}


def test_all_faults_of_a_report_are_said_together_each_under_its_option() -> None:
    arguments = [word for name, (value, _) in FAULTS.items() for word in (f"--{name}", value)]
    done = typed(*REPORT, *arguments)
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    for name, (_, said) in FAULTS.items():
        option = f"--{name.replace('_', '-')}: "
        assert any(option in line and said in line for line in lines), (name, done.stderr)


@pytest.mark.parametrize(("option", "least"), [("--limit", 0), ("--offset", 0), ("--page", 1), ("--id-gt", 0)])
def test_what_is_too_small_is_told_the_least(option: str, least: int) -> None:
    done = typed(*REPORT, option, "-1")
    assert done.exit_code == 2
    assert f"{option}: '-1' is too small; the least is {least}." in done.stderr
    assert "'-0' is not an integer" in typed(*REPORT, option, "-0").stderr


def test_a_parameter_that_is_no_list_is_not_given_twice() -> None:
    done = typed(*REPORT, "--limit", "5", "--limit", "6")
    assert done.exit_code == 2
    assert "--limit: It was given more than once" in done.stderr


def test_faults_of_two_parameters_together() -> None:
    done = typed(*REPORT, "--page", "2", "--offset", "5")
    assert done.exit_code == 2
    assert "'page' and 'offset' cannot be given together" in done.stderr


def test_what_steers_a_terminal_is_written_out() -> None:
    done = typed(*REPORT, "--status", "\x1b[31mred")
    assert done.exit_code == 2
    assert "\x1b" not in done.stderr
    assert "x1b[31mred" in done.stderr


@pytest.mark.parametrize("words", [("--event_timeframe", "2026-Q3"), ("--event-timeframe", "2026-Q3")])
def test_options_are_spelled_with_either_dash(words: tuple[str, ...]) -> None:
    done = typed(*REPORT, *words)
    # The parameters are right: what fails is that there is no store.
    assert done.exit_code == 1
    assert "There is no store /nonexistent/turnout.duckdb" in done.stderr


def test_a_boolean_may_stand_alone() -> None:
    assert typed(*REPORT, "--include-future", "--status", "attended").exit_code == 1
    assert typed(*REPORT, "--include-future", "false").exit_code == 1


def test_where_it_works_is_taken_before_the_command_and_after_it() -> None:
    for words in (("--database", "/nowhere/a", *REPORT), (*REPORT, "--database", "/nowhere/a")):
        assert "There is no store /nowhere/a." in typed(*words).stderr
    both = typed("--database", "/nowhere/a", *REPORT, "--database", "/nowhere/b")
    assert "There is no store /nowhere/b." in both.stderr


def test_a_setting_of_the_environment_that_is_wrong_is_no_fault_of_the_command() -> None:
    done = typed(*REPORT, TURNOUT_QUERY_TIMEOUT="soon")
    assert done.exit_code == 1
    assert "query_timeout: 'soon' in TURNOUT_QUERY_TIMEOUT is not a number of seconds" in done.stderr


def test_a_server_in_the_environment_counts_unless_a_store_is_named() -> None:
    server = {"TURNOUT_SERVER": "http://127.0.0.1:9", "TURNOUT_TOKEN": "tk_x"}
    refused = typed(*REPORT, **server)
    assert refused.exit_code == 1
    assert "http://127.0.0.1:9 could not be reached" in refused.stderr
    assert "There is no store" in typed(*REPORT, "--database", "/nowhere/a", **server).stderr


def test_a_store_of_another_kind() -> None:
    done = typed(*REPORT, "--database", "mysql://somewhere/db")
    assert done.exit_code == 2
    assert "There is no store for 'mysql://' addresses" in done.stderr
    for ends in (("--from", "mysql://a/b", "--to", "c"), ("--from", "c", "--to", "duckdb://x/y")):
        assert typed("move", *ends).exit_code == 2
    assert typed(*REPORT, TURNOUT_DATABASE="mysql://somewhere/db").exit_code == 1


def test_a_database_that_is_not_there() -> None:
    done = typed(*REPORT, "--database", "postgresql://who:secret-word@127.0.0.1:1/db")
    assert done.exit_code == 1
    assert "The database cannot be reached" in done.stderr
    assert "secret-word" not in done.stderr
