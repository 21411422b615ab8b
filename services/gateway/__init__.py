"""The GraphQL gateway: SDL with directives in, answers from the mirrors out."""
