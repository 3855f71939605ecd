"""Fixtures of these tests: those of the hooks."""

from tests.hooks.conftest import _key, connect, fake_time, server  # noqa: F401 - fixtures
