"""Who somebody is: name, e-mail address and picture follow from the seed and the person's number alone.

So nothing has to be remembered about the customers who came years ago, and every row says the same of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from turnout.ingest.demo.chance import Bools, Floats, Ints, fraction, words
from turnout.ingest.demo.names import CULTURES, address_name, shown_name

CUSTOMERS: Final = 1
INSTRUCTORS: Final = 2

_NAME_SALT: Final = 10
_NAMESAKE_SALT: Final = 20
_SECOND_SALT: Final = 30
_CONTACT_SALT: Final = 40
_NAMESAKES: Final = 0.015
_NAMESAKE_WITHIN: Final = 300
_NO_EMAIL: Final = 0.08
_PICTURES: Final = 0.42
_SKEW: Final = 1.2
"""Names at the head of a list are more frequent than those at its end."""

_HOSTS: Final = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")


@dataclass(frozen=True)
class _Names:
    """The lists of all cultures, laid end to end: first all given names, then all family names."""

    shown: pa.StringArray
    address: pa.StringArray
    share: Floats
    given_from: Ints
    given_count: Ints
    family_from: Ints
    family_count: Ints
    doubled: Floats
    joint: pa.StringArray
    family_first: Bools
    between: pa.StringArray


@cache
def _names() -> _Names:
    given = [word for culture in CULTURES for word in culture.given]
    family = [word for culture in CULTURES for word in culture.family]
    given_count = np.array([len(culture.given) for culture in CULTURES])
    family_count = np.array([len(culture.family) for culture in CULTURES])
    share = np.array([culture.share for culture in CULTURES], dtype=np.float64)
    return _Names(
        shown=pa.array([shown_name(word) for word in given + family]),
        address=pa.array([address_name(word) for word in given + family]),
        share=np.cumsum(share) / share.sum(),
        given_from=np.cumsum(given_count) - given_count,
        given_count=given_count,
        family_from=np.cumsum(family_count) - family_count + len(given),
        family_count=family_count,
        doubled=np.array([culture.doubled / 1000 for culture in CULTURES]),
        joint=pa.array([culture.joint for culture in CULTURES]),
        family_first=np.array([culture.family_first for culture in CULTURES]),
        between=pa.array([culture.between for culture in CULTURES]),
    )


@dataclass(frozen=True)
class _Parts:
    """By person: the culture, and the places of the names in the lists; no second family name is -1."""

    culture: Ints
    given: Ints
    family: Ints
    second: Ints


def _parts(seed: int, kind: int, ids: Ints) -> _Parts:
    names = _names()
    word, again = words(seed, _NAME_SALT + kind, ids), words(seed, _SECOND_SALT + kind, ids)
    culture = np.searchsorted(names.share, fraction(word, 0), side="right")

    def place(first: Ints, count: Ints, luck: Floats) -> Ints:
        return first[culture] + (luck**_SKEW * count[culture]).astype(np.int64)

    family = place(names.family_from, names.family_count, fraction(word, 2))
    second = place(names.family_from, names.family_count, fraction(again, 1))
    doubled = (fraction(again, 0) < names.doubled[culture]) & (second != family)
    given = place(names.given_from, names.given_count, fraction(word, 1))
    return _Parts(culture, given, family, np.where(doubled, second, -1))


def _named_after(seed: int, ids: Ints) -> Ints:
    """Find by customer whose name it is. A few are namesakes of somebody who came not long before; number 3 is."""
    word = words(seed, _NAMESAKE_SALT, ids)
    back = 1 + (fraction(word, 1) * np.minimum(ids - 1, _NAMESAKE_WITHIN)).astype(np.int64)
    namesake = ((fraction(word, 0) < _NAMESAKES) & (ids > 1)) | (ids == 3)  # noqa: PLR2004 - so that a small set has one
    return np.where(namesake, ids - back, ids)


def _full_names(parts: _Parts) -> pa.StringArray:
    names = _names()
    given, family = names.shown.take(pa.array(parts.given)), names.shown.take(pa.array(parts.family))
    second = names.shown.take(pa.array(parts.second, mask=parts.second < 0))
    both = pc.binary_join_element_wise(family, second, names.joint.take(pa.array(parts.culture)))
    family = pc.coalesce(both, family)
    family_first = pa.array(names.family_first[parts.culture])
    first, last = pc.if_else(family_first, family, given), pc.if_else(family_first, given, family)
    return pc.binary_join_element_wise(first, last, names.between.take(pa.array(parts.culture)))


@dataclass(frozen=True)
class Customers:
    """Texts of some customers, in the order asked for; null where there is none."""

    names: pa.StringArray
    emails: pa.StringArray
    pictures: pa.StringArray


def customers(seed: int, ids: Ints) -> Customers:
    """Return the texts of the customers with these ids (from 1)."""
    names = _names()
    parts = _parts(seed, CUSTOMERS, _named_after(seed, ids))
    word = words(seed, _CONTACT_SALT, ids)
    number = pa.array(ids).cast(pa.string())
    host = pa.array(_HOSTS).take(pa.array((fraction(word, 0) ** _SKEW * len(_HOSTS)).astype(np.int64)))
    emails = pc.binary_join_element_wise(
        pc.binary_join_element_wise(
            names.address.take(pa.array(parts.given)), names.address.take(pa.array(parts.family)), "."
        ),
        pc.binary_join_element_wise(number, host, "@"),
        "",
    )
    pictures = pc.binary_join_element_wise("https://images.example.com/people/", number, ".jpg", "")
    return Customers(
        names=_full_names(parts),
        emails=pc.if_else(pa.array(fraction(word, 1) >= _NO_EMAIL), emails, None),
        pictures=pc.if_else(pa.array(fraction(word, 2) < _PICTURES), pictures, None),
    )


def instructor_names(seed: int, ids: Ints) -> pa.StringArray:
    """Return the names of the instructors with these ids (from 1)."""
    return _full_names(_parts(seed, INSTRUCTORS, ids))
