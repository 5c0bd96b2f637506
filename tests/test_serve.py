"""`semsearch serve` in its own process, and attacks on the server: other sites, strangers, slow and greedy clients."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import served
from starlette.testclient import TestClient
from tiny_embedder import create_index

from semsearch import Index
from semsearch.server import guard, listen
from semsearch.server.app import PAGE, create_app
from semsearch.server.context import Settings
from semsearch.server.guard import MOST_BYTES

API = "/api/v1"
TOKEN = {"X-Semsearch-Token": "token"}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Yield an index of one note."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "saw.md").write_text("The saw is in the shed.")
    with create_index(tmp_path / ".semsearch") as made:
        made.ingest([tmp_path / "notes"])
        yield made


def client_of(index: Index, **settings: Any) -> TestClient:
    """Return a client of a server of the index."""
    return TestClient(create_app(index, Settings(**{"token": "token", **settings})), "http://127.0.0.1:7363")


# -- the command --------------------------------------------------------------------------------------------


@contextmanager
def serving(folder: Path, *options: str, **more: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command on a free port, and yield its process and its address; at the end it must be gone."""
    command = [sys.executable, "-m", "semsearch", "serve", "--index", str(folder), "--port", "0", *options]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, encoding="utf-8", **more)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_one_address_and_ends_cleanly(index: Index, number: signal.Signals) -> None:
    with serving(index.folder) as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        answer = httpx.get(f"{address}api/v1/search?q=saw&mode=lexical")
        assert [hit["document"] for hit in answer.json()["hits"]] == ["notes/saw.md"]
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "")
        assert err == "Ctrl-C ends it\nending. Ctrl-C again ends at once\nended\n"


def test_open_streams_do_not_keep_it_from_ending(index: Index) -> None:
    with serving(index.folder) as (process, address), httpx.stream("GET", f"{address}api/v1/events"):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_it_says_what_it_waits_for_and_the_index_is_sound(tmp_path: Path, sample_corpus: Path) -> None:
    with Index.create(tmp_path / ".semsearch") as made:
        made.ingest([sample_corpus / "faq"])
    lines = "\n".join(f"Line {number} tells how tool {number * 7919} is lent." for number in range(1_500))
    (tmp_path / "long.txt").write_text(lines)
    with serving(tmp_path / ".semsearch", "--token", "token") as (process, address):
        address = address.partition("?")[0]
        job = httpx.post(
            f"{address}api/v1/jobs", json={"kind": "ingest", "paths": ["long.txt"]}, headers=TOKEN
        )
        where = f"{address.rstrip('/')}{job.headers['location']}"
        while not httpx.get(where, headers=TOKEN).json()["progress"]["done"]:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0 and "ending; waiting for ingest. Ctrl-C again ends at once\n" in err
    with Index.open(tmp_path / ".semsearch") as opened:
        assert opened.check().sound


def test_a_taken_port_is_replaced_by_a_free_one(index: Index) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(index.folder, "--port", str(port)) as (process, address):
            assert address.startswith("http://127.0.0.1:") and f":{port}/" not in address
            process.send_signal(signal.SIGINT)
            assert f"note: port {port} is taken\n" in process.communicate(timeout=30)[1]


def test_beyond_loopback_the_address_has_the_token(index: Index) -> None:
    with serving(index.folder, "--host", "0.0.0.0") as (_, address):
        found = re.fullmatch(r"http://[^/]+:(\d+)/\?token=([\w-]{32})", address)
        assert found is not None
        here = f"http://127.0.0.1:{found[1]}/"
        assert httpx.get(f"{here}api/v1/status").status_code == 401
        assert httpx.get(here).status_code == 401
        with httpx.Client(follow_redirects=True) as client:
            page = client.get(f"{here}?token={found[2]}")
            assert page.status_code == 200 and str(page.url) == here and found[2] in page.text
            assert client.get(f"{here}api/v1/status").status_code == 200


