#!/bin/sh
# Runs once, when PostgreSQL's volume is new: a role and a database each for Airflow and for the connector.
set -eu

for name in airflow minox_qms; do
  case "$name" in
    airflow) password="$AIRFLOW_DB_PASSWORD" ;;
    minox_qms) password="$MINOX_QMS_DB_PASSWORD" ;;
  esac
  psql --set ON_ERROR_STOP=1 --set name="$name" --set password="$password" --username "$POSTGRES_USER" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
