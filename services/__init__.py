"""HTTP and GraphQL over the views and the command log.

One module or folder per service, security, error rendering, health, and the composition `create_app`. Services keep
no state of their own; folding and business rules do not belong here.
"""
