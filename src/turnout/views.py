"""Saved views: what somebody wants to see again on the page, by name; each provider's, private or shared.

Whose a view is, is told by the credential's subject, of which a hash is stored: a subject may be a person.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.text import fold
from turnout.errors import Faults, TurnoutError
from turnout.query.instants import format_utc
from turnout.store.views import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from turnout.store.base import Store

LONGEST_NAME: Final = 100
LONGEST_STATE: Final = 8_000
MOST: Final = 200
"""So many views of a provider one owner may have."""
LARGEST_ID: Final = 2**53 - 1
"""The largest number that every reader of JSON takes for what it is."""
_MEMBERS: Final = ("name", "state", "shared", "default")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks for views of a provider. `manages` is who may change what others share."""

    provider_id: int
    subject: str
    manages: bool

    @property
    def owner(self) -> str:
        """As what the viewer's own views are known."""
        return sha256(self.subject.encode()).hexdigest()


def view_document(view: View, viewer: Viewer) -> Json:
    """What a viewer is told of a view. Whether it is somebody else's default is nobody's business."""
    mine = view.owner == viewer.owner
    return {
        "id": view.id,
        "name": view.name,
        "state": view.state,
        "shared": view.shared,
        "default": view.is_default and mine,
        "mine": mine,
        "updated_at": format_utc(view.updated_at),
    }


def list_views(store: Store, viewer: Viewer) -> list[View]:
    """The viewer's own views and those that others share, by name."""
    found = store.views.seen_by(viewer.provider_id, viewer.owner)
    return sorted(found, key=lambda view: (fold(view.name), view.name, view.id))


def add_view(store: Store, viewer: Viewer, given: Mapping[str, object], now: int) -> View:
    """Save a view from `name`, `state`, and optionally `shared` and `default`.

    Raises `parameter_invalid` with all faults, and `conflict` where the viewer has as many as there may be.
    """
    faults = Faults()
    for name in ("name", "state"):
        if given.get(name) is None:
            faults.add(name, "It is needed.")
    # No id comes back after its view is gone: an address may still name it.
    id_ = secrets.randbelow(LARGEST_ID) + 1
    new = View(viewer.provider_id, id_, viewer.owner, "", "", shared=False, is_default=False, updated_at=now)
    view = _changed(new, given, faults)
    faults.raise_if_any()
    if not store.views.add(view, MOST):
        raise TurnoutError("conflict", f"There are {MOST} views already; remove one first.")
    return view


def change_view(store: Store, viewer: Viewer, id_: int, given: Mapping[str, object], now: int) -> View:
    """Change what is given of a view. Raises as `add_view`, `not_found`, and `permission_denied`: see `_own`."""
    known = _own(store, viewer, id_)
    faults = Faults()
    view = _changed(replace(known, updated_at=now), given, faults)
    if view.is_default != known.is_default and known.owner != viewer.owner:
        faults.add("default", "It is for the view's owner to say.")
    faults.raise_if_any()
    if not store.views.change(view):
        raise _unknown(id_)
    return view


def remove_view(store: Store, viewer: Viewer, id_: int) -> None:
    """Forget a view. Raises `not_found`, and `permission_denied`: see `_own`."""
    _own(store, viewer, id_)
    if not store.views.remove(viewer.provider_id, id_):
        raise _unknown(id_)


def _own(store: Store, viewer: Viewer, id_: int) -> View:
    """A view that the viewer may change: an own one, or a shared one for who manages those.

    Others' private ones are `not_found`, others' shared ones `permission_denied`.
    """
    view = store.views.get(viewer.provider_id, id_)
    if view is None or (view.owner != viewer.owner and not view.shared):
        raise _unknown(id_)
    if view.owner != viewer.owner and not viewer.manages:
        raise TurnoutError("permission_denied", "This view is somebody else's, who shares it; save one of your own.")
    return view


def _unknown(id_: int) -> TurnoutError:
    return TurnoutError("not_found", f"There is no view {id_}.")


def _changed(view: View, given: Mapping[str, object], faults: Faults) -> View:
    """The view with the members that are given and not null; what is wrong with them is added to `faults`."""
    faults.only(given, _MEMBERS)
    name = _text(given, "name", 1, LONGEST_NAME, faults)
    state = _text(given, "state", 0, LONGEST_STATE, faults)
    shared, default = (_boolean(given, member, faults) for member in ("shared", "default"))
    return replace(
        view,
        name=view.name if name is None else name,
        state=view.state if state is None else state,
        shared=view.shared if shared is None else shared,
        is_default=view.is_default if default is None else default,
    )


def _text(given: Mapping[str, object], field: str, least: int, most: int, faults: Faults) -> str | None:
    value = given.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        faults.add(field, "It must be a text.")
        return None
    text = value.strip()
    if not least <= len(text) <= most:
        faults.add(field, f"It must have {least} to {most} characters.")
    if any(character < " " or character == "\x7f" for character in text):
        faults.add(field, "It has a control character; these are part of no text.")
    return text


def _boolean(given: Mapping[str, object], field: str, faults: Faults) -> bool | None:
    value = given.get(field)
    if value is None or isinstance(value, bool):
        return value
    faults.add(field, "It must be true or false.")
    return None
