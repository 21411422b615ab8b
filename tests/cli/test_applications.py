"""`quick app`: requests sent, outputs printed, refusals passed on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.on_a_terminal import on_a_terminal
from tests.cli.small_manager import Manager as SmallManager

DEPLOY = ("app", "deploy", "counter", "--registry", "bakdata", "--image", "tinyurl", "--tag", "1.0.0")
IMAGE = {"registry": "bakdata", "imageName": "tinyurl", "tag": "1.0.0"}

HINT = "Applications run only where Quick runs in Kubernetes; elsewhere they are only recorded.\n"


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ([], {}),
        (
            ["--args", "input-topics=track-fetch", "output-topic=count-fetch", "productive=false"],
            {"arguments": {"input-topics": "track-fetch", "output-topic": "count-fetch", "productive": "false"}},
        ),
        (["--args", "a=b=c", "empty=", "--port", "8080"], {"arguments": {"a": "b=c", "empty": ""}, "port": 8080}),
        (["--args", "a=1", "a=2"], {"arguments": {"a": "2"}}),
        (["--args=--kind=FIRST", "--args", "x=-1"], {"arguments": {"--kind": "FIRST", "x": "-1"}}),
        (["--replicas", "3", "--image-pull-secret", "regcred"], {"replicas": 3, "imagePullSecret": "regcred"}),
    ],
)
def test_an_application_is_deployed(
    quick: Any, manager: SmallManager, options: list[str], sent: dict[str, object]
) -> None:
    assert (0, "Deployed application counter\n", "") == quick(*DEPLOY, *options)
    (request,) = manager.requests
    assert ("POST", "/manager/application", {"name": "counter", **IMAGE, **sent}) == (
        request.method,
        request.path,
        request.body,
    )


def test_an_application_is_deployed_and_deleted_with_who_and_why(quick: Any, manager: SmallManager) -> None:
    assert 0 == quick(*DEPLOY, "-m", "it counts").code
    assert (0, "Deleted application counter\n", "") == quick("app", "delete", "counter", "-m", "sold")
    assert [("POST", "/manager/application"), ("DELETE", "/manager/application/counter")] == [
        (request.method, request.path) for request in manager.requests
    ]
    assert ["it%20counts", "sold"] == [request.headers["Quick-Reason"] for request in manager.requests]
    assert 2 == len(set(manager.command_ids))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("arguments", [DEPLOY, ("app", "describe", "counter")])
def test_on_a_terminal_it_is_told_where_applications_run(
    start_quick: Callable[..., subprocess.Popen[bytes]], manager: SmallManager, arguments: tuple[str, ...]
) -> None:
    manager.answers({"name": "counter", **IMAGE, "replicas": 1, "arguments": {}, "position": 1})
    assert HINT == on_a_terminal(start_quick, *arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (DEPLOY, "Could not create application: counter"),
        (("app", "delete", "counter"), "Could not delete application counter"),
        (("app", "list"), "Could not list the applications"),
        (("app", "describe", "counter"), "Could not describe application counter"),
    ],
)
def test_a_refusal_is_passed_on_with_the_commands_own_text(
    quick: Any, manager: SmallManager, arguments: tuple[str, ...], text: str
) -> None:
    manager.refuses(400, "Bad Request", "The resource with the name counter already exists")
    expected = f"Bad Request: The resource with the name counter already exists\n{text}\n"
    assert (1, "", expected) == quick(*arguments)


def test_what_does_not_exist_is_told_with_how_to_deploy_it(quick: Any, manager: SmallManager) -> None:
    manager.refuses(404, "Not Found", "There is no application counter.")
    expected = (
        "Not Found: There is no application counter.\nThere is no application counter deployed. Please deploy one using"
        "\n\t $ quick app deploy <NAME> --registry <REGISTRY> --image <IMAGE> --tag <TAG>\n"
    )
    assert (1, "", expected) == quick("app", "describe", "counter")


@pytest.mark.parametrize("name", ["UPPER", "12", "-a", "a_b", "a" * 254])
def test_an_invalid_name_is_refused_before_anything_is_sent(quick: Any, manager: SmallManager, name: str) -> None:
    done = quick("app", "deploy", *DEPLOY[3:], "--", name)
    assert (1, "", "Invalid name.") == (done.code, done.out, done.err.splitlines()[0])
    assert [] == manager.requests


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--args", "a"], "Please specify arguments as: KEY=VALUE, and not 'a'."),
        (["--args", "=1"], "Please specify arguments as: KEY=VALUE, and not '=1'."),
        (["--args"], "Option '--args' requires an argument."),
        (["--port", "0"], "Invalid value for '--port': '0' is no whole number from 1 to 65535."),
        (["--port", "65536"], "Invalid value for '--port': '65536' is no whole number from 1 to 65535."),
        (["--replicas", "0"], "Invalid value for '--replicas': '0' is no whole number from 1."),
    ],
)
def test_a_mistake_in_the_options_is_told_and_nothing_is_sent(
    quick: Any, manager: SmallManager, options: list[str], error: str
) -> None:
    done = quick(*DEPLOY, *options)
    assert (2, "", f"Error: {error}") == (done.code, done.out, done.err.splitlines()[2])
    assert [] == manager.requests


@pytest.mark.parametrize("option", ["--registry", "--image", "--tag"])
def test_the_image_has_to_be_named(quick: Any, option: str) -> None:
    place = DEPLOY.index(option)
    done = quick(*DEPLOY[:place], *DEPLOY[place + 2 :])
    assert (2, f"Error: Missing option '{option}'.") == (done.code, done.err.splitlines()[2])


def test_an_argument_that_is_no_text_is_refused(quick: Any, manager: SmallManager) -> None:
    done = quick(*DEPLOY, "--args", "a=\udcff")
    assert (1, "", True) == (done.code, done.out, done.err.startswith("What you wrote cannot be sent"))
    assert [] == manager.requests


def test_lists_print_a_name_a_line_and_nothing_when_empty(quick: Any, manager: SmallManager) -> None:
    found = [{"name": "a", **IMAGE}, {"name": "b", **IMAGE}]
    manager.answers(found)
    assert (0, "a\nb\n", "") == quick("app", "list", "--as-of", "17")
    assert ["/manager/applications?asOf=17"] == manager.paths
    assert found == json.loads(quick("app", "list", "-o", "json").out)
    manager.answers([])
    assert (0, "", "") == quick("app", "list")


def test_a_description_shows_what_is_declared_and_who_declared_it(quick: Any, manager: SmallManager) -> None:
    found = {
        "name": "counter",
        **IMAGE,
        "replicas": 2,
        "arguments": {"input-topics": "a", "--kind": ""},
        "position": 7,
        "port": 8080,
        "imagePullSecret": "regcred",
        "deployed": {"position": 7, "time": "2026-01-31T12:00:00.000Z", "actor": "ada", "reason": "counts"},
    }
    manager.answers(found)
    expected = (
        "Name: counter\nImage: bakdata/tinyurl:1.0.0\nReplicas: 2\nPort: 8080\nImage Pull Secret: regcred\n"
        "Argument: input-topics=a\nArgument: --kind=\nDeployed: 2026-01-31T12:00:00.000Z by ada, position 7: counts\n"
    )
    assert (0, expected, "") == quick("app", "describe", "counter", "--as-of", "7")
    assert ["/manager/application/counter?asOf=7"] == manager.paths
    assert found == json.loads(quick("app", "describe", "counter", "-o", "json").out)
    manager.answers({"name": "counter", **IMAGE, "replicas": 1, "arguments": {}, "position": 7})
    assert (0, "Name: counter\nImage: bakdata/tinyurl:1.0.0\nReplicas: 1\n", "") == quick("app", "describe", "counter")
