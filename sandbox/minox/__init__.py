"""The stand-in for Minox."""
