"""How the Sync page's pages are made: templates that escape everything, in English or Dutch."""

from __future__ import annotations

import datetime as dt
import functools
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec
from fastapi import HTTPException
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from include.bookings.plan import LOCAL
from include.words import words_of
from minox_qms.page.charts import bars
from minox_qms.page.security import SESSION_COOKIE, form_token, session_of
from minox_qms.page.texts import translator

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from starlette.requests import Request

    from include.words import Language

LANGUAGE_COOKIE = "minox_qms_language"
TONES = {
    "good": "good booked created updated attached success",
    "bad": "failed rejected refused refused_by_minox held abandoned missing deleted edited different",
    "warn": "changed_after_booking in_doubt postponed reoffer unfinished staged extra sending pending",
}
_TONE = {name: tone for tone, names in TONES.items() for name in names.split()}


class UnknownError(HTTPException):
    """There is nothing at an address of the page (404).

    Attributes:
        kind: Code of what it asks for, e.g. `invoices`.
        name: Which of them.
    """

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(404, "Nothing is known of:")
        self.kind, self.name = kind, name


def language_of(request: Request) -> Language:
    """The language that was chosen, else the browser's: Dutch or English."""
    chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    wanted = chosen if chosen in {"en", "nl"} else request.headers.get("accept-language", "")
    return "nl" if wanted.lower().startswith("nl") else "en"


def render(
    request: Request, template: str, *, code: int = 200, user: BaseUser | None = None, **context: Any
) -> HTMLResponse:
    """Make a page.

    Args:
        request: What it answers.
        template: Name of the template, without `.html`.
        code: HTTP status.
        user: Who is looking; without one, the page has no forms.
        **context: What the template shows; every value is escaped.
    """
    language, root = language_of(request), request.scope.get("root_path", "")
    common = {
        "_": translator(language),
        "language": language,
        "say": lambda code: words_of(code).say(language),
        "advise": lambda code: words_of(code).advise(language),
        "root": root,
        "airflow": root.removesuffix("/minox-qms"),
        "here": request.url.path,
        "switch": _switch(request, "en" if language == "nl" else "nl"),
        "query": functools.partial(_with, request),
        "form_token": None if user is None else form_token(request, user),
        "person": None if user is None else user.get_name(),
    }
    text = _environment().get_template(f"{template}.html").render(common | context)
    response = HTMLResponse(text, code)
    if request.query_params.get("lang") in {"en", "nl"}:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=31_536_000, path=root or "/", samesite="lax")
    if user is not None and request.cookies.get(SESSION_COOKIE) != session_of(request):
        secure = request.url.scheme == "https"
        response.set_cookie(
            SESSION_COOKIE, session_of(request), path=root or "/", httponly=True, samesite="lax", secure=secure
        )
    return response


@functools.cache
def _environment() -> Environment:
    """The templates, compiled once; a name that is not given is an error."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": moment,
        "money": money,
        "segment": lambda value: quote(str(value), safe=""),
        "shown": shown,
        "tone": lambda name: _TONE.get(name, "plain"),
        "planned": planned,
        "pretty": pretty,
        "duration": duration,
    }
    made.globals |= {"bars": bars}
    return made


def moment(instant: dt.datetime | None) -> str:
    """Write an instant in local time (Europe/Amsterdam)."""
    return "" if instant is None else f"{instant.astimezone(LOCAL):%Y-%m-%d %H:%M}"


def money(amount: Decimal | str | None) -> str:
    """Write an amount with two decimals and thin spaces between thousands; what is no amount stays as it is."""
    if amount is None:
        return ""
    try:
        return f"{Decimal(amount):,.2f}".replace(",", "\u202f")
    except (ArithmeticError, ValueError):
        return str(amount)


def shown(value: Any) -> str:
    """Write any value for people; signs that cannot be printed are shown as a replacement character."""
    match value:
        case None:
            text = "\u2013"
        case bool():
            text = "yes" if value else "no"
        case dt.datetime():
            text = moment(value)
        case dict():
            text = json.dumps(value, ensure_ascii=False, default=str)
        case list() | tuple() | set():
            text = ", ".join(shown(one) for one in value) or "\u2013"
        case _:
            text = str(value)
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)


def planned(value: Any) -> str:
    """Write a value of a run's plan: instants in local time, intervals from their first to their last."""
    if isinstance(value, list):
        return "; ".join(" \u2013 ".join(map(planned, one)) if isinstance(one, list) else planned(one) for one in value)
    try:
        instant = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return shown(value)
    return shown(value) if instant.tzinfo is None else moment(instant)


def pretty(text: str | None) -> str:
    """Indent JSON as received, every number as it was written; what is no JSON stays as it is."""
    try:
        return msgspec.json.format(text or "", indent=2)
    except msgspec.DecodeError:
        return text or ""


def duration(start: dt.datetime, end: dt.datetime | None) -> str:
    """Write how long something took: `42 s`, `3 min 10 s`."""
    if end is None:
        return "\u2026"
    minutes, seconds = divmod(int((end - start).total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _switch(request: Request, language: str) -> str:
    """This page in the other language."""
    return _with(request, lang=language)


def _with(request: Request, **changes: Any) -> str:
    """This page's query with some parameters changed, those with None left out."""
    kept = {name: value for name, value in request.query_params.items() if name not in {*changes, "lang"} and value}
    return "?" + urlencode(kept | {name: value for name, value in changes.items() if value is not None})
