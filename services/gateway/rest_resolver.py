"""How graphql-core asks a REST source: one parent at a time, though the service is called once for all of a level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from services.gateway.sources import Source


def resolver_of(source: Source) -> Callable[..., Any]:
    """Return the resolver of a field that *source* fills; all places that one selection fills share its value."""

    def resolve(parent: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        # The arguments stand in the selection, so a path without its list indexes tells which call it is; on another
        # type the same path may be another selection.
        steps = (step for step in info.path.as_list() if isinstance(step, str))
        place = f"@rest {info.parent_type.name} {'/'.join(steps)}"
        called = info.context.called
        if place not in called:
            called[place] = source.fetch(info.context, [parent], arguments)[0]
        value = called[place]
        if isinstance(value, Exception):
            raise value.with_traceback(None)
        return value

    return resolve
