"""The one task of a link whose file is not valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context


class RefuseLinkOperator(BaseOperator):
    """Fails with what is wrong with the link's file, so that the other links go on.

    Args:
        message: What is wrong.
        **kwargs: Airflow's own.
    """

    def __init__(self, *, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message

    def execute(self, context: Context) -> None:  # noqa: ARG002 - Airflow's signature
        """Fail."""
        raise AirflowFailException(self.message)
