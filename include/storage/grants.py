"""The OAuth grants of the Airflow connections: encrypted, one row each, changed by one worker at a time.

A refresh token works once, and using a spent one revokes all tokens of the same consent (the contracts). So a refresh
holds the row's lock from reading the token until its successor is committed, whoever else wants it waits, and a refresh
token that was refused is never sent again.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator  # noqa: TC003 - resolved at run time by the dataclass
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path  # noqa: TC003 - as above

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from psycopg.errors import LockNotAvailable
from sqlalchemy.dialects.postgresql import insert

from include.errors import ConfigurationError, TransientError
from include.storage.home import state_directory
from include.storage.tables import oauth_grant

log = logging.getLogger(__name__)

KEY_VARIABLE = "MINOX_QMS_FERNET_KEY"
AIRFLOW_KEY_VARIABLE = "AIRFLOW__CORE__FERNET_KEY"
KEY_FILE = "fernet.key"
LOCK_SECONDS = 420  # longer than the slowest refresh, its retries and waits included


@dataclass(frozen=True, slots=True)
class Pair:
    """What a token endpoint gave.

    Attributes:
        access_token: Sent with every request until it expires.
        refresh_token: Works once, for the next pair.
        lifetime: Seconds that the access token is valid.
        asked_at: When it was asked for; its life is counted from there.
    """

    access_token: str
    refresh_token: str
    lifetime: int
    asked_at: datetime

    def __repr__(self) -> str:
        return f"Pair(lifetime={self.lifetime})"


def fingerprint(issuer: str, token: str) -> str:
    """Return the SHA-256 of a token of an issuer, to recognise it without keeping it."""
    return hashlib.sha256(f"{issuer}\n{token}".encode()).hexdigest()


class Cipher:
    """Encrypts tokens with the first of the keys, and reads them with any.

    The keys come from `MINOX_QMS_FERNET_KEY` (comma separated), else `AIRFLOW__CORE__FERNET_KEY`, else a key file in
    the state directory, made at first use and readable by its owner only.

    Args:
        directory: Where the key file is; the state directory when left out.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def encrypt(self, text: str) -> str:
        """Encrypt a token."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, text: str) -> str:
        """Read a token back.

        Raises:
            ConfigurationError: None of the keys fits.
        """
        try:
            return self._fernet.decrypt(text.encode()).decode()
        except InvalidToken:
            raise ConfigurationError(
                f"The stored tokens cannot be read with this key. Give {KEY_VARIABLE} the key that they were stored "
                "with (further keys behind a comma), or connect again.",
                system="database",
                entity="oauth_grant",
            ) from None

    @functools.cached_property
    def _fernet(self) -> MultiFernet:
        for variable in (KEY_VARIABLE, AIRFLOW_KEY_VARIABLE):
            keys = [key.strip() for key in os.environ.get(variable, "").split(",") if key.strip()]
            if keys:
                return _fernet_of(keys, variable)
        path = (self._directory or state_directory()) / KEY_FILE
        return _fernet_of([_key_of_file(path)], f"the file {KEY_FILE}")


def _fernet_of(keys: list[str], place: str) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ConfigurationError(f"A key in {place} is not a Fernet key (32 bytes in URL-safe base64).") from None


def _key_of_file(path: Path) -> str:
    """Read the key file; make it when missing, complete and at once, so that of many processes one makes it."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key())
            path.hardlink_to(draft)
            log.info("made a key for stored tokens in %s; keep it, or give %s", KEY_FILE, KEY_VARIABLE)
        except FileExistsError:
            log.debug("another process made %s first", KEY_FILE)
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class Grant:
    """A connection's grant as stored; its tokens are read when they are asked for, so it shows none of them.

    Attributes:
        conn_id: Airflow connection.
        state: `absent`, `good` or `refused`.
        issuer: Token address that gave the tokens.
        expires_at: When the access token expires.
        lifetime: Seconds that it was given.
        generation: Number of pairs received.
        spent_seeds: Fingerprints of every `extra.refresh_token` that was used.
        message: Why it was refused.
        sealed_access: The access token, encrypted.
        sealed_refresh: The refresh token, encrypted.
        cipher: Reads them.
    """

    conn_id: str
    state: str
    issuer: str | None
    expires_at: datetime | None
    lifetime: int | None
    generation: int
    spent_seeds: tuple[str, ...]
    message: str | None
    sealed_access: str | None
    sealed_refresh: str | None
    cipher: Cipher

    def __repr__(self) -> str:
        return f"Grant({self.conn_id!r}, {self.state}, generation={self.generation})"

    @property
    def access_token(self) -> str | None:
        """The access token; `ConfigurationError` when no key reads it."""
        return None if self.sealed_access is None else self.cipher.decrypt(self.sealed_access)

    @property
    def refresh_token(self) -> str | None:
        """The refresh token; `ConfigurationError` when no key reads it."""
        return None if self.sealed_refresh is None else self.cipher.decrypt(self.sealed_refresh)

    def is_fresh(self, issuer: str, now: datetime) -> bool:
        """Tell whether the access token is of this issuer and valid for a while: a minute, or a tenth of its life."""
        if self.state != "good" or self.issuer != issuer or self.sealed_access is None or self.expires_at is None:
            return False
        return now < self.expires_at - timedelta(seconds=min(60.0, (self.lifetime or 0) / 10))


