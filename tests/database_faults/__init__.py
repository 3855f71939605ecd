"""What becomes of a run when its database fails it."""
