"""What Airflow needs of the Minox and QicsMilestones connector: hooks, operators, connection types, command line."""

__version__ = "0.1.0"
