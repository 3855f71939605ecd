#!/bin/sh
# One-shot: brings both databases to this release, and makes the first administrator. There is no harm in a second run.
# The connector's comes first: who waits for Airflow's migrations has then waited for both.
set -eu

minox-qms migrate
airflow db migrate
airflow users create \
  --username "$AIRFLOW_ADMIN_USER" --password "$AIRFLOW_ADMIN_PASSWORD" --email "$AIRFLOW_ADMIN_EMAIL" \
  --firstname Connector --lastname Administrator --role Admin
