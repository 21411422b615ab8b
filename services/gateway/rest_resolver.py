"""How graphql-core asks a REST source: one parent at a time, though the service is called once for all of a level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from services.gateway.sources import Source


class _Unlimited:
    """An operation without a limit of its own: each call has one."""

    def check_time(self) -> None:
        """Go on."""

    def note_written(self, topic: str, position: str) -> None:
        """Nothing is written here."""


def resolver_of(source: Source) -> Callable[..., Any]:
    """Return the resolver of a field that *source* fills; all places that one selection fills share its value."""

    def resolve(parent: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        # The arguments stand in the selection, so a path without its list indexes tells which call it is; on another
        # type the same path may be another selection.
        steps = (step for step in info.path.as_list() if isinstance(step, str))
        place = f"@rest {info.parent_type.name} {'/'.join(steps)}"
        if place not in info.context:
            info.context[place] = source.fetch(_Unlimited(), [parent], arguments)[0]
        value = info.context[place]
        if isinstance(value, Exception):
            raise value.with_traceback(None)
        return value

    return resolve
