"""`quick up`: everything on this machine, a real Kafka included."""

from __future__ import annotations

import os
from typing import Any

import rich_click as click

from cli.command import QuickCommand
from cli.config import write_local_context
from cli.instance import Instance, until_stopped
from cli.local_kafka import LocalKafka
from cli.serve import KAFKA_TIMEOUT_S, instance_options, ready_text, server_options
from core.errors import QuickError
from core.kafka import wait_until_ready
from core.kafka_security import without_kafka_security

_NEXT_STEPS = """

Try it in another terminal:
  quick context activate local
  quick topic create hello --key string --value string
  curl -X POST {url}/ingest/hello -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \\
       -d '{{"key": "world", "value": "Hello, world"}}'
  curl {url}/mirror/hello/mirror/world -H 'X-API-Key: {key}'
  quick log

Ctrl-C stops it; the data stays."""


@click.command("up", cls=QuickCommand)
@click.option("--kafka", metavar="HOST:PORT", help="Kafka brokers to use instead of starting one.")
@server_options
def up(kafka: str | None, **options: Any) -> None:
    """Run Quick on this machine, with a Kafka of its own, until it is told to stop.

    Everything is kept in the data folder: started again, it continues where it was.
    """
    with until_stopped(), Instance(instance_options(**options)) as instance:
        if kafka is not None:
            wait_until_ready(kafka, KAFKA_TIMEOUT_S)
            instance.serve(kafka, broker=None, announce=lambda: _announce(instance, kafka))
        else:
            without_kafka_security(os.environ)  # What is said there is about another broker than the one of our own.
            with LocalKafka(instance.data_dir, say=_say) as local:
                instance.serve(
                    local.bootstrap, broker=local.child, announce=lambda: _announce(instance, local.bootstrap)
                )


def _announce(instance: Instance, kafka: str) -> None:
    try:
        write_local_context(instance.url, instance.api_key)
    except (OSError, QuickError) as error:
        _say(f"The context 'local' could not be written, use quick context create instead: {error}")
    key = instance.api_key if instance.has_generated_key else "YOUR-KEY"
    # In one piece and last: whoever waits for it finds everything in place.
    click.echo(ready_text(instance, kafka) + _NEXT_STEPS.format(url=instance.url, key=key))


def _say(text: str) -> None:
    click.echo(text, err=True)