def test_the_token_can_come_from_the_environment(index: Index) -> None:
    environment = {**os.environ, "SEMSEARCH_TOKEN": "of my own"}
    with serving(index.folder, env=environment) as (_, address):
        assert address.endswith("/?token=of%20my%20own")
        here = address.partition("?")[0]
        assert httpx.get(f"{here}api/v1/status").status_code == 401
        headers = {"Authorization": "Bearer of my own"}
        assert httpx.get(f"{here}api/v1/status", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["nowhere"], "nowhere"),
        (["--token", "söme"], "the token"),
    ],
)
def test_what_cannot_be_served_is_an_error_of_one_line(index: Index, options: list[str], said: str) -> None:
    command = [sys.executable, "-m", "semsearch", "serve", "--index", str(index.folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


# -- other sites and strangers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7363", "127.0.0.1.evil.example", "192.0.2.1", ""]
)
@pytest.mark.parametrize("path", ["/", f"{API}/status", f"{API}/search?q=saw", "/v1/models", "/docs"])
def test_a_foreign_host_gets_nothing(index: Index, host: str, path: str) -> None:
    answer = client_of(index).get(path, headers={"Host": host})
    assert answer.status_code == 421 and "saw.md" not in answer.text and "token" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:9", "[::1]:7363", "[::1]"])
def test_loopback_has_several_names(index: Index, host: str) -> None:
    assert client_of(index).get(f"{API}/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:7363.evil.example"},
        {"Origin": "evil.com/://127.0.0.1:7363"},
        {"Origin": "://127.0.0.1:7363"},
        {"Origin": "http://127.0.0.1:7363/"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_another_site_can_neither_read_nor_start_a_job(index: Index, headers: dict[str, str]) -> None:
    with client_of(index) as client:
        for answer in (
            client.get(f"{API}/search?q=saw", headers=headers),
            client.post(f"{API}/jobs", json={"kind": "ingest"}, headers={**headers, **TOKEN}),
            client.post("/v1/embeddings", json={"model": "tiny", "input": "saw"}, headers=headers),
        ):
            assert answer.status_code == 403 and "another site" in answer.json()["detail"]
            assert "access-control-allow-origin" not in answer.headers
        assert client.get(f"{API}/jobs").json() == []


def test_two_origins_are_none(index: Index) -> None:
    both = [("Origin", "http://127.0.0.1:7363"), ("Origin", "http://evil.example")]
    for headers in (both, both[::-1], [both[0]] * 2):
        assert client_of(index).get(f"{API}/status", headers=headers).status_code == 403


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_scheme_has_any_case(index: Index, scheme: str) -> None:
    client = client_of(index, private=True)
    for token, status in (("token", 200), ("wrong", 401), ("", 401)):
        headers = {"Authorization": f"{scheme} {token}"}
        assert client.get(f"{API}/status", headers=headers).status_code == status
    assert client.get(f"{API}/status", headers={"Authorization": "token"}).status_code == 401


def test_the_cookie_is_not_the_token(index: Index) -> None:
    with client_of(index, private=True, token="secret") as client:
        assert client.get("/?token=secret").status_code == 200
        (cookie,) = client.cookies.jar
        assert "secret" not in str(cookie.value)
        assert client.get(f"{API}/status").status_code == 200
        for headers in ({}, {"X-Semsearch-Token": str(cookie.value)}):
            assert client.post(f"{API}/jobs", json={"kind": "check"}, headers=headers).status_code == 401


def test_the_own_page_and_a_link_to_it_are_let_in(index: Index) -> None:
    with client_of(index) as client:
        own = {"Origin": "http://127.0.0.1:7363", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        assert client.post(f"{API}/jobs", json={"kind": "check"}, headers={**own, **TOKEN}).status_code == 202
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert client.get("/", headers=link).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"X-Semsearch-Token": ""}, {"Authorization": "Bearer wrong"}])
@pytest.mark.parametrize(("method", "path"), [("POST", "jobs"), ("DELETE", "jobs/x")])
def test_a_change_needs_the_token(index: Index, headers: dict[str, str], method: str, path: str) -> None:
    with client_of(index) as client:
        answer = client.request(method, f"{API}/{path}", headers=headers, content=b"")
        assert answer.status_code == 401 and "token" in answer.json()["hint"].lower()
        for with_token in (TOKEN, {"Authorization": "Bearer token"}):
            assert client.request(method, f"{API}/{path}", headers=with_token).status_code in (400, 404)


