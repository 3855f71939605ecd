"""Settings of the links."""
