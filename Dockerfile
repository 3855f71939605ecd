# One image for all of Airflow's components, and for the sandbox.
FROM python:3.12-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --requirement /tmp/requirements.txt

FROM python:3.12-slim-bookworm

# 0 is the group, so that a platform that gives its own user number can write where this one can.
RUN useradd --uid 50000 --gid 0 --no-create-home --home-dir /opt/airflow --shell /usr/sbin/nologin airflow \
 && mkdir -p /opt/airflow/logs /opt/minox-qms \
 && chown -R airflow:0 /opt/airflow && chmod -R g=u /opt/airflow

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/opt/minox-qms/config \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/minox-qms/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/minox-qms/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    MINOX_QMS_HOME=/opt/airflow \
    MINOX_QMS_LINKS_DIR=/opt/minox-qms/config/links

COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/minox-qms
COPY pyproject.toml requirements.in README.md LICENSE ./
COPY config config
COPY dags dags
COPY deploy deploy
COPY include include
COPY plugins plugins
COPY sandbox sandbox
RUN pip install --no-cache-dir --no-deps --editable . && python -m compileall -q dags include plugins sandbox

USER 50000:0
CMD ["airflow", "version"]
