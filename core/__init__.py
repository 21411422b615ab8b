"""Words that everyone speaks.

Here belong: errors, settings, key and value types, codecs and Confluent framing, SDL parsing and schema conversion,
the events of the command log and the state they add up to, the Kafka clients, the LMDB store and the recorder of the
command log. Here do not belong: HTTP, Kubernetes, views.
"""
