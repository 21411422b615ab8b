from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from commands.applications import NewApplication, delete_application, deploy_application
from commands.decisions import Caller, Commands
from core.applications import ApplicationDeleted, ApplicationDeployed
from core.errors import ConflictError, InvalidInputError
from core.settings import Settings

NewCaller = Callable[..., Caller]

COUNTER = NewApplication("counter", "bakdata", "quick-demo-tinyurl", "1.0.0", arguments={"input-topics": "clicks"})


def test_an_application_is_recorded_as_it_was_asked_for(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    wanted = COUNTER._replace(replicas=3, port=8080, image_pull_secret="regcred")
    (event,) = commands.events_at(deploy_application(commands, settings, caller(), wanted))
    assert isinstance(event, ApplicationDeployed)
    assert ("counter", "bakdata", "quick-demo-tinyurl", "1.0.0") == (
        event.name,
        event.registry,
        event.image_name,
        event.tag,
    )
    assert (3, 8080, "regcred", {"input-topics": "clicks"}) == (
        event.replicas,
        event.port,
        event.image_pull_secret,
        event.arguments,
    )


def test_what_is_left_out_is_that_of_the_deployment(commands: Commands, settings: Settings, caller: NewCaller) -> None:
    position = deploy_application(commands, replace(settings, default_replicas=2), caller(), COUNTER)
    (event,) = commands.events_at(position)
    assert isinstance(event, ApplicationDeployed)
    assert (2, None, None) == (event.replicas, event.port, event.image_pull_secret)


def test_an_application_lives_once_and_is_deleted_at_will(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    deploy_application(commands, settings, caller(), COUNTER)
    for other in (COUNTER, COUNTER._replace(tag="2.0.0")):
        with pytest.raises(ConflictError, match=r"^The resource with the name counter already exists$"):
            deploy_application(commands, settings, caller(), other)
    deleted = delete_application(commands, caller(), "counter")
    assert deleted is not None
    assert [ApplicationDeleted] == [type(event) for event in commands.events_at(deleted)]
    assert delete_application(commands, caller(), "counter") is None
    assert delete_application(commands, caller(), "never-deployed") is None
    assert deploy_application(commands, settings, caller(), COUNTER._replace(tag="2.0.0")) > deleted


def test_a_repeated_command_is_recorded_once_and_answered_the_same(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    first = deploy_application(commands, settings, caller("once"), COUNTER)
    assert first == deploy_application(commands, settings, caller("once"), COUNTER)
    gone = delete_application(commands, caller("gone"), "counter")
    assert gone == delete_application(commands, caller("gone"), "counter")
    assert gone == commands.command_log.index.max_notification_id()


def test_nothing_is_recorded_of_an_application_that_could_not_run(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    for bad in (
        COUNTER._replace(name="Counter"),
        COUNTER._replace(image_name="a b"),
        COUNTER._replace(replicas=0),
        COUNTER._replace(port=65536),
        COUNTER._replace(image_pull_secret="-"),
        COUNTER._replace(arguments={"a": "\n"}),
    ):
        with pytest.raises(InvalidInputError):
            deploy_application(commands, settings, caller(), bad)
    assert commands.command_log.index.max_notification_id() is None


def test_the_log_keeps_who_deployed_it_and_why(commands: Commands, settings: Settings, caller: NewCaller) -> None:
    found = commands.command_log.index.command_of(deploy_application(commands, settings, caller(), COUNTER))
    assert found is not None
    assert ("deploy_application", "application/counter", "default", "because") == (
        found.record.command,
        found.record.target,
        found.record.actor,
        found.record.reason,
    )
