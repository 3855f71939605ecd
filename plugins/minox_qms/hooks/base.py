"""What the hooks of both systems share: the Airflow connection, the database, the grant and the client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from include.errors import ConfigurationError, ConnectorError
from include.storage.engine import engine
from include.storage.grants import GrantStore
from minox_qms.hooks.address import NAMES
from minox_qms.hooks.http import HttpClient, Limits, Pacer, Stats, Timing
from minox_qms.hooks.oauth import TokenSource
from minox_qms.hooks.site import Site, site_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa


class SystemHook(BaseHook, ABC):
    """Base of both hooks; nothing is read or opened before the first request.

    Args:
        conn_id: Airflow connection.
        engine_: Returns the engine of the connector's database; this process's own when left out.
        limits: Limits of a request.
        timing: Clock, sleep and chance.
    """

    system: ClassVar[str]
    conn_type: ClassVar[str]
    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str]
    hook_name: ClassVar[str]

    def __init__(
        self,
        conn_id: str,
        *,
        engine_: Callable[[], sa.Engine] = engine,
        limits: Limits | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self._engine = engine_
        self._limits = limits
        self._timing = timing

    @cached_property
    def site(self) -> Site:
        """What the Airflow connection says.

        Raises:
            ConfigurationError: There is no such connection, or it lacks something.
        """
        try:
            connection = self.get_connection(self.conn_id)
        except AirflowNotFoundException as error:
            variable = f"AIRFLOW_CONN_{self.conn_id.upper()}"
            raise ConfigurationError(
                f"Airflow has no connection {self.conn_id!r}, which the link's file names: make it in the UI, or set "
                f"{variable}.",
                system=self.system,
                field="conn_id",
            ) from error
        return site_of(connection, self.system, self.conn_id)

    @cached_property
    def grants(self) -> GrantStore:
        """The stored grants."""
        return GrantStore(self._engine)

    @cached_property
    def tokens(self) -> TokenSource:
        """Source of this connection's access tokens."""
        return TokenSource(lambda: self.site, self.grants, timing=self._timing)

    @cached_property
    def client(self) -> HttpClient:
        """The HTTP client."""
        return HttpClient(
            self.system,
            self.site.base_url,
            tokens=self.tokens,
            pacer=self.pacer(),
            limits=self._limits,
            timing=self._timing,
        )

    @property
    def stats(self) -> Stats:
        """What this hook's client did so far."""
        return self.client.stats

    def pacer(self) -> Pacer | None:
        """The shared pace of this connection; none unless the system has a limit."""
        return None

    def close(self) -> None:
        """Close the connections to the other system."""
        if "client" in self.__dict__:
            self.client.close()

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection (Airflow's Test button), without using a refresh token that was never used.

        The button tests under a made-up connection id, and a refresh token works once: used here, it would be lost for
        the real connection. So the grant is looked for by the refresh token, and a new one is left alone.

        Returns:
            Whether it works, and one sentence.
        """
        try:
            owner = self._grant_owner()
            if owner is None:
                return True, (
                    "Host, client id and client secret are filled in. Whether they work shows at the first run: "
                    "this test leaves a new refresh token alone, because it works only once."
                )
            self.site = replace(self.site, conn_id=owner)
            return True, self.probe()
        except ConfigurationError as error:
            return False, error.message
        except ConnectorError as error:
            return False, f"{NAMES[self.system]} does not answer as it should: {error.message}"
        finally:
            self.close()

    def tested_number(self, name: str) -> int | None:
        """A number in the connection's form that only the connection test uses; None when it is not filled in.

        Args:
            name: `tenant_id`, `administration_id` or `company_id`.

        Raises:
            ConfigurationError: It is no whole number.
        """
        extra: object = self.get_connection(self.conn_id).extra_dejson
        value = extra.get(name) if isinstance(extra, dict) else None
        given = "" if value is None else str(value).strip()
        if not given:
            return None
        if not (given.isascii() and given.isdigit() and len(given) < len(str(2**63))):
            raise ConfigurationError(
                f"{name} in the connection's form is not a whole number.", system=self.system, field=name
            )
        return int(given)

    def _grant_owner(self) -> str | None:
        """Find under which connection id the grant of this connection is stored."""
        grant = self.grants.read(self.conn_id)
        if grant is not None and grant.state != "absent":
            return self.conn_id
        return self.grants.owner_of_seed(self.site.issuer, self.site.seed) if self.site.seed else None

    @abstractmethod
    def probe(self) -> str:
        """Make one small request; return a sentence on what it found."""
