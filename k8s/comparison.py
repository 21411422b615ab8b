"""Whether a live object has all that a manifest says already, so that it needs no request.

A live object never equals its manifest: the API server adds defaults, other managers add fields and list items,
quantities are written anew (`0.1` becomes `100m`), and zero values (`false`, `""`, `[]`) are dropped. What decides is
the object's own `managedFields`: they say which lists are merged and by which keys, and they keep what was dropped (a
field that we own and that is not there was dropped; when somebody else takes it away, we do not own it any more). So
no table of Kubernetes' types is needed, and custom resources compare as well as built-in ones.

Three things make a request necessary: a field that differs, one that is wanted and not ours (its owner may take it
away), and one that is ours and no longer wanted (only an apply without it removes it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from k8s.managed_fields import (
    ITSELF,
    Path,
    Tree,
    all_fields,
    fields_of,
    is_ownable,
    key_step,
    keys_of,
    path_text,
    value_step,
)
from k8s.objects import FIELD_MANAGER, LiveObject, Manifest
from k8s.quantities import is_same_quantity


class Difference(NamedTuple):
    """A field that is not as the manifest says."""

    path: Path
    wanted: Any
    found: Any
    """`None` when the field is not there."""

    def __str__(self) -> str:
        """Return the difference for people."""
        return f"{path_text(self.path)}: {self.wanted!r} wanted, {self.found!r} found"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a live object and its manifest differ."""

    differences: tuple[Difference, ...]
    not_ours: tuple[Path, ...]
    """Fields of the manifest that its manager does not own, outermost ones only."""
    no_longer_wanted: tuple[Path, ...]
    """Fields that the manager owns and the manifest does not have, outermost ones only."""

    @property
    def is_applied(self) -> bool:
        """Return whether applying the manifest would change nothing."""
        return not (self.differences or self.not_ours or self.no_longer_wanted)


def compare(manifest: Manifest, live: LiveObject, manager: str = FIELD_MANAGER) -> Comparison:
    """Return how *live*, with its `managedFields`, differs from what *manager* wants with *manifest*."""
    own = fields_of(live, manager)
    place = _Place((), own or None, all_fields(live))
    return Comparison(
        differences=tuple(_differences(manifest, live, place)),
        not_ours=tuple(_not_ours(manifest, place)),
        no_longer_wanted=tuple(_no_longer_wanted(manifest, own, ())),
    )


class _Place(NamedTuple):
    """A field: where it is, what of it is ours, and what of it is anybody's."""

    path: Path
    own: Tree | None
    """`None` where nothing is ours."""
    anybodys: Tree | None
    """`None` where nobody owns anything."""

    @property
    def is_whole(self) -> bool:
        """Return whether the field is ours, and is owned as a whole only."""
        return self.own is not None and not self.own and not self.anybodys

    def at(self, step: str) -> _Place:
        """Return the field at *step* in this one."""
        path, own, anybodys = (*self.path, step), self.own, self.anybodys
        if self.is_whole:
            return _Place(path, own, anybodys)
        return _Place(path, None if own is None else own.get(step), None if anybodys is None else anybodys.get(step))


_DEFAULT_KEYS = {"protocol": "TCP"}
"""The one key field of lists that manifests leave out."""

_ABSENT = object()


def _differences(wanted: Any, live: Any, place: _Place) -> Iterator[Difference]:
    match wanted, live:
        case dict(), dict():
            for name, value in wanted.items():
                found = live.get(name, _ABSENT)
                if not _is_same_text(value, found):
                    yield from _field_differences(value, found, place.at(f"f:{name}"))
        case list(), list() if key_names := _key_names(place.anybodys):
            yield from _item_differences(wanted, live, key_names, place)
        case list(), list() if _is_set(place.anybodys):
            for item in wanted:
                if item not in live:
                    yield Difference((*place.path, value_step(item)), item, None)
        case list(), list() if len(wanted) == len(live):
            for index, (one, other) in enumerate(zip(wanted, live, strict=True)):
                yield from _differences(one, other, place.at(f"i:{index}"))
        case _ if not _is_same(wanted, live, place.path):
            yield Difference(place.path, wanted, live)


def _field_differences(wanted: Any, live: Any, place: _Place) -> Iterator[Difference]:
    if live is not _ABSENT and (live is not None or wanted is None):
        yield from _differences(wanted, live, place)
    elif not (_wants_nothing(wanted) or (_is_zero(wanted) and place.own is not None)):
        yield Difference(place.path, wanted, None)


