"""What a manager can be asked to do: check, decide, record.

One module per noun, one function per verb. A command ends when the command log has accepted it; effects on Kafka
topics or Kubernetes are the reconcilers' work and do not belong here.
"""
