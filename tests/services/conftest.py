from __future__ import annotations

import pytest

from tests.ingesting import make_topics
from tests.running import Running


@pytest.fixture(scope="session")
def ingest_topics(running: Running) -> dict[str, str]:
    """Return the name of a topic of each type, which several tests write to: use keys of your own."""
    return make_topics(running)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name each test of an operation of its own: schemathesis names all alike, and xdist runs one of those alone."""
    if getattr(item, "operation_label", None) is not None:
        assert item.parent is not None
        item._id = item.parent.id.child(item.name)
