"""Alerts in Airflow: callbacks, senders, the digest of a run, and the watcher."""
