"""What an application may be declared as; its life is in `test_aggregates.py`, its parts have tests of their own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.applications import Application, check_application
from core.errors import InvalidInputError

COUNTER = Application(
    name="counter",
    registry="bakdata",
    image_name="quick-demo-tinyurl",
    tag="1.0.0",
    replicas=1,
    port=None,
    image_pull_secret=None,
    arguments={},
)


def test_an_application_knows_its_image() -> None:
    assert "bakdata/quick-demo-tinyurl:1.0.0" == COUNTER.image


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"replicas": 1000, "port": 1, "image_pull_secret": "regcred", "arguments": {"input-topics": "a"}},
        {"port": 65535},
    ],
)
def test_an_application_that_can_run_is_taken(more: dict[str, Any]) -> None:
    check_application(msgspec.structs.replace(COUNTER, **more))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"name": "Counter"}, 'Application name "Counter" is invalid'),
        ({"registry": "https://bakdata"}, "The registry 'https://bakdata' cannot be used"),
        ({"image_name": "a:1"}, "The image name 'a:1' cannot be used"),
        ({"tag": ""}, "The image tag '' cannot be used"),
        ({"replicas": 0}, "An application cannot have 0 replicas. Choose from 1 to 1000."),
        ({"replicas": 1001}, "An application cannot have 1001 replicas"),
        ({"port": 0}, "An application cannot answer on port 0. Choose from 1 to 65535, or leave it out."),
        ({"port": 65536}, "An application cannot answer on port 65536"),
        ({"image_pull_secret": ""}, 'Image pull secret "" is invalid'),
        ({"arguments": {"brokers": "b:9092"}}, "The argument 'brokers' is one that Quick sets itself"),
    ],
)
def test_an_application_that_could_never_run_is_refused(more: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_application(msgspec.structs.replace(COUNTER, **more))
    assert str(caught.value).startswith(text)
