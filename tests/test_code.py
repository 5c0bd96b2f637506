"""Source code: its functions and classes are found, and passages are cut at them, in whole lines."""

import time
from pathlib import Path

import pytest
from reading import Read
from tiny_embedder import TinyEmbedder, create_index

from semsearch.ingest.chunk import chunk
from semsearch.readers import formats
from semsearch.readers.parsers import code
from semsearch.text.chunking import split
from semsearch.types import Definition, Document

PACKAGE = Path(code.__file__).parents[2]
PYTHON = '''import os

# Doubles.
@cached
def double(x):
    """Return twice x."""
    def inner():
        return x
    return 2 * inner()


class Shape(Base):
    """A shape."""

    async def area(self):
        return 0

    side = 1


print(double(4))
'''
SAMPLES = {
    "a.py": (PYTHON, "3-9 double|7-8 double.inner|12-18 Shape|15-16 Shape.area"),
    "a.js": (
        "/** Adds. */\nexport const add = (a, b) => {\n  return a + b;\n};\nclass Box extends A {\n  get size() {\n"
        "    return 1;\n  }\n  load = async () => {\n  };\n}\nmodule.exports.go = function () {\n};\n",
        "1-4 add|5-11 Box|6-8 Box.size|9-10 Box.load|12-13 module.exports.go",
    ),
    "a.tsx": (
        "export interface Props {\n  a: string;\n}\nnamespace N {\n  export function f(): JSX {\n    return <b>x</b>;\n"
        "  }\n}\n@Dec()\nexport class C {\n  private m(): void {\n  }\n}\n",
        "1-3 Props|4-8 N|5-7 N.f|9-13 C|11-12 C.m",
    ),
    "a.c": (
        '#include "x.h"\n/* Sum. */\nstatic int *sum(int a) {\n  return 0;\n}\nstruct point {\n  int x;\n};\n'
        "typedef struct {\n  int y;\n} pair;\nstruct point use(struct point p) {\n  return p;\n}\n",
        "2-5 sum|6-8 point|9-11 pair|12-14 use",
    ),
    "a.cpp": (
        "namespace a::b {\nclass C : public D {\n public:\n  C();\n  ~C() {\n  }\n};\n}\ntemplate <typename T>\n"
        "T top(T t) {\n  return t;\n}\nint a::b::C::run() {\n}\n",
        "1-8 a.b|2-7 a.b.C|5-6 a.b.C.~C|9-12 top|13-14 a.b.C.run",
    ),
    "A.java": (
        "package p;\n/** Doc. */\n@Tag\npublic class A {\n  A() {\n  }\n  /** Runs. */\n  @Override\n  int run() {\n"
        "    return 1;\n  }\n}\n",
        "2-12 A|5-6 A.A|7-11 A.run",
    ),
    "a.go": (
        "package p\n\n// S serves.\ntype S struct {\n\ta int\n}\n\n// Start starts.\nfunc (s *S) Start(a int) {\n}\n"
        "func (g Gen[T]) K() {\n}\n",
        "3-6 S|8-10 S.Start|11-12 Gen.K",
    ),
    "a.rs": (
        "/// A point.\n#[derive(Debug)]\npub struct Point {\n}\nimpl Display for Point {\n"
        "    fn fmt(&self) {\n    }\n}\nmod inner {\n    fn deep() {\n    }\n}\n",
        "1-4 Point|5-8 Display for Point|6-7 Display for Point.fmt|9-12 inner|10-11 inner.deep",
    ),
    "a.rb": (
        "module M\n  class A < B\n    # Doc.\n    def f(x)\n    end\n    def self.g\n    end\n  end\nend\n",
        "1-9 M|2-8 M.A|3-5 M.A.f|6-7 M.A.g",
    ),
    "a.sh": ("#!/bin/sh\n\n# Logs.\nlog() {\n  echo\n}\n", "3-6 log"),
    "a.cs": (
        "namespace N {\n  public class A {\n    public int P { get; set; }\n    int F<T>(int a) {\n    }\n  }\n}\n",
        "1-7 N|2-6 N.A|3 N.A.P|4-5 N.A.F",
    ),
    "a.php": (
        "<?php\n/** Doc. */\nclass C extends D {\n  public function f() {\n  }\n}\nfunction g() {\n}\n",
        "2-6 C|4-5 C.f|7-8 g",
    ),
}


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@pytest.mark.parametrize("name", SAMPLES)
def test_definitions_have_names_and_whole_lines(reading: Read, name: str) -> None:
    text, expected = SAMPLES[name]
    found = [
        f"{one.first}{f'-{one.last}' if one.last > one.first else ''} {'.'.join(one.path)}"
        for one in reading(name, text).document.outline
    ]
    # inner() in the Python sample has two lines
    assert "|".join(found).replace("6-7 double.inner", "6 double.inner") == expected.replace(
        "6 double", "6 double"
    )


def outline_of(reading: Read, text: str) -> tuple[Definition, ...]:
    return reading("a.py", text).document.outline


def test_passages_are_definitions_with_their_path(reading: Read) -> None:
    spans = split(PYTHON, words, 16, outline=outline_of(reading, PYTHON), title="shapes")
    assert [(span.heading, PYTHON[span.start : span.end].split("\n")[0]) for span in spans] == [
        ("shapes", "import os"),
        ("shapes > double", "# Doubles."),
        ("shapes > Shape", "class Shape(Base):"),
        ("shapes", "print(double(4))"),
    ]