def test_every_route_that_changes_is_guarded(index: Index) -> None:
    client = client_of(index)
    description = client.get(f"{API}/openapi.json").json()
    reads = {f"{API}/{name}" for name in ("embed", "matrix", "compare", "triage", "drift")}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert ("security" in operation) == (method != "get" and path not in reads), (method, path)
            if "security" in operation:
                assert client.request(method, path.replace("{id}", "x")).status_code == 401


def test_read_only_refuses_every_change(index: Index) -> None:
    with client_of(index, read_only=True) as client:
        answer = client.post(f"{API}/jobs", json={"kind": "check"}, headers=TOKEN)
        assert answer.status_code == 403 and "--read-only" in answer.json()["detail"]
        assert client.get(f"{API}/status").json()["read_only"] is True


def test_a_private_server_answers_nothing_without_token(index: Index) -> None:
    with client_of(index, private=True) as client:
        for path in ("/", "/docs", "/app.js", f"{API}/status", "/v1/models", "/api/tags", f"{API}/nothing"):
            assert client.get(path).status_code == 401, path
            assert client.get(path, headers={"X-Semsearch-Token": "tokem"}).status_code == 401
        assert client.get(f"{API}/status?token=token").status_code == 401  # which a log or a link would keep
        assert client.get("/?token=wrong").status_code == 401
        entered = client.get("/?token=token", follow_redirects=False)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert client.get(f"{API}/status").status_code == 200  # the client has the cookie now
        assert client.post(f"{API}/jobs", json={"kind": "check"}).status_code == 401  # which does not suffice
        assert client.post(f"{API}/jobs", json={"kind": "check"}, headers=TOKEN).status_code == 202


def test_a_private_server_may_have_any_name(index: Index) -> None:
    headers = {"Host": "box.lan:7363", "Authorization": "Bearer token"}
    assert client_of(index, private=True).get(f"{API}/status", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../app.py",
        "/%2e%2e/app.py",
        "/..%2fapp.py",
        "/%2e%2e%2f%2e%2e%2findex.py",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/..\\app.py",
        "/app.js%00.html",
        "/.",
        "/" + "a" * 5_000,
    ],
)
def test_no_path_leaves_the_folder_of_the_page(index: Index, path: str) -> None:
    with served(index) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")) and b"import" not in answer


def test_every_answer_has_the_headers_of_safety(index: Index) -> None:
    client = client_of(index)
    for path in ("/", "/app.js", "/docs", f"{API}/status", f"{API}/nothing", f"{API}/search"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert "frame-ancestors 'none'" in policy and headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"]
    refused = client.get("/", headers={"Host": "evil.example"}).headers
    assert refused["x-content-type-options"] == "nosniff"


def test_the_page_has_its_token_as_text(index: Index) -> None:
    page = client_of(index, token='"><script>alert(1)</script>').get("/").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert client_of(index).get("/").text.count('content="token"') == 1


def test_the_page_needs_nothing_that_the_policy_forbids() -> None:
    for path in PAGE.glob("*.html"):
        html = path.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?:", html), path.name


# -- greedy and slow clients --------------------------------------------------------------------------------


@contextmanager
def connection_to(address: str) -> Iterator[socket.socket]:
    """Yield a connection to a server."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        yield connection


def head(*lines: str, path: str = f"{API}/jobs") -> bytes:
    """Return the head of a request."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


def test_a_gigabyte_is_refused_before_it_comes(index: Index) -> None:
    with served(index, Settings(token="token")) as address, connection_to(address) as connection:
        connection.sendall(head("X-Semsearch-Token: token", f"Content-Length: {2**30}"))
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413") and b"connection: close" in answer.lower()
        assert b"longer than 16 MiB" in answer or b"longer than 16 MiB" in connection.recv(65536)


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 400, "0x10", "+5"])
def test_a_false_length_is_refused(index: Index, length: str) -> None:
    with served(index, Settings(token="token")) as address, connection_to(address) as connection:
        connection.sendall(head("X-Semsearch-Token: token", f"Content-Length: {length}"))
        assert connection.recv(65536).startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))