class LockedGrant:
    """A grant whose row this worker holds; what is stored here is committed when the `with` block ends.

    Attributes:
        grant: As read after the lock was taken.
    """

    def __init__(self, connection: sa.Connection, cipher: Cipher, grant: Grant) -> None:
        self.grant = grant
        self._connection = connection
        self._cipher = cipher

    def store(self, pair: Pair, issuer: str, *, seed: str | None = None, connected: bool = False) -> Grant:
        """Store a new pair; the grant is good from now on.

        Args:
            pair: What the token endpoint gave.
            issuer: Its address.
            seed: The `extra.refresh_token` that was used for it, if any.
            connected: A person connected anew, or a seed was used: it is obtained now, not refreshed.

        Returns:
            The grant as stored.
        """
        now = sa.func.clock_timestamp()
        values = {
            "state": "good",
            "issuer": issuer,
            "access_token": self._cipher.encrypt(pair.access_token),
            "refresh_token": self._cipher.encrypt(pair.refresh_token),
            "expires_at": pair.asked_at + timedelta(seconds=pair.lifetime),
            "lifetime": pair.lifetime,
            "generation": oauth_grant.c.generation + 1,
            "refused_at": None,
            "message": None,
            "obtained_at" if connected or seed is not None else "refreshed_at": now,
        }
        self._update({**values, **self._spent(issuer, seed)})
        return self.grant

    def refuse(self, message: str, issuer: str, *, seed: str | None = None) -> Grant:
        """Remember that the refresh token was refused: nothing is sent with it again.

        Args:
            message: What the other system said, without secrets.
            issuer: Its token address.
            seed: The `extra.refresh_token` that was refused, if it was that one.

        Returns:
            The grant as stored.
        """
        values = {"state": "refused", "issuer": issuer, "refused_at": sa.func.clock_timestamp(), "message": message}
        self._update({**values, **self._spent(issuer, seed)})
        return self.grant

    def spend(self, issuer: str, seed: str) -> Grant:
        """Remember that another issuer refused an `extra.refresh_token`; what was stored stays as it is.

        Args:
            issuer: Its token address.
            seed: The refresh token.

        Returns:
            The grant as stored.
        """
        self._update(self._spent(issuer, seed))
        return self.grant

    def claim_seed(self, issuer: str, seed: str) -> str | None:
        """Make sure that no other connection uses this `extra.refresh_token` before this transaction ends.

        Args:
            issuer: The token address that it is for.
            seed: The refresh token.

        Returns:
            The connection that has used it already; None when it is free.
        """
        mark = fingerprint(issuer, seed)
        self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(mark, 0))))
        return _owner_of(self._connection, mark)

    def _spent(self, issuer: str, seed: str | None) -> dict[str, object]:
        if seed is None:
            return {}
        mark = fingerprint(issuer, seed)
        return {"spent_seeds": sa.func.array_append(oauth_grant.c.spent_seeds, mark)}

    def _update(self, values: dict[str, object]) -> None:
        change = sa.update(oauth_grant).where(oauth_grant.c.conn_id == self.grant.conn_id).values(values)
        row = self._connection.execute(change.returning(oauth_grant)).one()
        self.grant = _grant_of(row, self._cipher)


