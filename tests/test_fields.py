"""Fields of documents in every format, questions about them, and hostile heads."""

import json
import time
from pathlib import Path

import pytest
from reading import Read, lines_of
from tiny_embedder import create_index, open_index

from semsearch.errors import InvalidInput
from semsearch.readers.fields import document_fields, iso_date
from semsearch.readers.heads import front_matter, markup_head
from semsearch.types import FieldCounts

PEP = """PEP: 8
Title: Style Guide
Author: Guido van Rossum <guido@example.org>,
        Barry Warsaw <barry@example.org>
Status: Active
Created: 05-Jul-2001
Post-History: 05-Jul-2001, 01-Aug-2013

Introduction
============

Conventions for code.
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", "2024-05-01"),
        ("2024/5/1", "2024-05-01"),
        ("2024-05-01 10:00:00 +0100", "2024-05-01T10:00:00+01:00"),
        ("2024-05-01T10:00Z", "2024-05-01T10:00+00:00"),
        ("05-Jul-2001", "2001-07-05"),
        ("5 September 2001", "2001-09-05"),
        ("July 5th, 2001", "2001-07-05"),
        ("Wed, 05 Mar 2025 10:00:00 +0200 (EET)", "2025-03-05T10:00:00+02:00"),
        ("<2024-05-01 Wed>", "2024-05-01"),
        ("[2024-05-01 mié 10:30]", "2024-05-01T10:30"),
        ("D:20240501120000+02'00'", "2024-05-01T12:00:00+02:00"),
        ("D:2024", "2024"),
        ("2024-13-45", "2024-13-45"),
        ("31 February 2024", "31 February 2024"),
        ("03/04/2024", "03/04/2024"),
        ("May", "May"),
        ("2024", "2024"),
        ("soon", "soon"),
    ],
)
def test_dates_are_stored_in_one_form(text: str, expected: str) -> None:
    assert iso_date(text) == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"tags": "#daily #home"}, {"tags": ("daily", "home")}),
        ({"tags": "machine learning, ai"}, {"tags": ("machine learning", "ai")}),
        ({"Tags": ["a", "a", None, 3]}, {"Tags": ("a", 3)}),
        ({"keywords": "a b; c"}, {"keywords": ("a b", "c")}),
        ({"author": "Ann Lee, Bo Ash"}, {"author": ("Ann Lee", "Bo Ash")}),
        ({"author": "Lee, Ann"}, {"author": "Lee, Ann"}),
        ({"subject": "5 July 2024"}, {"subject": "5 July 2024"}),
        ({"up": [["House|home"]], "see": "[[Shed]]"}, {"up": ("home",), "see": "Shed"}),
        ({"requires": "3, 20"}, {"requires": ("3", "20")}),
        ({"price": "1,200", "empty": "", "none": None}, {"price": "1,200"}),
        ({"a": {"b": {"c": 1}, "d": True}}, {"a.b.c": 1, "a.d": True}),
        ({"bad\nname\x1b[31m": "x"}, {"bad name [31m": "x"}),
    ],
)
def test_entries_become_fields(entries: dict[str, object], expected: dict[str, object]) -> None:
    assert document_fields(entries) == expected


def test_the_header_of_a_pep_is_fields(reading: Read) -> None:
    document = reading("pep.rst", PEP).document
    assert dict(document.metadata) == {
        "PEP": "8",
        "Author": ("Guido van Rossum", "guido@example.org", "Barry Warsaw", "barry@example.org"),
        "Status": "Active",
        "Created": "2001-07-05",
        "Post-History": ("2001-07-05", "2013-08-01"),
        "title": "Style Guide",
    }
    assert lines_of(document) == [
        (9, "Style Guide"), (9, "==========="), (9, "Introduction"), (10, "============"),
        (12, "Conventions for code."),
    ]  # fmt: skip
    assert "Guido" not in document.text


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (".. _x:\n\n====\nDocs\n====\n\n:Author: Ann\n:Status: a\n   b\n\nText", {"Author": "Ann", "Status": "a b"}),
        ("Docs\n----\n:date: 5 May 2024\n\nText", {"date": "2024-05-05"}),
        (":orphan:\n\nDocs\n====\n\nText", {}),
        ("= Docs\n:keywords: a, b\n\nText", {"keywords": ("a", "b")}),
        ("Note: this is prose.\nIt goes on.\n", {}),
        ("A: first\nB: second\n\nno title, so this is text\n", {}),
        ("Text :role:`x` first.\n\n:Author: Ann\n", {}),
    ],
)  # fmt: skip
def test_fields_of_restructuredtext(reading: Read, text: str, fields: dict[str, object]) -> None:
    document = reading("a.rst", text).document
    assert dict(document.metadata) == fields
    assert len(document.text.split("\n")) == len(text.split("\n"))
    assert all(str(one) not in document.text for one in fields.values())


def test_a_head_that_goes_on_to_the_text_is_text() -> None:
    text = "Title: A\nStatus: b\nand prose at once\n"
    assert markup_head(text) == ("", {}, text)


def test_a_page_says_who_wrote_it_and_when(reading: Read) -> None:
    page = (
        '<html lang="de"><head><title>Seite</title><meta name="Author" content="Jo Ash">'
        '<meta property="article:published_time" content="2025-03-04T10:00Z"><meta name=keywords content="a, b">'
        '<meta property="article:tag" content="x"><meta property="article:tag" content="y"><meta name="viewport"'
        ' content="width=1"></head><body><p>Hello.</p></body></html>'
    )
    assert dict(reading("a.html", page).document.metadata) == {
        "language": "de", "author": "Jo Ash", "date": "2025-03-04T10:00+00:00", "keywords": ("a", "b"),
        "tags": ("x", "y"), "title": "Seite",
    }  # fmt: skip


def test_front_matter_of_a_page_is_no_text(reading: Read) -> None:
    page = "---\nlayout: default\ntitle: News\ndate: 2024-01-02 10:00:00 +0100\n---\n<p>Hello.</p>\n"
    document = reading("a.html", page).document
    assert lines_of(document) == [(6, "Hello.")]
    assert dict(document.metadata) == {
        "layout": "default",
        "date": "2024-01-02T10:00:00+01:00",
        "title": "News",
    }


def test_tags_and_fields_inside_a_note(reading: Read) -> None:
    note = (
        "---\ntags: [daily]\nstatus: open\n---\n# Head\n\nA #finance/tax thing, `#code` and https://x.org/#part #12.\n"
        "rating:: 9\n- **due date**:: [[2025-05-01]]\nWe meet [place:: the café] `[not:: this]`.\n"
        "status:: late\nlet x = std::vector;\n> [!note]- Remember\n> the ==keys==, a ==b and c== d\n"
        "```mermaid\ngraph TD\n```\n```c\n#include <x>\ny:: z\n```\nlast"
    )
    document = reading("a.md", note).document
    assert dict(document.metadata) == {
        "tags": ("daily", "finance/tax"), "status": ("open", "late"), "rating": "9", "due date": "2025-05-01",
        "place": "the café",
    }  # fmt: skip
    assert lines_of(document) == [
        (5, "# Head"), (7, "A #finance/tax thing, `#code` and https://x.org/#part #12."),
        (10, "We meet the café `[not:: this]`."), (12, "let x = std::vector;"), (13, "> Remember"),
        (14, "> the keys, a b and c d"), (18, "```c"), (19, "#include <x>"), (20, "y:: z"), (21, "```"), (22, "last"),
    ]  # fmt: skip


def test_org_properties_and_dates_are_fields(reading: Read) -> None:
    text = (
        ":PROPERTIES:\n:ID: 5f\n:Status: open\n:END:\n#+TITLE: Shed\n#+DATE: <2024-05-01 Wed>\n"
        "* Do it :work:\nDEADLINE: <2024-06-01 Sat>\nBuy tape.\n"
    )
    assert dict(reading("a.org", text).document.metadata) == {
        "status": "open", "date": "2024-05-01", "tags": ("work",), "deadline": "2024-06-01", "title": "Shed",
    }  # fmt: skip


def test_properties_of_rtf_are_fields(reading: Read) -> None:
    text = rb"{\rtf1{\info{\title Plan}{\author Ann Lee}{\keywords a, b}{\operator x}{\company y}}Hello.\par}"
    document = reading("a.rtf", text).document
    assert dict(document.metadata) == {"author": "Ann Lee", "keywords": ("a", "b"), "title": "Plan"}
    assert document.text == "Hello."


# Hostile heads


@pytest.mark.parametrize(
    ("yaml", "fields"),
    [
        ("a: !!python/object/apply:os.system ['touch hacked']", {"a": ("touch hacked",)}),
        ("a: !!python/name:os.system", {}),
        ("a: !<tag:yaml.org,2002:binary> aGk=", {"a": "aGk="}),
        ('"a\\nb\\e[31m": "x\\e]0;y\\a"', {"a b [31m": "x\x1b]0;y\x07"}),
        ("source: elsewhere\ntext: words", {"source": "elsewhere", "text": "words"}),
        ("? [a, b]\n: c\nd: e", {"d": "e"}),
    ],
)
def test_yaml_makes_nothing_but_texts(
    reading: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yaml: str, fields: dict[str, object]
) -> None:
    monkeypatch.chdir(tmp_path)
    (document,) = reading("a.md", f"---\n{yaml}\n---\nThe text.").documents
    assert dict(document.metadata) == fields
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("inner", ["", "x"])
def test_a_billion_laughs_cost_nothing(reading: Read, inner: str) -> None:
    levels = "".join(f"a{at}: &a{at} {{x: *a{at - 1}, y: *a{at - 1}}}\n" for at in range(1, 60))
    started = time.monotonic()
    (document,) = reading("a.md", f"---\na0: &a0 {{x: '{inner}', y: '{inner}'}}\n{levels}---\ntext").documents
    assert time.monotonic() - started < 20
    assert len(document.metadata) <= 64
    looped = reading("b.md", "---\na: &a {x: *a}\nb: c\n---\ntext")
    assert [one.text for one in looped.documents] == ["text"]


def test_a_head_of_megabytes_is_text_and_said(reading: Read) -> None:
    text = "---\ntitle: x\n" + "key: value\n" * 900_000 + "---\nthe end"
    assert front_matter(text).entries == {}
    assert "64,000 characters" in front_matter(text).fault


def test_malformed_front_matter_is_read_by_lines_and_said(reading: Read) -> None:
    found = reading("a.md", "---\ntitle: Foo: bar\nx: [\nstatus: {{ x }}\n---\ntext")
    (document,), (note,) = found.documents, found.skipped
    assert dict(document.metadata) == {"title": "Foo: bar", "x": "[", "status": "{{ x }}"}
    assert "not valid YAML (line 2)" in note.reason and not note.failed
    found = reading("a.md", "+++\ntitle = [\n+++\ntext")
    assert found.documents[0].text.startswith("+++") and "not valid TOML" in found.skipped[0].reason


# A vault, asked


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vault")
    notes = {
        "zoe.md": "---\ntitle: Deposit\nstatus: active\ntags: [daily, project/house]\nauthor: Zoë Smith\n"
        "date: 4 March 2025\nsource: a letter\nowner:\n  name: Ann\n---\nThe deposit is paid back.",
        "old.md": "---\nstatus: Active\ntags: home\ndate: 2024-12-31\n---\nThe deposit of last year.",
        "draft.md": "A #daily note on drills.\nstatus:: draft\n",
        "pep.rst": PEP,
        "mail.eml": "From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>\nTo: bo@example.org\nSubject: Keys\n"
        "Date: Wed, 05 Mar 2025 10:00:00 +0200\n\nThe key of the shed.",
        "rows.jsonl": '{"text": "A row about saws.", "tags": ["daily", "tools"], "year": 2020}\n',
    }
    for name, text in notes.items():
        (folder / name).write_text(text)
    with create_index(folder / ".semsearch") as index:
        index.ingest([folder])
    return folder


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("status:active", ["old.md", "pep.rst", "zoe.md"]),
        ("status!=active", ["draft.md"]),
        ("tags:daily", ["draft.md", "rows.jsonl", "zoe.md"]),
        ("tags:project", ["zoe.md"]),
        ("tags:project/*", ["zoe.md"]),
        ("tags!=daily", ["old.md"]),
        ("date>=2025", ["mail.eml", "zoe.md"]),
        ("date<2025-03", ["old.md"]),
        ("date:2025-03-05", ["mail.eml"]),
        ("author:zoe", ["zoe.md"]),
        ('from:"Zoe"', ["mail.eml"]),
        ("from:zoe@example.org", ["mail.eml"]),
        ("author:guido", ["pep.rst"]),
        ("pep:8", ["pep.rst"]),
        ("created<2002", ["pep.rst"]),
        ("owner.name:ann", ["zoe.md"]),
        ("_source:letter", ["zoe.md"]),
        ("year:2020", ["rows.jsonl"]),
        ("title:deposit", ["zoe.md"]),
    ],
)
def test_every_field_can_be_asked_for(vault: Path, condition: str, expected: list[str]) -> None:
    with open_index(vault / ".semsearch") as index:
        hits = index.query(f"the {condition}", k=20)
    assert sorted({hit.source for hit in hits}) == expected


def test_a_list_has_the_newest_first_and_the_others_by_name(vault: Path) -> None:
    with open_index(vault / ".semsearch") as index:
        assert [hit.source for hit in index.query("source:. OR tags:daily", k=9)] == [
            "mail.eml", "zoe.md", "old.md", "draft.md", "pep.rst", "rows.jsonl",
        ]  # fmt: skip
        assert [hit.source for hit in index.query("tags:daily")] == ["zoe.md", "draft.md", "rows.jsonl"]


def test_fields_are_not_text(vault: Path) -> None:
    with open_index(vault / ".semsearch") as index:
        for word in ("project", "Zoë", "Guido", "letter", "rating", "Active"):
            assert index.query(f'"{word}"', mode="lexical") == []


def test_facets_count_documents_that_meet_conditions(vault: Path) -> None:
    with open_index(vault / ".semsearch") as index:
        (tags,) = index.facets(["Tags"])
        assert (tags.documents, tags.total) == (4, 6)
        assert tags.values == (("daily", 3), ("home", 1), ("project/house", 1), ("tools", 1))
        (tags, status) = index.facets(["tags", "status"], "anything date>=2025")
        assert (tags.documents, tags.total, tags.values) == (1, 2, (("daily", 1), ("project/house", 1)))
        assert status.values == (("active", 1),)
        (status,) = index.facets(["status"])
        assert status.values == (("Active", 3), ("draft", 1))
        with pytest.raises(InvalidInput) as caught:
            index.facets(["statsu"])
        assert "did you mean status" in caught.value.hint
        fields = {one.field: one for one in index.fields()}
    values = (("daily", 3), ("home", 1), ("project/house", 1), ("tools", 1))
    assert fields["tags"] == FieldCounts("tags", 4, 6, values)
    assert {"_source", "owner.name", "pep", "author", "from", "year"} <= set(fields)


def test_lists_are_lists_in_json_and_python(vault: Path) -> None:
    with open_index(vault / ".semsearch") as index:
        (hit,) = index.query("deposit status=active author:zoe")
    assert hit.metadata["tags"] == ("daily", "project/house")
    assert json.loads(json.dumps(dict(hit.metadata)))["tags"] == ["daily", "project/house"]


def test_copies_with_other_fields_are_copies_and_diff_says_so(tmp_path: Path) -> None:
    for name, status in (("a.md", "draft"), ("b.md", "final")):
        (tmp_path / name).write_text(f"---\nstatus: {status}\ntags: x\n---\nThe same words of a note.\n")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        found = index.compare("a.md", "b.md")
        (group,) = index.duplicates(0.9).groups
    assert found.tier == "exact" and [member.tier for member in group.members] == ["exact"]
    assert found.fields == {"status": ("draft", "final")}
