"""The mapping engine: rows, how they are carried out, explained and put on a page."""
