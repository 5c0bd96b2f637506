"""PublicDataset data sets, fetched from a server on this machine: good files, and everything that can go wrong."""

import hashlib
import io
import os
import pty
import select
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from click.testing import CliRunner
from loopback import http_server

from semsearch.cli import main
from semsearch.errors import SemsearchError
from semsearch.tuning.download import fetch
from semsearch.tuning.pairs import load_pairs
from semsearch.tuning.public_datasets import PUBLIC_DATASETS, PublicDataset

CONTENT = b"".join(b"a %d,b %d,%d\n" % (n, n, n % 6) for n in range(20_000))


@dataclass
class Server:
    """Serves `files` by path, redirects `moved`, hangs up after `cut` bytes of each answer; notes what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    ranges: bool = True
    length: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path, wanted = self.path.lstrip("/"), self.headers.get("Range")
            state.asked.append((path, wanted))
            if path in state.moved:
                self.send_response(302)
                self.send_header("Location", state.moved[path])
                self.end_headers()
                return
            if path not in state.files:
                self.send_error(404)
                return
            content, start = state.files[path], 0
            if wanted and state.ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if state.length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: state.cut])

    with http_server(Handler) as state.url:
        yield state


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a user's cache of this test's own, and no proxy between it and its server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("SEMSEARCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "semsearch" / "data"


def published(server: Server, content: bytes = CONTENT, **changed: object) -> PublicDataset:
    return replace(
        PUBLIC_DATASETS["sts-b"],
        url=f"{server.url}/pairs.csv",
        file_bytes=len(content),
        digest=hashlib.sha256(content).hexdigest(),
        **changed,
    )


def left_in(folder: Path) -> set[str]:
    """Return the names in a folder, without locks."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_file_is_fetched_and_found_from_then_on(server: Server, cache: Path) -> None:
    server.files["pairs.csv"] = CONTENT
    wanted, told = published(server), []
    assert wanted.find() is None
    path = wanted.download(lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT and wanted.find() == path
    assert told[-1] == (len(CONTENT), len(CONTENT)) and told == sorted(told)
    assert left_in(cache) == {wanted.file}


def test_a_wrong_digest_leaves_nothing(server: Server, cache: Path) -> None:
    server.files["pairs.csv"] = CONTENT.replace(b"5", b"6", 1)
    wanted = published(server)
    with pytest.raises(SemsearchError, match="SHA-256") as refused:
        wanted.download()
    assert wanted.digest in str(refused.value) and refused.value.exit_code == 1
    assert left_in(cache) == set()
    server.files["pairs.csv"] = CONTENT
    assert wanted.download().read_bytes() == CONTENT


def test_redirects_are_followed_and_a_circle_is_not(server: Server) -> None:
    server.files["there.csv"] = CONTENT
    server.moved = {"pairs.csv": "/on", "on": f"{server.url}/there.csv"}
    assert published(server).download().read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["pairs.csv", "on", "there.csv"]
    server.moved = {"pairs.csv": "/pairs.csv"}
    with pytest.raises(SemsearchError, match="302"):
        published(server).download()


def test_not_found_says_what_and_where_else(server: Server, cache: Path) -> None:
    with pytest.raises(SemsearchError, match=r"pairs\.csv: 404") as missing:
        published(server).download()
    assert "SEMSEARCH_DATA" in missing.value.hint and "github.com" in missing.value.hint
    assert len(server.asked) == 1 and left_in(cache) == set()


def test_nobody_listening(server: Server) -> None:
    with pytest.raises(SemsearchError, match="refused"):
        replace(published(server), url="http://127.0.0.1:1/pairs.csv").download()


@pytest.mark.parametrize("length", [True, False])
def test_a_cut_connection_is_taken_up_where_it_broke(server: Server, length: bool) -> None:
    """With each answer cut after 100,000 bytes the file comes in pieces, none of them twice."""
    server.files["pairs.csv"], server.cut = CONTENT, 100_000
    if not length:  # nobody can tell the cut from the end then, but for the digest
        server.length = False
        with pytest.raises(SemsearchError, match="SHA-256"):
            published(server).download()
        return
    assert published(server).download().read_bytes() == CONTENT
    starts = [wanted and int(wanted[6:-1]) for _, wanted in server.asked]
    assert starts == [None, *range(100_000, len(CONTENT), 100_000)]


def test_what_has_come_is_kept_for_another_day(server: Server, cache: Path) -> None:
    server.files["pairs.csv"], server.cut, server.ranges = CONTENT, 1_000, False
    with pytest.raises(SemsearchError, match="connection was lost"):
        published(server).download()
    assert left_in(cache) == {"pairs.csv.part"}
    server.cut, server.ranges = None, True
    assert published(server).download().read_bytes() == CONTENT
    assert server.asked[-1] == ("pairs.csv", "bytes=1000-")


def test_a_server_without_ranges_starts_over(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "pairs.csv.part").write_bytes(CONTENT[:777])
    server.files["pairs.csv"], server.ranges = CONTENT, False
    assert published(server).download().read_bytes() == CONTENT


def test_a_part_that_is_whole_or_too_long(server: Server, cache: Path) -> None:
    server.files["pairs.csv"] = CONTENT
    cache.mkdir(parents=True)
    part = cache / "pairs.csv.part"
    part.write_bytes(CONTENT)
    assert published(server).download().read_bytes() == CONTENT
    part.write_bytes(CONTENT + b"more")
    with pytest.raises(SemsearchError, match="416"):
        published(server).download()
    assert published(server).download().read_bytes() == CONTENT


def test_a_server_that_never_stops_is_left(server: Server, tmp_path: Path) -> None:
    server.files["pairs.csv"], server.length = CONTENT, False
    with pytest.raises(SemsearchError, match="more than 5,000 bytes"):
        fetch(f"{server.url}/pairs.csv", tmp_path / "part", max_bytes=5_000)


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def test_the_file_is_taken_out_of_an_archive(server: Server, cache: Path) -> None:
    server.files["pairs.csv"] = archive(**{"readme.txt": b"read me", "in/side.txt": CONTENT})
    assert published(server, member="in/side.txt").download().read_bytes() == CONTENT
    assert left_in(cache) == {PUBLIC_DATASETS["sts-b"].file}


@pytest.mark.parametrize(
    "made",
    [
        b"<html>a page that says no</html>",
        archive(other=CONTENT),
        archive(pairs=CONTENT[:-1]),
        archive(pairs=bytes(9_000_000)),  # a bomb: no more of it is unpacked than the file is long
        archive(pairs=CONTENT)[:-200],
        archive(pairs=CONTENT).replace(b"pairs", b"../ab"),
    ],
    ids=["no archive", "without it", "shorter", "bomb", "cut", "renamed"],
)
def test_an_archive_that_is_not_the_one(server: Server, cache: Path, made: bytes) -> None:
    server.files["pairs.csv"] = made
    with pytest.raises(SemsearchError, match="SHA-256"):
        published(server, member="pairs").download()
    assert left_in(cache) == set() and sorted(path.name for path in cache.parent.parent.iterdir()) == [
        "semsearch"
    ]


def test_a_cache_that_cannot_be_written(server: Server, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(SemsearchError, match="cannot write"):
        published(server).download()


# -- through the command line -------------------------------------------------------------------------------


def test_without_a_terminal_nothing_is_fetched_unasked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_MIRROR", server.url)
    done = CliRunner().invoke(main, ["eval", "--pairs", "sts-b"])
    assert done.exit_code == 2 and server.asked == []
    assert "--download gets stsb-en-test.csv, 159 kB, grades CC BY-SA 4.0" in done.stderr


def test_both_sets_from_a_mirror(server: Server, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digests are those of the real files, so only these pass."""
    sick, stsb = shared_data / "sick" / "SICK.txt", shared_data / "stsb" / "stsb-en-test.csv"
    server.files = {
        "SICK.zip": archive(**{"readme.txt": b"", "SICK.txt": sick.read_bytes()}),
        "stsb-en-test.csv": stsb.read_bytes(),
    }
    monkeypatch.setenv("SEMSEARCH_MIRROR", f"{server.url}/")
    for name in ("sick", "sts-b"):
        done = CliRunner().invoke(main, ["tune", "--pairs", name, "--download", "--text-a", "no such column"])
        assert done.exit_code == 2 and "no column" in done.stderr and "downloaded" in done.stderr
    assert len(load_pairs("sick").pairs) == 9_840 and len(load_pairs("sts-b").pairs) == 1_379
    server.files["stsb-en-dev.csv"] = stsb.read_bytes()
    done = CliRunner().invoke(main, ["tune", "--pairs", "sts-b:dev", "--download"])
    assert done.exit_code == 1 and "SHA-256" in done.stderr


@pytest.mark.parametrize(("answer", "code"), [("y", 2), ("n", 2)])
def test_at_a_terminal_a_person_is_asked(server: Server, shared_data: Path, answer: str, code: int) -> None:
    server.files["stsb-en-test.csv"] = (shared_data / "stsb" / "stsb-en-test.csv").read_bytes()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "semsearch", "eval", "--pairs", "sts-b", "--text-a", "no such column"]
    environment = os.environ | {
        "SEMSEARCH_MIRROR": server.url,
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    said, answered = b"", False
    while True:
        try:
            if not select.select([ours], [], [], 60)[0]:
                break
            more = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not more:
            break
        said += more
        if not answered and b"[y/N]" in said:
            os.write(ours, f"{answer}\n".encode())
            answered = True
    os.close(ours)
    assert process.wait() == code, said
    assert b"159 kB" in said and b"github.com" in said
    assert bool(server.asked) == (answer == "y")
    assert (b"no column" if answer == "y" else b"--download gets") in said
