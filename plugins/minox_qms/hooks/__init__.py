"""Everything that talks to Minox and QicsMilestones over HTTP."""
