"""The stand-in for QicsMilestones (QMS)."""
