"""The ingest service: what clients send becomes records, each acknowledged by Kafka or refused with its reason."""
