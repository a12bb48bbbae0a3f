"""What an incoming row may have, derived from the catalogue: its members, its CSV headers, and what hangs on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from turnout.catalog.attendances import ATTENDANCES, THINGS
from turnout.catalog.types import Kind, Member, Thing
from turnout.store.schema import staged_members

FIELDS: Final[tuple[Member, ...]] = tuple(staged_members())
"""The members with a place of their own in a row. An instructor's name is inside the list of instructors."""

PERSON: Final = ("id", "name")
"""The members of one element of a list of people, and of a thing that may come as a text or as an object."""

PERSON_NAME: Final = next(thing.members[0].storage for thing in THINGS if thing.reference == "instructor_ids")
"""Stands for the names inside the list: its bit is set where every element of the list has the member."""

ZONES: Final = frozenset({"venue_timezone"})
"""Texts that must name an IANA time zone."""

DEFAULTED: Final = frozenset({"is_first_attendance"})
"""Members whose null counts as missing, because they are then worked out."""

Tree = dict[str, "Tree | Member"]


def _tree() -> Tree:
    tree: Tree = {}
    # In the order in which reports write them: a decoder that looks for the next member first finds it.
    published = {key: n for n, key in enumerate(ATTENDANCES.by_key)}
    for field in sorted(FIELDS, key=lambda field: published.get(field.path, len(published))):
        *groups, last = field.path.split(".")
        node = tree
        for group in groups:
            child = node.setdefault(group, {})
            assert isinstance(child, dict)  # noqa: S101 - a path of the catalogue is a group or a leaf, not both
            node = child
        node[last] = field
    return tree


TREE: Final[Tree] = _tree()
"""The nested form of a JSON row."""


def name_of(thing: Thing) -> Member | None:
    """The member by which a thing is known, where a row may name it without its id."""
    return next((m for m in thing.members if m.storage == f"{thing.name}_name"), None) if thing.by_name else None


def _text_or_object() -> dict[str, str]:
    names = ((name_of(thing), thing.reference) for thing in THINGS if thing.reference != "instructor_ids")
    return {name.storage: reference for name, reference in names if name and not name.path.endswith(".name")}


TEXT_OR_OBJECT: Final = _text_or_object()
"""Names that may also come as an object {id, name}, and where that id is kept."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A thing that a row need not have. Without an id and a name there is nothing that `members` could belong to."""

    reference: str
    name: str | None
    members: tuple[str, ...]


def _relations() -> tuple[Relation, ...]:
    by_storage = {field.storage: field for field in FIELDS}
    relations = []
    for thing in THINGS:
        reference = by_storage[thing.reference]
        if reference.kind is Kind.PEOPLE or reference.needed:
            continue
        name = name_of(thing)
        members = tuple(m.storage for m in thing.members if m is not name)
        relations.append(Relation(thing.reference, name.storage if name else None, members))
    return tuple(relations)


RELATIONS: Final = _relations()
"""From the outside in: a thing that hangs on another comes after it."""

RELATION_OF: Final = {relation.reference: relation for relation in RELATIONS}


def _headers() -> dict[str, Member]:
    headers = {}
    for field in FIELDS:
        column = ATTENDANCES.by_key.get(field.path)
        names = (column.key, column.other_name, column.label) if column else (field.path, field.storage)
        headers.update({name: field for name in names if name})
    return headers


HEADERS: Final = _headers()
"""Every name that a CSV header may use: keys, other names and labels."""
