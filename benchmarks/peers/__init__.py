"""Two other ways to do the connector's nominal work, to measure it beside them. Each runs as a program of its own.

They are what they stand for, reasonably tuned, and no more: `docs/performance.md` says what they leave out.
"""
