"""The Sync page: what the connector did, and what a person may do about it, inside Airflow."""
