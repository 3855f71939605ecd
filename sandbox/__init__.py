"""Stand-ins for Minox and QicsMilestones, built from the contracts, for the demo and the tests."""
