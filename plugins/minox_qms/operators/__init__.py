"""Operators: each gets, checks or writes one thing for one link, and says what happened."""
