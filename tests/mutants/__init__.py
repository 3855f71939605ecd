"""Guards are real: each is taken away in turn, and a test must miss it."""