def test_small_definitions_share_a_passage(reading: Read) -> None:
    text = "".join(f"def f{number}():\n    return {number}\n\n\n" for number in range(30))
    spans = split(text, words, 40, outline=outline_of(reading, text), title="m")
    assert spans[0].heading == "m > f0, f1, f2, f3, f4"
    assert all(text[span.start : span.end].startswith("def f") and span.tokens <= 40 for span in spans)
    (whole,) = split(text, words, 1_000, outline=outline_of(reading, text), title="m")
    assert whole.heading.endswith(", …") and len(whole.heading) <= 123


def test_a_class_that_fits_is_not_cut(reading: Read) -> None:
    text = "x = 1\ny = 2\nz = 3\n\n\n"
    text += "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"
    spans = split(text, words, 14, outline=outline_of(reading, text), title="m")
    assert [span.heading for span in spans] == ["m", "m > A"]


# All but the files with the formats of data and secrets, of which some are cut out as secrets.
SOURCES = sorted(
    set(PACKAGE.rglob("*.py"))
    - {PACKAGE / "text" / name for name in ("payloads.py", "secrets.py", "secret_formats.py")}
)


@pytest.mark.parametrize("path", SOURCES[::12], ids=lambda path: path.stem)
def test_passages_are_the_lines_of_the_file(reading: Read, path: Path) -> None:
    text = path.read_text()
    document = reading(path.name, text).document
    lines, last = text.split("\n"), 0
    for passage in chunk(document, TinyEmbedder(), everything=False).record.passages:
        assert (passage.original or passage.text) == "\n".join(lines[passage.first - 1 : passage.last])
        assert not "".join(lines[last : passage.first - 1]).strip()
        last = passage.last
    assert not "".join(lines[last:]).strip()


def test_broken_code_keeps_its_text_and_names(reading: Read) -> None:
    text = "def good():\n    return 1\n\n\ndef broken():\n    return 1 + [\n\n\n"
    text += "class After:\n    def m(self):\n        pass\n"
    document = reading("a.py", text).document
    assert document.text == text
    assert {("good",), ("After", "m")} <= {one.path for one in document.outline}


@pytest.mark.parametrize(
    "text",
    [
        "(" * 400_000,
        "def f():\n" * 5_000,
        "{" * 9_000 + "}" * 9_000,
        "class A { " * 3_000,
        "\0(",
        "'''" + "x\n" * 9,
    ],
    ids=["brackets", "no bodies", "braces", "classes", "zero byte", "open string"],
)
@pytest.mark.parametrize("name", ["a.py", "a.cpp"])
def test_hostile_code_is_bounded(reading: Read, name: str, text: str) -> None:
    began = time.process_time()
    read = reading(name, text)
    assert all(len(one.path) <= 12 for document in read.documents for one in document.outline)
    assert time.process_time() - began < 20


def test_code_that_is_too_large_is_cut_at_its_lines(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outline_of(reading, PYTHON)
    assert next(code.parse_code(".py", b"def f(): pass\n" * 200_000)).outline == ()
    monkeypatch.setattr(code, "_SECONDS", -1.0)
    assert next(code.parse_code(".py", b"x = 1\n" * 100_000)).outline == ()


def test_a_crash_of_the_parser_keeps_the_text(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise formats.UnreadableSource("it crashes the parser")

    monkeypatch.setattr(formats, "parse_in_sandbox", crash)
    document = reading("a.py", PYTHON).document
    assert (document.text, document.outline) == (PYTHON, ())


def test_without_the_extra_there_is_one_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(PYTHON)
    (tmp_path / "c.md").write_text("A note.")
    with create_index(tmp_path / ".semsearch") as index:
        with monkeypatch.context() as without:
            without.setattr(formats, "can_parse_code", lambda: False)
            report = index.ingest(tmp_path)
            assert report.notes == (
                "source code is cut at blank lines; pip install 'semsearch[code]' cuts it at its functions",
            )
            assert {hit.heading for hit in index.query("double", mode="lexical")} == {"a"}
            assert index.ingest(tmp_path).unchanged == 3
        report = index.ingest(tmp_path)  # the extra is installed now
        assert (report.documents, report.notes) == (2, ())
        assert {hit.heading for hit in index.query("double", mode="lexical")} == {"a > double, Shape"}
        assert [one.status for one in index.why(tmp_path / "a.py")] == ["indexed"]


def test_signs_are_kept_in_code_and_data_is_not() -> None:
    signs = "\n".join(f"#define M{n}(a,b) (((a)<<{n})|((b)&0x{n:x}))" for n in range(60))
    digits = "static const unsigned char k[] = {\n" + "0x9f, 0xa3, 0x11, 0x5c,\n" * 200 + "};\n"
    found = chunk(Document("m.c", signs), TinyEmbedder(), everything=False)
    assert found.left_out == () and sum(len(one.text) for one in found.record.passages) > 0.9 * len(signs)
    assert chunk(Document("m.c", digits), TinyEmbedder(), everything=False).left_out


def test_a_line_end_in_an_old_file_is_a_line(reading: Read) -> None:
    text = PYTHON.replace("\n", "\r\n")
    assert outline_of(reading, text) == outline_of(reading, PYTHON)
    assert outline_of(reading, PYTHON.replace("\n", "\r")) == outline_of(reading, PYTHON)


def test_names_are_shown_and_found(tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text(PYTHON)
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(tmp_path)
        hit = index.query("Shape area", mode="lexical")[0]
    assert hit.heading == "shapes > double, Shape"
