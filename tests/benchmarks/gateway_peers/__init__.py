"""The servers that gateways are measured beside: each answers the same queries from the same records.

Started by `serve.py` (Python) or by Node; none is imported by the product, and what they need is fetched on demand.
"""
