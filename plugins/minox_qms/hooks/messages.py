"""Read the words of a refusal, whatever shape they come in: never a crash over an error message."""

from __future__ import annotations

from typing import Any

import msgspec

MAX_MESSAGES = 200
MAX_LENGTH = 500


def messages_of(body: bytes) -> list[str]:
    """Collect the messages of a 400.

    Minox answers a JSON array of messages (`message`, `field`), QMS an `odata.error` with one finding per line (the
    contracts). A bare text, an object, or something that is not JSON at all is read as well.

    Args:
        body: Body of the answer; anything.

    Returns:
        The messages, each at most 500 characters, 200 at most; empty when there is nothing to read.
    """
    text = body[: MAX_MESSAGES * MAX_LENGTH * 4].decode("utf-8", errors="replace").strip()
    try:
        found = _lines(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = ["a web page in place of a message"] if text.startswith("<") else text.splitlines()
    cleaned = (" ".join(line.replace("\x00", "").split())[:MAX_LENGTH] for line in found)
    return list(dict.fromkeys(line for line in cleaned if line))[:MAX_MESSAGES]


def _lines(content: Any) -> list[str]:
    if isinstance(content, str):
        return content.splitlines()
    if isinstance(content, list):
        return [line for part in content[:MAX_MESSAGES] for line in _lines(part)]
    if not isinstance(content, dict):
        return [] if content is None else [str(content)]
    for key in ("odata.error", "error", "message", "value", "error_description", "messages", "errors"):
        lines = _lines(content[key]) if key in content else []
        if lines:
            return [_with_field(line, content.get("field")) for line in lines]
    return [msgspec.json.encode(content).decode()]


def _with_field(line: str, field: Any) -> str:
    return f"{line} ({field})" if isinstance(field, str) and field.strip() else line