class GrantStore:
    """The stored grants.

    Args:
        engine: Returns the engine of the connector's database; called at the first use.
        cipher: Encrypts the tokens.
    """

    def __init__(self, engine: Callable[[], sa.Engine], cipher: Cipher | None = None) -> None:
        self._engine = engine
        self._cipher = cipher or Cipher()

    def read(self, conn_id: str) -> Grant | None:
        """Read a grant without locking it; None when the connection never had one."""
        with self._engine().connect() as connection:
            row = connection.execute(sa.select(oauth_grant).where(oauth_grant.c.conn_id == conn_id)).one_or_none()
        return None if row is None else _grant_of(row, self._cipher)

    def owner_of_seed(self, issuer: str, seed: str) -> str | None:
        """Find the connection that has used this `extra.refresh_token` of an issuer, if one has."""
        with self._engine().connect() as connection:
            return _owner_of(connection, fingerprint(issuer, seed))

    @contextmanager
    def locked(self, conn_id: str) -> Iterator[LockedGrant]:
        """Hold a grant's row; commit what was stored when the block ends, also when it ends in nothing.

        Args:
            conn_id: Airflow connection.

        Yields:
            The grant, read after the lock was taken.

        Raises:
            TransientError: Another worker has held it for longer than a refresh can take.
        """
        with self._engine().begin() as connection:
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            # Whoever holds the row waits for the token endpoint; a database's own, shorter limit would lose its answer.
            connection.execute(sa.text(f"SET LOCAL idle_in_transaction_session_timeout = '{2 * LOCK_SECONDS}s'"))
            query = sa.select(oauth_grant).where(oauth_grant.c.conn_id == conn_id).with_for_update()
            try:
                connection.execute(insert(oauth_grant).values(conn_id=conn_id).on_conflict_do_nothing())
                row = connection.execute(query).one()
            except sa.exc.OperationalError as error:
                if not isinstance(error.orig, LockNotAvailable):
                    raise
                raise TransientError(
                    "Another task is still asking for new tokens.", detail=f"connection {conn_id}", system="database"
                ) from None
            yield LockedGrant(connection, self._cipher, _grant_of(row, self._cipher))


def _owner_of(connection: sa.Connection, mark: str) -> str | None:
    query = sa.select(oauth_grant.c.conn_id).where(oauth_grant.c.spent_seeds.contains([mark]))
    owner: str | None = connection.scalar(query.order_by(oauth_grant.c.conn_id).limit(1))
    return owner


def _grant_of(row: sa.Row[tuple[object, ...]], cipher: Cipher) -> Grant:
    values = row._mapping  # noqa: SLF001 - the documented name, whatever its underscore says
    return Grant(
        conn_id=values["conn_id"],
        state=values["state"],
        issuer=values["issuer"],
        expires_at=values["expires_at"],
        lifetime=values["lifetime"],
        generation=values["generation"],
        spent_seeds=tuple(values["spent_seeds"]),
        message=values["message"],
        sealed_access=values["access_token"],
        sealed_refresh=values["refresh_token"],
        cipher=cipher,
    )
