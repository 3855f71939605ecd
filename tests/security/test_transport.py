"""Where requests go, and over what: TLS is verified whatever is set, and a token follows no redirect and no link."""

from __future__ import annotations

import datetime as dt
import json
import os
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from include.errors import ConfigurationError, ContractViolationError, TransientError
from include.storage.home import PROJECT_ROOT
from minox_qms.alerts import webhook
from minox_qms.alerts.errors import NotSentError
from minox_qms.hooks.http import HttpClient
from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.oauth import TokenSource
from minox_qms.hooks.qms import QmsHook
from tests.hooks.fake_server import FakeServer, FakeTime, Reply
from tests.security.calls import BATCH, LIMITS, Grants, hook_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REDIRECTS = (300, 301, 302, 303, 305, 307, 308)


@pytest.fixture
def other() -> Iterator[FakeServer]:
    """Another server, that must get nothing."""
    fake = FakeServer()
    yield fake
    fake.stop()


def exchange(hook: Any) -> Any:
    grants: Any = Grants()
    timing = hook.client.timing
    return TokenSource(lambda: hook.site, grants, limits=LIMITS, timing=timing).exchange_code("code", "http://x/cb")


MINOX_CALLS: dict[str, Callable[[MinoxHook], Any]] = {
    "list": lambda hook: list(hook.pages("vat")),
    "get": lambda hook: hook.get_batch(BATCH),
    "put": lambda hook: hook.put_batch(BATCH, b"[]"),
    "post": lambda hook: hook.attach_blob(BATCH, "x.pdf", b"%PDF-"),
    "receivable": lambda hook: hook.receivable(1, 2),
    "inspect": lambda hook: hook.tenants(),
    "token": exchange,
}
QMS_CALLS: dict[str, Callable[[QmsHook], Any]] = {
    "list": lambda hook: list(hook.pages("VatCode")),
    "get": lambda hook: hook.get("VatCode", 11),
    "put": lambda hook: hook.replace("VatCode", 11, {}),
    "post": lambda hook: hook.create("VatCode", {}),
    "pdf": lambda hook: hook.pdf(11),
    "token": exchange,
}
CALLS: list[tuple[str, str, Any]] = [("minox", name, call) for name, call in MINOX_CALLS.items()]
CALLS += [("qms", name, call) for name, call in QMS_CALLS.items()]


@pytest.mark.parametrize(("system", "name", "call"), CALLS, ids=[f"{system}-{name}" for system, name, _ in CALLS])
def test_no_redirect_is_followed(
    server: FakeServer, other: FakeServer, system: str, name: str, call: Callable[[Any], Any]
) -> None:
    port = other.port
    hook = hook_of(system, server.url, FakeTime())
    places = (f"{other.url}/x", f"//127.0.0.1:{port}/x", f"http://127.0.0.1:{port}\\@127.0.0.1/", "/elsewhere", "")
    for status in REDIRECTS:
        for place in places:
            server.seen.clear()
            server.script.append(Reply(status, b"{}", {"Location": place} if place else {}))
            with pytest.raises(ConfigurationError, match="redirect"):
                call(hook)
            assert len(server.seen) == 1, (name, status, place)
    hook.close()
    assert other.seen == []


@pytest.mark.parametrize("system", ["minox", "qms"])
def test_no_link_to_another_origin_is_followed(server: FakeServer, other: FakeServer, system: str) -> None:
    own, away = f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"
    links = [
        f"http://{away}/list", f"https://{own}/list", f"http://localhost:{other.port}/list", f"http://{own}@{away}/list",
        f"http://x@{own}/list", f"http://{away}\\@{own}/list", f"http://{own}\\@{away}/list", f"http://{own}.example/",
        f"http://{own}:80@{away}/", "http:///list", "http://[::1]:1/list", f"http://{own}%2f@{away}/list", "https://",
    ]  # fmt: skip
    hook: Any = hook_of(system, server.url, FakeTime())
    for link in links:
        first = {"collection": [{"id": 1}], "links": {"next": link}, "value": [{"A": 1}], "odata.nextLink": link}
        server.seen.clear()
        server.script.append(Reply(200, json.dumps(first)))
        with pytest.raises(ContractViolationError, match="another server"):
            list(hook.pages("vat"))
        assert len(server.seen) == 1, link
    hook.close()
    assert other.seen == []


@pytest.mark.parametrize("link", ["//{away}/list", "/\\{away}/list", "\\\\{away}\\list", "?next=1", "..//{away}"])
def test_a_relative_link_stays_at_home(server: FakeServer, other: FakeServer, link: str) -> None:
    """QMS's own address goes before whatever begins with a slash; anything else is no address at all."""
    link = link.replace("{away}", f"127.0.0.1:{other.port}")
    hook: Any = hook_of("qms", server.url, FakeTime())
    server.script.append(Reply(200, json.dumps({"value": [{"A": 1}], "odata.nextLink": link})))
    server.script.append(Reply(200, json.dumps({"value": []})))
    if link.startswith("/"):
        assert len(list(hook.pages("VatCode"))) == 1
    else:
        with pytest.raises(ContractViolationError, match="another server"):
            list(hook.pages("VatCode"))
    hook.close()
    assert other.seen == []


