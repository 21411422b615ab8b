"""The reason for the end of a Java program, found in its output."""

from __future__ import annotations

from cli.broker_log import cause_of_end

TAKEN_PORT = """\
2026-11-24 04:43:04,598 WARN [QuorumController id=1] Performing controller activation. (org.apache.kafka.X)
2026-11-24 04:43:05,016 ERROR Exiting Kafka due to fatal exception during startup. (kafka.Kafka$)
java.lang.RuntimeException: Unable to start acceptor for PLAINTEXT
\tat kafka.network.SocketServer.enable(SocketServer.scala:1)
Caused by: org.apache.kafka.common.KafkaException: Socket server failed to bind to h:1: Address already in use.
\t... 16 more
Caused by: java.net.BindException: Address already in use
\t... 18 more
"""


def test_the_innermost_cause_is_told_in_the_fullest_words() -> None:
    assert "Socket server failed to bind to h:1: Address already in use" == cause_of_end(TAKEN_PORT)


def test_of_several_exceptions_the_last_one_counts() -> None:
    text = "java.io.IOException: first\njava.lang.IllegalStateException: last\n\tat x.Y.z(Y.java:1)\n"
    assert "last" == cause_of_end(text)


def test_a_logged_error_counts_where_there_is_no_exception() -> None:
    text = "2026-11-24 04:43:05,016 ERROR Shutdown broker because all log dirs have failed (kafka.log.LogManager)\n"
    assert "Shutdown broker because all log dirs have failed" == cause_of_end(text)


def test_the_virtual_machine_says_the_reason_first() -> None:
    text = "Picked up JAVA_TOOL_OPTIONS: -Dx\nUnrecognized VM option 'Bogus'\nError: Could not create it.\n"
    assert "Unrecognized VM option 'Bogus'" == cause_of_end(text)


def test_silence_has_no_cause() -> None:
    assert "" == cause_of_end("\n")
