"""Files and folders made to do harm: each is read within limits or skipped with a reason, and the rest is ingested."""

import io
import json
import os
import resource
import socket
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import docx
import pytest

from semsearch.errors import UnreadableSource
from semsearch.files import opened, replacing
from semsearch.readers import Found, read, sandbox, walk
from semsearch.types import Document, Skipped
from tests.office_files import workbook
from tests.soundness import assert_sound
from tests.test_readers import pdf
from tests.tiny_embedder import create_index, open_index

WORD = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">%s<w:body>'


def word(body: bytes, declaration: bytes = b"", times: int = 1) -> bytes:
    """Return a Word document with `body` as many times, all but the first declared nowhere else."""
    plain, made = io.BytesIO(), io.BytesIO()
    docx.Document().save(plain)
    with (
        zipfile.ZipFile(plain) as old,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            if name != "word/document.xml":
                new.writestr(name, old.read(name))
        with new.open("word/document.xml", "w") as file:
            file.write(declaration + WORD % b"")
            for _ in range(times):
                file.write(body)
            file.write(b"</w:body></w:document>")
    return made.getvalue()


def paragraph(text: bytes) -> bytes:
    return b"<w:p><w:r><w:t>" + text + b"</w:t></w:r></w:p>"


def slow_pdf(operations: int) -> bytes:
    """Return a small PDF whose one page takes long to read."""
    content = zlib.compress(b"BT /F 9 Tf 1 0 0 1 5 5 Tm (word) Tj ET " * operations)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n" % len(content) + content + b"\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    file, places = io.BytesIO(b"%PDF-1.7\n"), []
    file.seek(0, io.SEEK_END)
    for number, item in enumerate(objects, 1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n" % number + item + b"\nendobj\n")
    table = file.tell()
    rows = b"".join(b"%010d 00000 n \n" % place for place in places)
    file.write(b"xref\n0 6\n0000000000 65535 f \n" + rows)
    file.write(b"trailer <</Size 6 /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % table)
    return file.getvalue()


def reasons(path: Path) -> list[str]:
    """Why a file gave no Document."""
    items = list(read(path, path.name))
    assert all(isinstance(item, Skipped) and item.failed for item in items), items
    return [item.reason for item in items if isinstance(item, Skipped)]


# Files that are parsed in a separate process


@pytest.fixture
def fine(tmp_path: Path) -> Iterator[Path]:
    """Return a PDF that is read before the test and after it, whatever came in between."""
    path = tmp_path / "fine.pdf"
    path.write_bytes(pdf("All is well."))
    for _ in range(2):
        (item,) = read(path, "fine.pdf")
        assert isinstance(item, Document)
        assert item.text == "All is well."
        if _ == 0:
            yield path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to the limit on memory")
def test_a_bomb_in_a_document_meets_the_limit_on_memory(
    tmp_path: Path, fine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = tmp_path / "bomb.docx"
    bomb.write_bytes(word(paragraph(b"A" * 1_000_000), times=150))
    assert bomb.stat().st_size < 1_000_000
    most_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of any child of any test so far
    monkeypatch.setattr(sandbox, "MEMORY", 192 << 20)
    assert reasons(bomb) == ["it takes more than 192 MB to parse"]
    monkeypatch.undo()
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert most < sandbox.MEMORY >> 10 or most == most_before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to the limit on memory")
def test_a_bomb_of_shared_strings_meets_the_limit(
    tmp_path: Path, fine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = workbook(
        {"S": '<row r="1"><c t="s"><v>0</v></c></row>'}, sharedStrings="<si><t>%s</t></si>" % ("A" * 10**8)
    )
    (tmp_path / "bomb.xlsx").write_bytes(bomb)
    assert len(bomb) < 1_000_000
    monkeypatch.setattr(sandbox, "MEMORY", 192 << 20)
    assert reasons(tmp_path / "bomb.xlsx") == ["it takes more than 192 MB to parse"]
    monkeypatch.undo()


def test_a_document_with_too_much_text_is_refused(
    tmp_path: Path, fine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "long.docx").write_bytes(word(paragraph(b"word " * 1_000), times=200))
    monkeypatch.setattr(sandbox, "MOST_TEXT", 500_000)
    assert reasons(tmp_path / "long.docx") == ["it holds more than 0.5 MB of text"]
    monkeypatch.undo()


def test_a_file_that_takes_too_long_is_given_up(
    tmp_path: Path, fine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.pdf").write_bytes(slow_pdf(1_000_000))
    monkeypatch.setattr(sandbox, "SECONDS", 1)
    monkeypatch.setattr(sandbox, "SECONDS_A_MEGABYTE", 0)
    assert reasons(tmp_path / "slow.pdf") == ["it takes more than 1 s to parse"]
    monkeypatch.undo()


def test_a_parser_that_dies_is_named_and_replaced(
    tmp_path: Path, fine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        sandbox._child.stop()
        patch.setattr(sys, "executable", "/bin/false")
        assert reasons(fine) == ["it crashes the parser (exit 1)"]
        patch.setattr(sys, "executable", "/nowhere/python")
        assert reasons(fine) == ["no process to parse it in: No such file or directory"]


def test_an_entity_is_neither_expanded_nor_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the password")
    entities = b"".join(
        b'<!ENTITY e%d "%s">' % (level, b"&e%d;" % (level - 1) * 10) for level in range(1, 10)
    )
    bomb = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e0 "lol">%s]>' % entities
    (tmp_path / "bomb.docx").write_bytes(word(paragraph(b"&e9;"), bomb))
    (reason,) = reasons(tmp_path / "bomb.docx")
    assert reason.startswith("its XML declares entities")
    thief = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "%s">]>' % secret.as_uri().encode()
    (tmp_path / "thief.docx").write_bytes(word(paragraph(b"before &x; after"), thief))
    for item in read(tmp_path / "thief.docx", "thief.docx"):
        assert "password" not in str(item)


def test_a_library_reads_from_a_script_without_a_main_guard(tmp_path: Path, fine: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom semsearch.readers import read\n"
        f"print(*(item.text for item in read(Path({str(fine)!r}), 'a')), sep='')\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("All is well.\n", "")


def test_no_parser_outlives_the_process_that_was_killed(fine: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from semsearch.readers import read, sandbox;"
        f"list(read(Path({str(fine)!r}), 'a')); print(sandbox._child._process.pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    child = int(ran.stdout)
    for _ in range(100):
        try:
            os.kill(child, 0)
            if b"Z" in Path(f"/proc/{child}/stat").read_bytes().rpartition(b")")[2].split()[:1]:
                return  # dead, and nobody asks for it
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.1)
    pytest.fail(f"{child} is still at work")


# Text, rows and pages out of all proportion, in a process that has not the memory for it

MILLION = 1_000_000
ENORMOUS = {
    "lists.jsonl": (
        b'{"text": "x", "m": [' + b"[]," * (12 * MILLION) + b'[]]}\n{"text": "whole"}\n',
        ["row of more than 10,000,000 characters"],
        ["whole"],
    ),
    "commas.csv": (b"," * (40 * MILLION), ["more than 10,000 columns"], []),
    "columns.csv": (
        b",".join(b"c%d" % n for n in range(MILLION)) + b"\n" + b"x," * (MILLION - 1) + b"x\n",
        ["more than 10,000 columns"],
        [],
    ),
    "line.txt": (b"word " * (8 * MILLION), [], [f"{40 * MILLION} characters"]),
    "latin.txt": (b"caf\xe9 " * (8 * MILLION), [], [f"{40 * MILLION} characters"]),
    "attributes.html": (b"<a " + b"x='1 " * (2 * MILLION), ["it takes more than 1024 MB to parse"], []),
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to the limit on memory")
@pytest.mark.parametrize("name", ENORMOUS)
def test_enormous_files_take_bounded_memory(tmp_path: Path, name: str) -> None:
    content, failures, documents = ENORMOUS[name]
    (tmp_path / name).write_bytes(content)
    code = (
        "import json, resource, sys; from pathlib import Path; from semsearch.readers import read;"
        "from semsearch.types import Document;"
        "resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000,) * 2);"
        "items = list(read(Path(sys.argv[1]), 'a'));"
        "show = lambda text: text if len(text) < 99 else f'{len(text)} characters';"
        "print(json.dumps([[item.reason for item in items if not isinstance(item, Document)],"
        "[show(item.text) for item in items if isinstance(item, Document)]]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path / name], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == [failures, documents]


def test_a_long_line_in_an_old_encoding_is_told_by_a_part_of_it(tmp_path: Path) -> None:
    french, chinese = "Le café était fermé à cause de la fête. ", "社区工具图书馆每周六上午十点开门"
    for name, text, encoding in (
        ("late.txt", "word " * 100_000 + french * 10, "latin-1"),
        ("french.txt", french * 10_000, "cp1252"),
        ("chinese.txt", chinese * 10_000, "gb18030"),
        ("chinese-sentences.txt", f"{chinese}, {chinese[:5]}. " * 10_000, "gb18030"),
    ):
        (tmp_path / name).write_bytes(text.encode(encoding))
        (item,) = read(tmp_path / name, name)
        assert isinstance(item, Document), (name, item)
        assert item.text == text, name


# Files that change


def test_a_file_is_read_as_long_as_it_was_when_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"one\n")
    with opened(path) as file, path.open("ab") as more:
        more.write(b"two\n" * 100_000)
        more.flush()
        assert file.read() == b"one\n"
        assert file.read(9) == b""
        file.seek(2)
        assert file.readlines() == [b"e\n"]
    with opened(path) as file:
        path.write_bytes(b"one")
        assert file.read() == b"one"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.pdf"])
def test_what_became_a_fifo_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(UnreadableSource, match="not a regular file"):
        list(read(tmp_path / name, name))


def test_an_ignore_file_without_end_closes_its_folder(tmp_path: Path) -> None:
    for folder in ("open", "closed"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text("text")
    with (tmp_path / "closed" / ".gitignore").open("wb") as file:
        file.truncate(2_000_000_000)
    found = list(walk([tmp_path]))
    assert [item.path.parent.name for item in found if isinstance(item, Found)] == ["open"]
    (closed,) = (item for item in found if isinstance(item, Skipped))
    assert (Path(closed.path).name, closed.failed) == ("closed", True)
    assert closed.reason == ".gitignore has more than 1,000,000 bytes"


# A folder of it all


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """Yield a folder with an index for a user without privileges. Root becomes such a user for a while."""
    with tempfile.TemporaryDirectory() as name:
        create_index(Path(name) / ".semsearch").close()
        sandbox.parse_in_sandbox(".html", b"")  # while Python itself can be read
        root = os.geteuid() == 0
        if root:
            for path in (Path(name), *Path(name).rglob("*")):
                os.chown(path, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="names, links and devices as Linux has them")
def test_everything_at_once(as_nobody: Path) -> None:
    top = as_nobody / "top"
    (top / "closed").mkdir(parents=True)
    good = {
        "a.txt": "well",
        "\x1b]0;title\x07.md": "escape",
        "two\nlines.md": "named",
        "\u202egpj.md": "bidi",
    }
    for name, text in good.items():
        (top / name).write_text(text)
    (top / "nul.txt").write_bytes(b"word " * 2_000 + b"\0\0 nul")  # behind what is looked at for binary files
    (top / "pdf.pdf").write_bytes(pdf("A page."))
    bad: dict[str, tuple[bytes, str]] = {
        "bytes.txt": (bytes(range(1, 256)) * 4, "unknown encoding"),
        "gzip.txt": (zlib.compress(os.urandom(9_000)).replace(b"\0", b"\1"), "unknown encoding"),
        "half.txt": (
            "Grüße aus München, übrigens.\n".encode() * 9 + b"caf\xe9\n",
            "line 10 is not valid UTF-8",
        ),
        "broken.pdf": (b"%PDF-1.7\n", "broken PDF ("),
        "broken.docx": (b"PK\3\4", "broken DOCX ("),
        "columns.csv": (b"c," * 20_000 + b"\n", "more than 10,000 columns"),
        "deep.jsonl": (
            b'{"text": ' + b"[" * 99_999 + b"]" * 99_999 + b"}",
            "malformed JSON: nested too deeply",
        ),
        "binary.txt": (b"SQLite format 3\0" + os.urandom(999), "database"),
        "empty.txt": (b"", "empty file"),
    }
    for name, (content, _) in bad.items():
        (top / name).write_bytes(content)
    expected = {name: reason for name, (_, reason) in bad.items()}
    with (top / "sparse.txt").open("wb") as file:
        file.truncate(2_000_000_000)
    os.mkfifo(top / "fifo.txt")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "socket.txt"))
    (top / "device.txt").symlink_to("/dev/zero")
    (top / "passwd.txt").symlink_to("/etc/passwd")
    (top / "loop").symlink_to(".")
    Path(os.fsdecode(os.fsencode(top) + b"/caf\xe9.md")).write_text("text")
    (top / "secret.txt").write_text("secret")
    for name in ("secret.txt", "closed"):
        (top / name).chmod(0)
    expected |= {
        "sparse.txt": "larger than 50 MB (--max-size)",
        "fifo.txt": "not a regular file",
        "socket.txt": "not a regular file",
        "device.txt": "symbolic link out of the folder",
        "passwd.txt": "symbolic link out of the folder",
        "loop": "symbolic link loop",
        "caf\\xe9.md": "name is not valid UTF-8",
        "secret.txt": "permission denied",
        "closed": "permission denied",
    }
    with open_index(as_nobody / ".semsearch") as index:
        report = index.ingest([top])
        found = {Path(one.path.partition(":")[0]).name: one for one in report.skipped}
        assert {name: one.reason[: len(expected[name])] for name, one in found.items()} == expected
        on_purpose = {"binary.txt", "empty.txt", "sparse.txt", "fifo.txt", "socket.txt"}
        on_purpose |= {"device.txt", "passwd.txt", "loop"}
        assert {name for name, one in found.items() if not one.failed} == on_purpose
        assert len(found) == len(report.skipped)
        names = {*good, "nul.txt", "pdf.pdf"}
        assert set(index.sources()) == {f"top/{name}" for name in names}
        assert index.query("named")[0].source == "top/two\nlines.md"
        again = index.ingest([top])
        assert (again.added, again.updated, again.removed, again.unchanged) == (0, 0, 0, len(names))
        assert {one.path for one in again.failed} == {one.path for one in report.failed}
        assert_sound(index)
    (top / "closed").chmod(0o700)


# Writing a file whole or not at all


def test_a_write_is_on_the_disk_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before it takes its name, and the folder after."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("name"), replace(*names)))
    path = tmp_path / "a.txt"
    for through in ("", ".a.tmp"):
        calls.clear()
        (tmp_path / ".a.tmp").write_text("left by an interrupted write")
        with replacing(path, through=through) as file:
            file.write(b"new")
            assert not path.exists() or path.read_bytes() == b"new"
        assert calls == ["file", "name", "folder"]
        assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    for through in ("", ".a.tmp"):
        with pytest.raises(ZeroDivisionError), replacing(path, through=through) as file:
            file.write(b"half")
            raise ZeroDivisionError
        assert path.read_text() == "old"
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_temporary_name_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / ".a.tmp").symlink_to(tmp_path / "victim")
    with replacing(tmp_path / "a.txt", through=".a.tmp") as file:
        file.write(b"new")
    assert (tmp_path / "victim").read_text() == "mine"
    assert (tmp_path / "a.txt").read_text() == "new"
