"""The kind of a file by its name and bytes: what is read as what, and the reasons for what is not."""

import base64
import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from semsearch.readers import Found, read, walk
from semsearch.readers.kinds import kind_of
from semsearch.types import Document, Skipped

DATA = base64.encodebytes(bytes(range(256)) * 12)
KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + DATA + b"-----END OPENSSH PRIVATE KEY-----\n"
CODE = b"function f(a){return a+1};" * 300


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, "application/epub+zip" if name == "mimetype" else "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "head", "reason"),
    [
        ("logo.svg", b"<svg><path d='M0 0'/></svg>", "picture (SVG)"),
        ("photo.HEIC", b"\0\0\0\x18ftypheic", "picture"),
        ("photo.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "picture"),
        ("talk.mp3", b"ID3\x04", "sound or video"),
        ("app.min.js", b"var a=1", "minified code"),
        ("app.js", CODE, "minified code"),
        ("app.css.map", b'{"version":3}', "source map"),
        ("package-lock.json", b'{"name": "x"}', "lock file of a package manager"),
        ("poetry.lock", b"[[package]]", "lock file of a package manager"),
        ("go.sum", b"golang.org/x v0", "lock file of a package manager"),
        ("id_rsa", KEY, "private key, certificate or password: never read"),
        ("notes.txt", KEY, "private key, certificate or password: never read"),
        ("server.pem", b"anything", "private key, certificate or password: never read"),
        (".env", b"TOKEN=abc", "private key, certificate or password: never read"),
        ("prod.env", b"TOKEN=abc", "private key, certificate or password: never read"),
        ("plan.canvas", b'{"nodes": []}', "drawing"),
        ("blob.txt", DATA, "encoded data without words"),
        ("sum.txt", bytes(range(256)).hex().encode() * 9, "encoded data without words"),
        ("old.zip", archive("a.txt"), "archive: unpack it to have its files read"),
        ("old.bin2", archive("a.txt"), "archive: unpack it to have its files read"),
        ("old.7z", b"7z\xbc\xaf\x27\x1c", "archive: unpack it to have its files read"),
        ("notes.db", b"SQLite format 3\0", "database"),
        ("notes.dat", b"SQLite format 3\0", "database"),
        (
            "letter.doc",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0",
            "old Word format: save it as .docx to have it read",
        ),
        ("book.mobi", b"x" * 60 + b"BOOKMOBI", "Kindle book: convert it to .epub to have it read"),
        (
            "essay.pages",
            archive("Index/Document.iwa"),
            "Apple document: export it as .docx, .xlsx or .pptx to have it read",
        ),
        ("mail.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "Outlook mail: save it as .eml to have it read"),
        ("a.out", b"\x7fELF\x02\x01\0", "program"),
        ("unknown", b"a\0b", "binary file"),
    ],
)
def test_what_is_not_read_has_its_reason(name: str, head: bytes, reason: str) -> None:
    assert kind_of(name, head).reason == reason


@pytest.mark.parametrize(
    ("name", "head", "suffix"),
    [
        ("notes.txt", b"%PDF-1.7\n%\xe2\xe3", ".pdf"),
        ("report.docx", b"%PDF-1.7\n%\xe2\xe3", ".pdf"),
        ("letter.doc", b"{\\rtf1\\ansi", ".rtf"),
        ("table.xls", b"<html><table>", ".html"),
        ("book", archive("mimetype"), ".epub"),
        ("letter.zip", archive("[Content_Types].xml", "word/document.xml"), ".docx"),
        ("letter.docm", archive("[Content_Types].xml", "word/document.xml"), ".docm"),
        ("letter.docx", archive("a.txt"), ".docx"),
        ("Inbox", b"From - Mon May  6 10:00:00 2024\nSubject: x\n\ntext", ".mbox"),
        (
            "171.M1P2.host:2,S",
            b"Return-Path: <a@example.org>\nReceived: x\n by y\nSubject: x\n\ntext",
            ".eml",
        ),
        ("id_rsa.pub", b"ssh-rsa AAAA ann@example.org", ".pub"),
        ("letter", b"From: Ann\nTo: Bo\n\nDear Bo", ""),
        ("wide.txt", "text".encode("utf-16"), ".txt"),
        ("words.txt", b"a" * 8000, ".txt"),
        ("links.txt", b"https://example.org/one/two-three/four_five?six=7&eight=9\n" * 99, ".txt"),
        ("code.py", b"def f(a):\n    return a + 1\n" * 99, ".py"),
    ],
)
def test_what_is_read_and_as_what(name: str, head: bytes, suffix: str) -> None:
    assert kind_of(name, head) == (suffix, "")


@pytest.mark.parametrize("name", ["logo.svg", "app.min.js", "poetry.lock", "scan.jpg", "blob.txt"])
def test_text_that_a_person_names_is_read(name: str) -> None:
    assert kind_of(name, b"some words").suffix == Path(name).suffix
    assert kind_of(name, DATA, named=True).reason == ""


@pytest.mark.parametrize(
    ("name", "head"), [("id_rsa", KEY), ("a.txt", KEY), ("a.pem", b"x"), ("a.zip", b"PK\x03\x04\0")]
)
def test_keys_and_archives_are_not_read_even_if_named(name: str, head: bytes) -> None:
    assert kind_of(name, head, named=True).reason


def test_folders_that_programs_fill_are_skipped_unless_included(tmp_path: Path) -> None:
    for folder in ("node_modules/x", "env", "cache", "notes"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.md").write_text("text")
    (tmp_path / "env/pyvenv.cfg").write_text("home = /usr")
    (tmp_path / "cache/CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")

    def found(root: Path) -> list[str]:
        return [
            item.path.relative_to(tmp_path).as_posix() for item in walk([root]) if isinstance(item, Found)
        ]

    reasons = Counter(item.reason for item in walk([tmp_path]) if isinstance(item, Skipped))
    assert found(tmp_path) == ["notes/a.md"]
    assert reasons == {
        "node_modules: a folder that programs fill": 1,
        "virtual environment of Python": 1,
        "cache of a program (CACHEDIR.TAG)": 1,
    }
    assert found(tmp_path / "node_modules") == ["node_modules/x/a.md"]
    (tmp_path / ".semsearchignore").write_text("!node_modules\n")
    assert found(tmp_path) == ["node_modules/x/a.md", "notes/a.md"]


def test_a_file_with_a_wrong_suffix_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "Inbox"
    path.write_text("From - Mon May  6 10:00:00 2024\nSubject: x\n\ntext")
    (document,) = read(path, "Inbox")
    assert isinstance(document, Document)
    assert (document.name, document.text) == ("Inbox#1", "# x\n\ntext")


def test_keys_inside_a_text_are_not_indexed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"How to make a key:\n\n" + KEY + b"\nDone.\n")
    (document,) = read(path, "a.txt")
    assert isinstance(document, Document)
    assert DATA[:30].decode() not in document.text and document.text.count("\n") == path.read_text().count(
        "\n"
    )
    assert document.text.startswith("How to") and document.text.endswith("Done.\n")
