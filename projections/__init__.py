"""Views folded from the command log and from the users' topics, and the run loop that keeps them.

One module per view, each with its data and its position in one LMDB transaction, plus the level-triggered reconciler
of Kafka topics. Whether a command is allowed is not decided here.
"""
