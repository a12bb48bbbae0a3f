"""One incoming row, checked exactly (contract sections 5 and 9): the single source of truth for what is a fault.

`columns.py` checks whole chunks faster, and leaves every chunk that is not plainly right to this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from turnout.catalog.types import Kind, Member
from turnout.errors import did_you_mean, shown
from turnout.ingest.cells import CellChecker, expected, found
from turnout.ingest.faults import MOST_FAULTS, Fault, column_name, cut
from turnout.ingest.fields import (
    DEFAULTED,
    FIELDS,
    HEADERS,
    PERSON_NAME,
    RELATION_OF,
    RELATIONS,
    TEXT_OR_OBJECT,
    TREE,
    Relation,
    Tree,
)
from turnout.store.schema import HAS_BIT
from turnout.store.staging import STAGING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from turnout.ingest.faults import Limits

Stated = dict[str, Any]
"""What a row states, by storage name: absent says nothing, None says 'none'."""


class RowError(Exception):
    """Everything that is wrong with one row."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = cut(faults)
        super().__init__(self.faults)


class RowChecker:
    """Checks rows for one provider: `zone` is where its naive date-times are local."""

    def __init__(self, zone: ZoneInfo, limits: Limits) -> None:
        self._cells = CellChecker(zone, limits)

    def json(self, value: object) -> Stated:
        """What a row in its nested form states. Raises `RowError`."""
        faults: list[Fault] = []
        if not isinstance(value, dict):
            raise RowError([Fault("", f"found {found(value)}; a row is expected, which is an object.")])
        members: dict[str, object] = {}
        _flatten(value, TREE, "", members, faults)
        stated: Stated = {}
        for field in FIELDS:
            if field.storage in members:
                try:
                    self._state_json(field, members[field.storage], stated)
                except ValueError as fault:
                    faults.append(Fault(field.path, str(fault)))
        return _related(stated, faults)

    def csv(self, fields: Sequence[Member], cells: Sequence[str]) -> Stated:
        """What the cells of a CSV record state, one for each of `fields`. Raises `RowError`."""
        faults: list[Fault] = []
        stated: Stated = {}
        for field, cell in zip(fields, cells, strict=True):
            try:
                stated[field.storage] = self._cells.cell(cell, field)
                if field.kind is Kind.PEOPLE and cell:
                    stated[PERSON_NAME] = None
            except ValueError as fault:
                faults.append(Fault(field.path, str(fault)))
        return _related(stated, faults)

    def _state_json(self, field: Member, value: object, stated: Stated) -> None:
        if field.storage in TEXT_OR_OBJECT:
            reference = TEXT_OR_OBJECT[field.storage]
            thing = self._cells.text_or_object(value, field)
            if "name" in thing:
                stated[field.storage] = thing["name"]
            if "id" in thing:
                stated[reference] = _agreed(stated.get(reference), thing["id"], reference)
            return
        stated[field.storage] = self._cells.json(value, field)
        # Checked by now: the list is one of objects.
        if field.kind is Kind.PEOPLE and isinstance(value, list) and value and all("name" in each for each in value):
            stated[PERSON_NAME] = None


def _flatten(value: dict[str, Any], tree: Tree, path: str, members: dict[str, object], faults: list[Fault]) -> None:
    """Put the members of a nested row into `members`, by storage name. A null object is null in all of its members."""
    for name, child in value.items():
        node = tree.get(name)
        if node is None:
            reason = _unknown(name, tree, path) if len(faults) < MOST_FAULTS else ""
            faults.append(Fault(path + column_name(name), reason))
        elif isinstance(node, Member):
            members[node.storage] = child
        elif isinstance(child, dict):
            _flatten(child, node, f"{path}{name}.", members, faults)
        elif child is None:
            _flatten(dict.fromkeys(node), node, f"{path}{name}.", members, faults)
        else:
            faults.append(Fault(path + name, f"found {found(child)}; an object is expected: {', '.join(node)}."))