@pytest.mark.parametrize("path", [f"{API}/jobs", "/v1/embeddings", "/api/embed", f"{API}/embed"])
def test_a_body_without_end_is_cut_off(index: Index, path: str) -> None:
    part, sent = b"10000\r\n" + b" " * 65536 + b"\r\n", 0
    with served(index, Settings(token="token")) as address, connection_to(address) as connection:
        lines = ["X-Semsearch-Token: token", "Content-Type: application/json", "Transfer-Encoding: chunked"]
        connection.sendall(head(*lines, path=path))
        with contextlib.suppress(ConnectionError):
            while sent < 2**30:
                connection.sendall(part)
                sent += 65536
    assert sent < 4 * MOST_BYTES  # what buffers on the way have taken is not read by the server


def test_a_slow_client_is_cut_off(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_HEAD_SECONDS", 0.5)
    monkeypatch.setattr(guard, "_SECONDS", 1)
    with served(index, Settings(token="token")) as address:
        with connection_to(address) as silent, connection_to(address) as slow, connection_to(address) as body:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            lines = ["X-Semsearch-Token: token", "Content-Type: application/json", "Content-Length: 50"]
            body.sendall(head(*lines) + b"{")
            with contextlib.suppress(ConnectionError):
                for _ in range(20):
                    slow.sendall(b"X-A: b\r\n")
                    time.sleep(0.1)
            for connection in (silent, slow):
                with contextlib.suppress(ConnectionError):
                    assert connection.recv(1) == b""
            assert body.recv(65536).startswith(b"HTTP/1.1 408")
        assert httpx.get(f"{address}{API}/status").status_code == 200


def test_slow_clients_hold_nobody_up(index: Index) -> None:
    with served(index) as address, contextlib.ExitStack() as opened:
        for _ in range(100):
            opened.enter_context(connection_to(address)).sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
        assert httpx.get(f"{address}{API}/search?q=saw").json()["hits"]


def test_connections_are_bounded(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "MOST_CONNECTIONS", 20)
    with served(index) as address:
        with contextlib.ExitStack() as opened:
            connections = [opened.enter_context(connection_to(address)) for _ in range(200)]
            for connection in connections[20:]:
                with contextlib.suppress(ConnectionError):
                    assert connection.recv(1) == b""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:  # the others have left, so there is room again
            with contextlib.suppress(httpx.HTTPError):
                assert httpx.get(f"{address}{API}/status").status_code == 200
                return
        pytest.fail("the server did not recover")


def test_a_reader_that_stops_reading_is_left(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_TAKE_SECONDS", 0.5)
    (passage,) = index.passages("notes/saw.md")
    monkeypatch.setattr(index, "passages", lambda name: [replace(passage, original="saw " * 2**23)])
    with served(index) as address:
        with connection_to(address) as connection:
            request = f"GET {API}/document?name=notes/saw.md HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            connection.sendall(request.encode())
            size = len(connection.recv(1))
            time.sleep(3)
            with contextlib.suppress(ConnectionError):
                while part := connection.recv(2**20):
                    size += len(part)
            assert size < 2**25  # the rest was not kept for a client that does not take it
        assert httpx.get(f"{address}{API}/status").status_code == 200


def test_logs_have_no_text(index: Index) -> None:
    with serving(index.folder) as (process, address):
        httpx.get(f"{address}api/v1/search?q=zebra&mode=lexical")
        httpx.get(f"{address}api/v1/search?q=zebra&mode=dense")  # this model cannot be loaded
        httpx.post(f"{address}api/v1/compare", json={"a_text": "zebra", "b_text": "zebra"})
        with connection_to(address.rstrip("/")) as connection:
            connection.sendall(b"zebra\r\n\r\n")
            connection.recv(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert "zebra" not in out + err and "saw" not in out + err


def test_errors_before_the_app_are_short(index: Index) -> None:
    with served(index) as address, connection_to(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert connection.recv(65536).startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


def test_the_page_is_small(index: Index) -> None:
    sizes = {
        path.name: path.stat().st_size
        for path in PAGE.rglob("*")
        if path.is_file() and "map" not in path.name
    }
    assert sum(sizes.values()) <= 300_000, json.dumps(sizes)
