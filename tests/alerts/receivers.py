"""A real mail server and a real webhook on loopback, that keep what they get and can be out of order."""

from __future__ import annotations

import email
import json
import re
import socket
import threading
from email.policy import default
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from email.message import EmailMessage


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class MailServer:
    """Takes mail, or answers 451 while `is_down`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.is_down = False
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.is_down:
            return "451 for boekhouder@kantoor.example: come back later"
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    def start(self) -> int:
        self._controller.start()
        return int(self._controller.port)

    def stop(self) -> None:
        self._controller.stop()

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    def texts(self) -> list[str]:
        return [text_of(mail) for mail in self.mails]

    def forget(self) -> None:
        self.mails.clear()
        self.recipients.clear()


def html_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def text_of(mail: EmailMessage) -> str:
    """What a person reads: the HTML without its marks."""
    return unescape(re.sub("<[^>]+>", "", html_of(mail)))


class Webhook:
    """Takes posts; `status` is what it answers, and `hangs` makes it keep the caller waiting."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, str, Any]] = []
        self.status = 200
        self.hangs = threading.Event()
        self.got_one = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.posts.append((self.path, self.headers["Content-Type"], content))
                outer.got_one.set()
                if outer.hangs.is_set():
                    return
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                if outer.status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> int:
        self._thread.start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
