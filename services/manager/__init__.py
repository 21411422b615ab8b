"""The manager service: declare topics, gateways and the rest, look at them and at the log of who declared what."""
