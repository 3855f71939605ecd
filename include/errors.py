"""Every error the connector raises on purpose: five kinds, told apart by what has to happen next.

| kind | what happens next |
|---|---|
| `ConfigurationError` | stops the run; nothing is quarantined for it |
| `TransientError` | the same thing is tried again, later |
| `RecordError` | this one record is put aside with its reason, the rest goes on |
| `UnknownOutcomeError` | a write may have been applied: it is looked up, never blindly sent again |
| `InvariantError` | a promise of the connector does not hold: a bug, the run fails |

Each carries where it happened (system, entity, key, field) and two sentences: the first for the bookkeeper, `detail`
for the engineer. Neither may hold a secret or personal data; keys (customer numbers, invoice numbers) are allowed.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Root of the connector's errors.

    Args:
        message: One sentence for the bookkeeper, in plain words.
        detail: One sentence for the engineer; may be empty.
        system: `minox`, `qms`, `database` or empty.
        entity: Entity or collection, e.g. `customers`.
        key: Key of the record in its source system.
        field: Path of the field, e.g. `addresses[0].name`.
    """

    def __init__(
        self, message: str, *, detail: str = "", system: str = "", entity: str = "", key: str = "", field: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.system = system
        self.entity = entity
        self.key = key
        self.field = field

    @property
    def place(self) -> str:
        """Where it happened, e.g. `minox customers 1001 addresses[0].name`; empty when nothing is known."""
        return " ".join(part for part in (self.system, self.entity, self.key, self.field) if part)

    def __str__(self) -> str:
        """Place, sentence and detail in one line."""
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text} ({self.detail})" if self.detail else text


class ConfigurationError(ConnectorError):
    """Settings, rights or set-up are wrong: the run stops, and no record is blamed for it."""


class AskedWronglyError(ConfigurationError):
    """What this one run was asked makes no sense (its range, its parameters); the next run is not concerned."""


class AccessError(ConfigurationError):
    """A 401 that a fresh token does not cure, a 403, or a 404 on a whole list (spec, section 4)."""


class GrantRefusedError(ConfigurationError):
    """The other system refused the refresh token; a person has to connect again."""


class BatchHeldError(ConfigurationError):
    """A whole batch is not what it should be: nothing of the entity is loaded (spec, section 5)."""


class TransientError(ConnectorError):
    """No connection, a time-out, 429 or 5xx to the end: the same thing is tried again later."""


class ContractViolationError(TransientError):
    """An answer is not what the contract says; nothing of it was used."""


class RecordError(ConnectorError):
    """One record cannot be used; the rest goes on.

    Args:
        message: See `ConnectorError`.
        reason: The code of the reason, e.g. `nameless_debtor`.
        **place: See `ConnectorError`.
    """

    def __init__(self, message: str, *, reason: str, **place: str) -> None:
        super().__init__(message, **place)
        self.reason = reason


class RefusedError(RecordError):
    """The other system answered 400; `messages` are its own words."""

    def __init__(self, message: str, *, reason: str, messages: list[str], **place: str) -> None:
        super().__init__(message, reason=reason, **place)
        self.messages = messages


class UnknownOutcomeError(ConnectorError):
    """A write went out and its answer did not come back, or said nothing usable: it has to be looked up."""


class LateAnswerError(UnknownOutcomeError):
    """The answer did not come in time: the write may yet be carried out, after it was looked up in vain."""


class KnownEndError(ConnectorError):
    """What a run came to is known, and not good: to do the task again would find the same."""


class RunNotBegunError(KnownEndError):
    """A run is not known: its first task failed before it could note it, or was not done."""


class InvariantError(ConnectorError):
    """A promise of the connector does not hold (conservation, balance, one batch per invoice): a bug of ours."""
