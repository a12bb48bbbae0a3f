"""The house's rules, checked: who imports whom, how long things are, and where names of columns may stand."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.columns import GROUPS, TABLE
from oracle.requests import BOUNDS, CHOICES, IDS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "turnout"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(file.relative_to(SOURCE)) for file in FILES]

MOST_LINES = 350
MOST_LINES_OF_A_FUNCTION = 60

COLUMN_NAMES = {name for column in TABLE for name in (column.key, column.other_name, column.label) if name} | {*GROUPS}
PARAMETER_NAMES = {*CHOICES, *IDS, *BOUNDS, "instructors", "id_gt", "event_timeframe", "include_future"}
# Words that mean much else as well.
COMMON = {"id", "ID", "status", "Status", "event", "customer", "venue", "instructors", "Instructors", "checkin"}
MOST_NAMES = 3


def test_rooms_import_only_the_rooms_below_them() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_files_and_functions_are_short(file: Path) -> None:
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {node.name: length for node in functions if (length := _lines(node)) > MOST_LINES_OF_A_FUNCTION}
    assert not long


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if SOURCE / "catalog" not in file.parents],
    ids=[name for name in NAMES if not name.startswith("catalog/")],
)
def test_only_the_catalogue_lists_columns_and_filters(file: Path) -> None:
    """A list, a tuple, a set, a dictionary or a call that names several columns is a second catalogue."""
    lists = {
        node.lineno: names
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if len(names := _named(node)) > MOST_NAMES
    }
    assert not lists


def _named(node: ast.AST) -> set[str]:
    """The names of columns and filters that stand side by side in one display or call."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        parts = node.elts
    elif isinstance(node, ast.Dict):
        parts = [*(key for key in node.keys if key), *node.values]
    elif isinstance(node, ast.Call):
        parts = node.args
    else:
        return set()
    texts = {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return texts & (COLUMN_NAMES | PARAMETER_NAMES) - COMMON


def test_the_check_for_lists_of_columns_finds_one() -> None:
    tree = ast.parse("x = ['customer.name', 'event.id', 'venue.name', 'event_starts_at']")
    assert any(len(_named(node)) > MOST_NAMES for node in ast.walk(tree))
