"""Typed reading of what Minox and QMS send, and the names that they use."""
