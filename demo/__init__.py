"""The demo: both directions over the sandbox in a real Airflow, on this machine alone (`make demo`).

It keeps everything under `.local/demo`, begins anew at every start, listens on loopback only, and needs no account.
"""
