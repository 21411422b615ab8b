"""The mirror service: what topics hold, read from LMDB over REST.

Here belong finding the mirror of a request and how fresh it is, what is asked of it, and how the answer is encoded. How
a mirror is kept and read does not: that is `projections`.
"""
