"""The programs people start.

One module per command group, rendering, and the two programs that compose processes: `quick up` and `quick serve`.
Rules that the manager must enforce do not belong here.
"""
