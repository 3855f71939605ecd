"""The fault simulation: seeded schedules of runs, kills, faults and people, over models of both systems."""
