"""Benchmarks: each is run by a command and prints a table."""