# -- TLS ---------------------------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The test's own authority")])
        certificate = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.path = directory / "authority.pem"
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """A server's certificate for these host names, that ends after so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        certificate = self._signed(subject, key.public_key(), alternatives, days=days)
        path = self._directory / f"{names[0]}{days}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(self, subject: x509.Name, key: Any, extension: x509.ExtensionType, days: int = 1) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=3))
        builder = builder.not_valid_after(now + dt.timedelta(days=days))
        critical = isinstance(extension, x509.BasicConstraints)
        return builder.add_extension(extension, critical=critical).sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def reach(server: FakeServer, **environment: str) -> None:
    """Read a list over TLS from `localhost`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        server.default = lambda _: Reply(200, {"collection": [], "links": {}})
        hook: Any = hook_of("minox", f"https://localhost:{server.port}", FakeTime())
        try:
            assert list(hook.pages("vat")) == []
        finally:
            hook.close()


def test_a_certificate_must_be_vouched_for_have_the_host_s_name_and_be_of_today(authority: Authority) -> None:
    trust = {"REQUESTS_CA_BUNDLE": str(authority.path)}
    for context, is_good in (
        (authority.server("localhost"), True),
        (authority.server("other.example"), False),
        (authority.server("localhost", days=-1), False),
    ):
        server = FakeServer(tls=context)
        try:
            if is_good:
                reach(server, **trust)
                assert len(server.seen) == 1
                server.seen.clear()
            else:
                with pytest.raises(TransientError, match="no connection") as caught:
                    reach(server, **trust)
                assert "SSLCertVerificationError" in caught.value.detail
            with pytest.raises(TransientError, match="no connection"):
                reach(server)
            assert server.seen == []
        finally:
            server.stop()


SWITCHES = [
    {"CURL_CA_BUNDLE": ""}, {"REQUESTS_CA_BUNDLE": ""}, {"PYTHONHTTPSVERIFY": "0"}, {"SSL_CERT_FILE": ""},
    {"NODE_TLS_REJECT_UNAUTHORIZED": "0"}, {"AIRFLOW__CORE__SECURITY": "none"},
]  # fmt: skip


@pytest.mark.parametrize("environment", SWITCHES, ids=lambda one: next(iter(one)))
def test_nothing_in_the_environment_switches_it_off(authority: Authority, environment: dict[str, str]) -> None:
    server = FakeServer(tls=authority.server("localhost"))
    try:
        with pytest.raises(TransientError, match="no connection"):
            reach(server, **environment)
        assert server.seen == []
    finally:
        server.stop()


def test_nothing_in_the_connection_switches_it_off(
    authority: Authority, connect: Callable[..., None], database: Any
) -> None:
    server = FakeServer(tls=authority.server("localhost"))
    names = ("verify", "verify_ssl", "ssl_verify", "check_hostname", "tls", "insecure", "verify_certificate", "schema")
    extra = {**dict.fromkeys(names, False), "refresh_token": "seed-tls"}
    try:
        made: tuple[Any, ...] = (
            MinoxHook("minox_tls", 1, 1, engine_=lambda: database), QmsHook("qms_tls", 3, engine_=lambda: database),
        )  # fmt: skip
        for hook in made:
            system = hook.system
            connect(f"{system}_tls", system, f"https://localhost:{server.port}", extra=extra, schema="http")
            fake = FakeTime()
            hook.__dict__["tokens"] = type("One", (), {"token": lambda _: "t", "renew": lambda _, __: "t"})()
            hook.__dict__["client"] = HttpClient(
                system, hook.site.base_url, limits=LIMITS, timing=hook_of(system, "", fake).client.timing
            )
            with pytest.raises(TransientError, match="no connection"):
                list(hook.pages("vat"))
            hook.close()
        connect("hook_tls", "http", f"https://localhost:{server.port}", extra=extra)
        with pytest.raises(NotSentError):
            webhook.post("hook_tls", "subject", "body")
        assert server.seen == []
    finally:
        server.stop()


def test_no_line_of_the_product_switches_it_off() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "include", "plugins", "dags", "deploy", "config"],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    lines = [line for path in tracked for line in (PROJECT_ROOT / path).read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 10_000
    words = ("verify=False", ".verify =", "CERT_NONE", "check_hostname", "_create_unverified", "disable_warnings")
    assert not [line for line in lines if any(word in line for word in words)]


def test_plain_http_is_for_this_machine_alone() -> None:
    """A process that sets everything it can may still not send a token over plain http."""
    code = (
        "from minox_qms.hooks.address import checked_base_url\n"
        "checked_base_url('http://127.0.0.1:1', 'qms')\n"
        "checked_base_url('http://qms.example', 'qms')\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'plugins'}", "PYTHONOPTIMIZE": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "must use https" in done.stderr.splitlines()[-1]
