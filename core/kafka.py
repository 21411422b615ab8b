"""What all Kafka clients share: their settings, their errors as ours, and whether a broker answers.

Every call is bounded in time. Clients must be made after a fork: an inherited producer never delivers.
"""

from __future__ import annotations

import os
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException, libversion
from confluent_kafka.admin import AdminClient

from core.errors import ConflictError, KafkaRefusedError, KafkaUnavailableError, SettingsError
from core.kafka_security import KafkaSecurity

REQUEST_TIMEOUT_S = 10.0
"""Longest wait for the answer to one admin request."""

UNKNOWN = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
"""How the broker, or librdkafka from what it knows of the cluster, says that a topic or partition is not there."""

_UNAVAILABLE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._QUEUE_FULL,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._PURGE_QUEUE,
    KafkaError._PURGE_INFLIGHT,
    KafkaError._RESOLVE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._NOENT,  # "No leaders found": a broker that has just started knows no leader of the partition yet.
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError._DESTROY_BROKER,  # A request was under way on a connection that ended.
    # After lost acknowledgements: the record of which Kafka says so may be in the log.
    KafkaError._FATAL,
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    KafkaError.DUPLICATE_SEQUENCE_NUMBER,
    KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError.INVALID_PRODUCER_EPOCH,
}


def client_config(bootstrap: str, **more: str | float | bool) -> dict[str, Any]:
    """Return librdkafka settings for *bootstrap*, with property names written with underscores in *more*.

    How the brokers are spoken to, in the clear or not and as whom, is what the environment of this process says.

    Raises:
        SettingsError: The environment says what cannot be (see core.kafka_security).
    """
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "socket.connection.setup.timeout.ms": 5_000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "log.connection.close": False,
        "log_level": 2,  # What matters comes back from the calls; librdkafka would tell each of its retries as well.
        **KafkaSecurity.from_env(os.environ).properties(),
    }
    config.update({name.replace("_", "."): value for name, value in more.items()})
    return config


def client_version() -> str:
    """Return the version of librdkafka."""
    return libversion()[0]


def translated(error: KafkaException, doing: str) -> KafkaUnavailableError | KafkaRefusedError | ConflictError:
    """Return our error for librdkafka's *error* while *doing* something."""
    cause = error.args[0]
    text = cause.str() if isinstance(cause, KafkaError) else str(cause)
    code = cause.code() if isinstance(cause, KafkaError) else None
    if code in _UNAVAILABLE or (isinstance(cause, KafkaError) and cause.retriable()):
        return KafkaUnavailableError(f"Kafka did not answer while {doing}: {text}. Check the broker and try again.")
    if code == KafkaError.TOPIC_ALREADY_EXISTS:
        return ConflictError(text)
    return KafkaRefusedError(f"Kafka refused {doing}: {text}")


def wait_until_ready(bootstrap: str, timeout_s: float) -> None:
    """Block until a broker at *bootstrap* answers a metadata request.

    Raises:
        KafkaUnavailableError: None answered within *timeout_s* seconds; says why where librdkafka knows.
        SettingsError: No client can be made of the certificates and keys that the environment names.
    """
    reasons: list[str] = []
    admin = _first_client(bootstrap, reasons)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            admin.list_topics(timeout=min(1.0, max(0.05, deadline - time.monotonic())))
        except KafkaException as error:
            admin.poll(0)  # Which tells the reasons, such as a wrong password; what list_topics raises does not.
            if time.monotonic() >= deadline:
                raise KafkaUnavailableError(
                    f"No Kafka broker answers at {bootstrap} ({_most_telling(reasons) or error.args[0]})."
                    " Check the address and the broker."
                ) from error
        else:
            return


def _first_client(bootstrap: str, reasons: list[str]) -> AdminClient:
    def on_error(error: KafkaError) -> None:
        reasons.append(error.str())

    try:
        return AdminClient(client_config(bootstrap) | {"error_cb": on_error})
    except KafkaException as error:
        raise SettingsError(
            f"Kafka cannot be spoken to as QUICK_KAFKA_… say: {error.args[0].str()}. Check the variables, and the"
            " files that they name."
        ) from error


def _most_telling(reasons: list[str]) -> str | None:
    """Return the last one that says more than that there is no connection."""
    return next((reason for reason in reversed(reasons) if "SASL" in reason or "SSL" in reason), None)
