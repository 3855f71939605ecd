"""Alerts: what an incident is, what a run or the watcher makes of one, and the texts that people get."""
