"""The OpenAPI description of all services: which paths there are, what they take and what they answer.

Paths, parameters and statuses are plain data, one module for each service or part of one; bodies come from the
services' own Structs. Nothing here answers a request but for the description itself.
"""