def _item_differences(
    wanted: Sequence[Any], live: Sequence[Any], key_names: Sequence[str], place: _Place
) -> Iterator[Difference]:
    positions = {_keys(item, key_names): position for position, item in enumerate(live)}
    found = []
    for item in wanted:
        position = positions.get(_keys(item, key_names))
        inner = place.at(_step_of(item, key_names, place.anybodys))
        if position is None:
            yield Difference(inner.path, item, None)
        else:
            found.append(position)
            yield from _differences(item, live[position], inner)
    if found != sorted(found):
        # The API server takes over the order of an apply; containers start, and variables refer, in order.
        yield Difference(place.path, wanted, [live[position] for position in sorted(found)])


def _not_ours(wanted: Any, place: _Place) -> Iterator[Path]:
    if place.is_whole or (place.own is None and _wants_nothing(wanted)):
        return
    if place.own is None:
        yield place.path
        return
    for step, inner in _steps(wanted, place):
        if place.own.get(step) == {} and not (place.anybodys or {}).get(step):
            continue  # It is ours as a whole.
        if is_ownable((*place.path, step)):
            yield from _not_ours(inner, place.at(step))
        elif isinstance(inner, dict):
            metadata = place.at(step)
            yield from _not_ours(inner, metadata if metadata.own is not None else metadata._replace(own=_NOTHING))


_NOTHING: Tree = {ITSELF: {}}


def _steps(wanted: Any, place: _Place) -> Iterator[tuple[str, Any]]:
    if isinstance(wanted, dict):
        yield from ((f"f:{name}", value) for name, value in wanted.items())
    elif isinstance(wanted, list) and (key_names := _key_names(place.anybodys)):
        yield from ((_step_of(item, key_names, place.anybodys), item) for item in wanted)
    elif isinstance(wanted, list) and _is_set(place.anybodys):
        yield from ((value_step(item), item) for item in wanted)


def _no_longer_wanted(wanted: Any, own: Tree, path: Path) -> Iterator[Path]:
    for step, inner in own.items():
        if step == ITSELF:
            continue
        value = _value_at(wanted, step)
        if value is _ABSENT:
            yield (*path, step)
        elif inner:
            yield from _no_longer_wanted(value, inner, (*path, step))


def _value_at(wanted: Any, step: str) -> Any:
    """Return what *wanted* has at *step*, or `_ABSENT`."""
    kind, _, rest = step.partition(":")
    if isinstance(wanted, dict):
        return wanted.get(rest, _ABSENT) if kind == "f" else _ABSENT
    if not isinstance(wanted, list):
        return _ABSENT
    if keys := keys_of(step):
        names = tuple(keys)
        return next((item for item in wanted if _keys(item, names) == tuple(keys.values())), _ABSENT)
    if kind == "v":
        return next((item for item in wanted if value_step(item) == step), _ABSENT)
    return wanted[int(rest)] if kind == "i" and int(rest) < len(wanted) else _ABSENT


def _key_names(tree: Tree | None) -> tuple[str, ...]:
    """Return by which fields the items of a list are told apart; none when they are not."""
    for step in tree or ():
        if keys := keys_of(step):
            return tuple(keys)
    return ()


def _is_set(tree: Tree | None) -> bool:
    return any(step.startswith("v:") for step in tree or ())


def _keys(item: Any, names: Iterable[str]) -> tuple[Any, ...]:
    if not isinstance(item, dict):
        return ()
    return tuple(item.get(name, _DEFAULT_KEYS.get(name)) for name in names)


def _step_of(item: Any, names: Sequence[str], tree: Tree | None) -> str:
    """Return the step to *item*, as *tree* writes it where it has it."""
    keys = _keys(item, names)
    for step in tree or ():
        if (found := keys_of(step)) and tuple(found.get(name) for name in names) == keys:
            return step
    return key_step(dict(zip(names, keys, strict=False)))


def _wants_nothing(value: Any) -> bool:
    """Return whether *value* asks for nothing: of a list without items, the API server keeps not even an owner."""
    return value is None or value == []


def _is_zero(value: Any) -> bool:
    return value in ("", [], {}) or (isinstance(value, bool | int | float) and not value)


_AMOUNTS_BY_NAME = frozenset(("f:limits", "f:requests", "f:hard", "f:capacity"))
_AMOUNTS = frozenset(("f:sizeLimit", "f:divisor"))


def _is_same_text(wanted: Any, live: Any) -> bool:
    """Return whether both are texts and equal: most fields are, and need no further look."""
    return type(wanted) is str and wanted == live


def _is_same(wanted: Any, live: Any, path: Path) -> bool:
    if isinstance(wanted, bool) or isinstance(live, bool):
        return wanted is live
    if wanted == live:
        return True
    is_amount = path[-1:] and (path[-1] in _AMOUNTS or (len(path) > 1 and path[-2] in _AMOUNTS_BY_NAME))
    return bool(is_amount) and is_same_quantity(wanted, live)