def _unknown(name: str, tree: Tree, path: str) -> str:
    where = f"of '{path[:-1]}'" if path else "of a row"
    field = HEADERS.get(name) if not path else None
    if field is not None:
        groups = field.path.split(".")
        nested = "".join(f'{{"{group}": ' for group in groups) + "..." + "}" * len(groups)
        if name == field.path:
            return f"{shown(name)} is not a member {where}: members are nested, as in {nested}."
        return f"{shown(name)} is not a member {where}. Did you mean {field.path!r}, as in {nested}?"
    hint = did_you_mean(name, tree) or f" The members are: {', '.join(tree)}."
    return f"{shown(name)} is not a member {where}.{hint}"


def _agreed(one: int | None, other: int | None, reference: str) -> int | None:
    """One id from two places; null in one of them does not contradict the other."""
    if one is not None and other is not None and one != other:
        raise ValueError(f"the id {other} contradicts '{reference}', which is {one}.")
    return other if one is None else one


def _related(stated: Stated, faults: list[Fault]) -> Stated:
    """Complete the references, refuse what belongs to nothing, drop what says nothing. Raises `RowError`."""
    for member in FIELDS:
        if member.needed and stated.get(member.storage) is None and not _has_fault(faults, member.path):
            faults.append(Fault(member.path, f"missing; {expected(member)}."))
    for relation in RELATIONS:
        if relation.name in stated:
            stated.setdefault(relation.reference, None)
    for relation in RELATIONS:
        if not _is_there(relation, stated) and not any(_has_fault(faults, path) for path in _paths(relation)):
            _drop_absent(relation, stated, faults)
    for storage in DEFAULTED:
        if stated.get(storage, False) is None:
            del stated[storage]
    if faults:
        raise RowError(faults)
    return stated


def _drop_absent(relation: Relation, stated: Stated, faults: list[Fault]) -> None:
    """What belongs to a thing that is not there: refused where it says something, dropped where it says 'none'."""
    for storage in relation.members:
        hanging = _hanging(storage, stated)
        if hanging:
            faults.append(Fault(_PATHS[hanging], _belongs_to_nothing(relation, stated[hanging])))
        stated.pop(storage, None)
    if relation.name:
        stated.pop(relation.name, None)


_PATHS = {field.storage: field.path for field in FIELDS}


def _has_fault(faults: Sequence[Fault], path: str) -> bool:
    """Whether a column, or an object that it is in, is at fault already: one fault is told once."""
    return any(path == fault.column or path.startswith(fault.column + ".") for fault in faults)


def _is_there(relation: Relation, stated: Stated) -> bool:
    name = stated.get(relation.name) if relation.name else None
    return stated.get(relation.reference) is not None or name is not None


def _paths(relation: Relation) -> list[str]:
    return [_PATHS[storage] for storage in (relation.reference, relation.name) if storage]


def _hanging(storage: str, stated: Stated) -> str | None:
    """The member that says something of a thing that is not there, if any: itself, or the name of what it refers to."""
    if stated.get(storage) is not None:
        return storage
    inner = RELATION_OF.get(storage)
    return inner.name if inner and inner.name and stated.get(inner.name) is not None else None


def _belongs_to_nothing(relation: Relation, value: object) -> str:
    said = shown(value) if isinstance(value, str) else str(value)
    return f"{said} belongs to nothing: {' or '.join(_paths(relation))} is needed with it."


def batch_of(rows: Sequence[Stated], first_seq: int) -> pa.RecordBatch:
    """A batch of `STAGING` from checked rows."""
    arrays: dict[str, pa.Array] = {
        "seq": pa.array(range(first_seq, first_seq + len(rows)), pa.int64()),
        "has": pa.array([sum(HAS_BIT[storage] for storage in stated) for stated in rows], pa.int64()),
    }
    for field in FIELDS:
        values = [stated.get(field.storage) for stated in rows]
        if field.kind is Kind.INSTANT:
            arrays[field.storage] = pa.array(values, pa.int64()).cast(STAGING.field(field.storage).type)
        else:
            arrays[field.storage] = pa.array(values, STAGING.field(field.storage).type)
    return pa.RecordBatch.from_arrays([arrays[name] for name in STAGING.names], schema=STAGING)
