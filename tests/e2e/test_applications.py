"""Applications on one machine: everything is kept of them that a cluster needs, and the past of them too."""

from __future__ import annotations

import json

from tests.running import Running

DEPLOY = ("--registry", "bakdata", "--image", "quick-demo-tinyurl", "--tag", "1.0.0")


def test_an_application_is_recorded_and_its_past_stays(running: Running) -> None:
    arguments = ("--args", "input-topics=track-fetch", "output-topic=count-fetch", "productive=false")
    deployed = running.quick("app", "deploy", "tiny-url-counter", *DEPLOY, *arguments, "-m", "counts the visits")
    assert "Deployed application tiny-url-counter\n" == deployed
    refused = running.quick("app", "deploy", "tiny-url-counter", *DEPLOY, code=1)
    assert (
        "Bad Request: The resource with the name tiny-url-counter already exists\n"
        "Could not create application: tiny-url-counter\n"
    ) == refused
    [found] = [one for one in json.loads(running.quick("app", "list", "-o", "json")) if "tiny" in one["name"]]
    position = str(found["position"])
    shown = running.quick("app", "describe", "tiny-url-counter")
    assert "Image: bakdata/quick-demo-tinyurl:1.0.0\n" in shown
    assert "Argument: input-topics=track-fetch\n" in shown
    assert f"by default, position {position}: counts the visits\n" in shown
    told = running.quick("log", "show", position)
    assert "+ application/tiny-url-counter created\n" in told
    assert "arguments.output-topic: count-fetch\n" in told

    for _ in range(2):
        deleted = running.quick("app", "delete", "tiny-url-counter")
        assert "Deleted application tiny-url-counter\n" == deleted
    assert "tiny-url-counter" not in running.quick("app", "list").splitlines()
    assert "tiny-url-counter" in running.quick("app", "list", "--as-of", position).splitlines()
    assert shown == running.quick("app", "describe", "tiny-url-counter", "--as-of", position)
    assert "- application/tiny-url-counter removed\n" in running.quick("diff", position)
    assert ", 0 differences\n" in running.quick("replay", "--view", "registry")
