"""The schema registry over REST, as Confluent's clients know it: one module per noun, folded from the command log.

Bodies, error codes and media types are those of the Confluent schema registry. Checks and decisions do not belong here:
they are in `commands.subjects` and `core.schema_formats`.
"""
