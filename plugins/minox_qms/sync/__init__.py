"""The work of a run: hooks, mappings and storage joined, without Airflow."""
