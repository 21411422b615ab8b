"""The manager service: declare topics and gateways, look at them and at the log of who declared what."""
