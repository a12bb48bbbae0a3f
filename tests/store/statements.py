"""Reading statements: which tables of providers does one touch without saying whose rows it is about?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pglast
from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType

if TYPE_CHECKING:
    from collections.abc import Iterator

BY = "provider_id"
# Of the driver's two ways to write a bound value: PostgreSQL's parser knows the other one.
_BOUND = re.compile(r"%(\(\w+\))?s")


def parsed(sql: str) -> list[ast.Node]:
    """The statements of a text."""
    return [raw.stmt for raw in pglast.parse_sql(_BOUND.sub("$1", sql).replace("%%", "%"))]


def open_tables(statement: ast.Node, tables: set[str]) -> list[str]:
    """Those of the tables that the statement reads or changes without an equality of their `BY` with one value."""
    found: list[str] = []
    _look(statement, tables, found)
    return found


@dataclass
class _Level:
    """One SELECT, UPDATE, DELETE or INSERT: its own tables, by the names it has for them, and its conditions."""

    ranges: dict[str, str] = field(default_factory=dict)
    conditions: list[ast.Node] = field(default_factory=list)
    inner: list[ast.Node] = field(default_factory=list)


def _look(node: ast.Node, tables: set[str], found: list[str]) -> None:
    level = _Level()
    for name in ("relation", "fromClause", "usingClause", "whereClause", "targetList", "sortClause", "withClause"):
        _into(getattr(node, name, None), level, is_condition=name == "whereClause")
    for name in (
        "groupClause",
        "havingClause",
        "valuesLists",
        "returningList",
        "limitCount",
        "limitOffset",
        "larg",
        "rarg",
    ):
        _into(getattr(node, name, None), level)
    if isinstance(node, ast.InsertStmt):
        if node.relation.relname in tables and not _inserts_one_provider(node):
            found.append(node.relation.relname)
        level.ranges.clear()
        if node.onConflictClause:
            _into(node.onConflictClause.targetList, level)
        _into(node.selectStmt, level)
    pinned = _pinned(level)
    found += [table for name, table in level.ranges.items() if table in tables and name not in pinned]
    for inner in level.inner:
        _look(inner, tables, found)


def _into(node: Any, level: _Level, *, is_condition: bool = False) -> None:
    """Sort what is in a part of a statement: tables, conditions, and statements inside."""
    if node is None:
        return
    if isinstance(node, tuple | list):
        for one in node:
            _into(one, level)
        return
    if not isinstance(node, ast.Node):
        return
    if isinstance(node, ast.SelectStmt):
        level.inner.append(node)
        return
    if isinstance(node, ast.RangeVar):
        level.ranges[node.alias.aliasname if node.alias else node.relname] = node.relname
        return
    if is_condition:
        level.conditions += _conjuncts(node)
    if isinstance(node, ast.JoinExpr):
        _into(node.quals, level, is_condition=True)
        _into(node.larg, level)
        _into(node.rarg, level)
        return
    for name in node:
        _into(getattr(node, name), level)


def _conjuncts(node: ast.Node) -> Iterator[ast.Node]:
    if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.AND_EXPR:
        for one in node.args:
            yield from _conjuncts(one)
    else:
        yield node


def _pinned(level: _Level) -> set[str]:
    """The names of the tables whose provider is one value, or that of another such table."""
    same: list[tuple[str, str]] = []
    pinned: set[str] = set()
    for condition in level.conditions:
        if not (isinstance(condition, ast.A_Expr) and condition.kind == A_Expr_Kind.AEXPR_OP):
            continue
        if [one.sval for one in condition.name] != ["="]:
            continue
        for side, other in ((condition.lexpr, condition.rexpr), (condition.rexpr, condition.lexpr)):
            name = _of_provider(side, level)
            if name is None:
                continue
            if _is_value(other):
                pinned.add(name)
            elif (beside := _of_provider(other, level)) is not None:
                same.append((name, beside))
    for _ in same:
        pinned |= {one for one, other in same if other in pinned}
    return pinned


def _of_provider(node: ast.Node, level: _Level) -> str | None:
    """The table, by its name, whose `BY` an expression is."""
    if not isinstance(node, ast.ColumnRef):
        return None
    parts = [part.sval for part in node.fields if isinstance(part, ast.String)]
    if parts[-1:] != [BY]:
        return None
    if len(parts) > 1:
        return parts[-2]
    return next(iter(level.ranges)) if len(level.ranges) == 1 else None


def _is_value(node: ast.Node) -> bool:
    if isinstance(node, ast.TypeCast):
        return _is_value(node.arg)
    return isinstance(node, ast.ParamRef | ast.A_Const)


def _inserts_one_provider(node: ast.InsertStmt) -> bool:
    columns = [column.name for column in node.cols or ()]
    if BY not in columns:
        return False
    at = columns.index(BY)
    if node.selectStmt.valuesLists:
        return all(_is_value(row[at]) for row in node.selectStmt.valuesLists)
    return _is_value(node.selectStmt.targetList[at].val)
