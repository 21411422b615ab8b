from __future__ import annotations

import pytest

from tests.ingesting import make_topics
from tests.running import Running


@pytest.fixture(scope="session")
def ingest_topics(running: Running) -> dict[str, str]:
    """Return the name of a topic of each type, which several tests write to: use keys of your own."""
    return make_topics(running)
