"""A plan says what goes and what stays, survives its file, and is believed in nothing that does not add up."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.dedup.plan import DocumentPlace, Plan, PlanStep, SourceContent
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.strict_json import source_of
from semsearch.types import Group, Member

A, B, C = "a" * 64, "b" * 64, "c" * 64
PLACES = (DocumentPlace("b"), DocumentPlace("a"))
MADE = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def plan_of(*groups: Group, contents: dict[str, tuple[str, int]]) -> Plan:
    def where(name: str) -> tuple[str, int]:
        source, _, row = name.partition("#")
        return source, int(row or 0)

    return Plan.of(
        groups, where, contents, made=MADE, threshold=0.85, linkage="keeper", keep=("newest", "path:docs/*")
    )


PLAN = plan_of(
    Group(
        "好.md",
        (
            Member("b.md", 1.0, 1.0, "exact"),
            Member("keep me.md", 0.99, 0.8, "lexical", protected=True),
            Member("rows.csv#7", 0.93124, 0.5, "semantic"),
        ),
        0.9,
    ),
    Group("x.md", (Member("<stdin>", 0.9, 0.1, "semantic"), Member("/out/y.md", 0.98, 0.91, "lexical")), 0.9),
    Group("half.csv#1", (Member("z.md", 1.0, 1.0, "exact"),), 1.0),
    contents={
        "好.md": (A, 1),
        "b.md": (A, 1),
        "keep me.md": (C, 9),
        "rows.csv": (B, 5000),
        "x.md": (C, 3),
        "/out/y.md": (B, 3),
        "z.md": (B, 3),
        "half.csv": ("", 70),
    },
)


def test_what_goes_what_stays_and_why() -> None:
    assert PLAN.steps == (
        PlanStep(DocumentPlace("b.md"), DocumentPlace("好.md"), "b.md", "好.md", 1.0, 1.0, "exact"),
        PlanStep(
            DocumentPlace("rows.csv", 7),
            DocumentPlace("好.md"),
            "rows.csv#7",
            "好.md",
            0.93124,
            0.5,
            "semantic",
        ),
        PlanStep(
            DocumentPlace("/out/y.md"), DocumentPlace("x.md"), "/out/y.md", "x.md", 0.98, 0.91, "lexical"
        ),
    )
    assert [step.why for step in PLAN.steps] == [
        "exact copy of 好.md",
        "0.9312 like 好.md",
        "91% of word triples shared with x.md",
    ]
    assert PLAN.left_out == ("<stdin>", "z.md")
    assert PLAN.sources == {
        "/out/y.md": SourceContent(B, 3),
        "b.md": SourceContent(A, 1),
        "rows.csv": SourceContent(B, 5000),
        "x.md": SourceContent(C, 3),
        "好.md": SourceContent(A, 1),
    }


def test_a_plan_is_a_text_for_people_and_comes_back(tmp_path: Path) -> None:
    PLAN.save(tmp_path / "plan.json")
    text = (tmp_path / "plan.json").read_text(encoding="utf-8")
    assert "semsearch apply" in text.splitlines()[1]
    assert '"why": "exact copy of 好.md"' in text
    assert Plan.load(tmp_path / "plan.json") == PLAN
    (tmp_path / "plan.json").write_text(text, encoding="utf-8-sig")
    assert Plan.load(tmp_path / "plan.json") == PLAN
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0#"), min_size=1, max_size=5).filter(
    lambda name: name not in (".", "..")
)


@given(
    keys=st.lists(names, min_size=1, max_size=8, unique=True),
    scores=st.lists(st.floats(-1, 1), min_size=8, max_size=8),
    tiers=st.lists(st.sampled_from(["exact", "lexical", "semantic"]), min_size=8, max_size=8),
)
def test_every_plan_comes_back(keys: list[str], scores: list[float], tiers: list[Any]) -> None:
    members = [Member(*row) for row in zip(keys[1:], scores, map(abs, scores), tiers, strict=False)]
    plan = plan_of(Group(keys[0], tuple(members), -1.0), contents=dict.fromkeys(keys, (A, 0)))
    assert Plan.parse(plan.text()) == plan
    assert Plan.parse(plan.text().encode()) == plan


# -- what adds up to no plan ------------------------------------------------------------------------------------


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    """Return the plan's text after a change to its JSON."""
    value = json.loads(PLAN.text())
    change(value)
    return json.dumps(value)


def rename(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    """Call a source otherwise wherever it is named."""

    def change(value: dict[str, Any]) -> None:
        value["sources"][new] = value["sources"].pop(old)
        for step in value["steps"]:
            for place in (step["from"], step["kept_in"]):
                place["source"] = new if place["source"] == old else place["source"]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.update(version=2), "version 2"),
        (lambda p: p.update(version=True), "'version' is not a whole number"),
        (lambda p: p.update(extra=1), "unknown member 'extra'"),
        (lambda p: p.pop("linkage"), "no member 'linkage'"),
        (lambda p: p.update(linkage="chain"), "linkage: 'chain' is not one of"),
        (lambda p: p.update(made="yesterday"), "made: 'yesterday' is not a time"),
        (lambda p: p.update(threshold=float("nan")), "NaN is not a JSON number"),
        (lambda p: p.update(threshold="0.9"), "'threshold' is not a number"),
        (lambda p: p.update(threshold=10**400), "threshold: not between"),
        (lambda p: p.update(keep=["first", 3]), "keep: not all"),
        (lambda p: p.update(steps={}), "'steps' is not a list"),
        (lambda p: p.update(left_out=["\ud800"]), "left_out: .* not valid text"),
        (lambda p: p["steps"].append(None), "step 4: not an object"),
        (lambda p: p["steps"].append(p["steps"][0]), "'b.md' is removed twice"),
        (lambda p: p["steps"][1].update(similarity=1.5), "step 2, similarity: not between"),
        (lambda p: p["steps"][1].update(jaccard=-1), "step 2, jaccard"),
        (lambda p: p["steps"][1].update(tier="same"), "step 2, tier"),
        (lambda p: p["steps"][1]["from"].update(row=0), "step 2, from: rows are numbered from 1"),
        (lambda p: p["steps"][1]["from"].update(row=1.0), "'row' is not a whole number"),
        (
            lambda p: p["steps"][0]["from"].update(source="other.md"),
            "'other.md' is in a step, but not in the sources",
        ),
        (lambda p: p["steps"][0]["kept_in"].update(source="b.md"), "'b.md' is removed, and is kept"),
        (
            lambda p: p["steps"][0]["kept_in"].update(source="/out/y.md"),
            "'/out/y.md' is removed, and is kept",
        ),
        (
            lambda p: p["steps"][2]["kept_in"].update(source="rows.csv", row=7),
            "row 7 is removed, and is kept",
        ),
        (
            lambda p: p["steps"][0]["kept_in"].update(source="/out/y.md", row=3),
            "row 3 is removed, and is kept",
        ),
        (lambda p: p["steps"][0]["from"].update(source="rows.csv"), "removed as a whole and by rows"),
        (lambda p: p["sources"]["b.md"].update(sha256=A.upper()), "sources, 'b.md': .* is not a SHA-256"),
        (lambda p: p["sources"]["b.md"].update(sha256=A + "\n"), "is not a SHA-256"),
        (lambda p: p["sources"]["b.md"].update(size=-1), "the size is below 0"),
        (lambda p: p["sources"]["b.md"].update(size=1.5), "'size' is not a whole number"),
        *(
            (rename("b.md", key), "not the name of a source")
            for key in (
                "",
                ".",
                "..",
                "/",
                "../b.md",
                "d/../b.md",
                "./b.md",
                "d//b.md",
                "//b.md",
                "b.md/",
                "/../b",
                "b\0",
                "C:\\b.md",
                "c:/b.md",
                "\\\\server\\share\\b.md",
                "d\\..\\..\\b.md",
                "d/..\\b.md",
            )
        ),
    ],
)
def test_a_plan_that_does_not_add_up_is_refused(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        Plan.parse(edited(change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{", "not UTF-8"),
        (b"[]", "not an object"),
        (b"{" * 100_000, "not JSON|nested"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"version": ' + b"1" * 5000 + b"}", "not JSON"),
        (b'{"version": 1, "version": 1}', "'version' occurs twice"),
        (b"#!/bin/sh\nrm -rf /\n", "not JSON"),
        (b"x" * 100_000_000, "not JSON"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_garbage_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Plan.parse(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
def test_no_edit_of_a_plan_is_a_crash(data: st.DataObject) -> None:
    value: Any = json.loads(PLAN.text())
    at = value
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and data.draw(st.booleans()):
            at = at[key]
            continue
        if isinstance(at, dict) and data.draw(st.booleans()):
            at[data.draw(st.text(max_size=4))] = at.pop(key)
        else:
            at[key] = data.draw(json_values)
        break
    try:
        plan = Plan.parse(json.dumps(value))
    except InvalidInput:
        return
    assert Plan.parse(plan.text()) == plan


@given(st.binary(max_size=50), st.integers(0, 3000), st.integers(0, 40))
def test_no_bytes_are_a_crash(inserted: bytes, at: int, deleted: int) -> None:
    text = PLAN.text().encode()
    try:
        Plan.parse(text[:at] + inserted + text[at + deleted :])
    except InvalidInput as error:
        assert str(error)


def test_a_contradiction_is_one_without_a_file_too() -> None:
    with pytest.raises(InvalidInput, match="removed twice"):
        replace(PLAN, steps=(*PLAN.steps, PLAN.steps[0]))


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no\.json: No such file"):
        Plan.load(tmp_path / "no.json")
    with pytest.raises(InvalidInput, match="Is a directory"):
        Plan.load(tmp_path)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"bad\.json is not a plan: the plan: no "):
        Plan.load(tmp_path / "bad.json")
    with pytest.raises(SemsearchError, match="cannot write"):
        PLAN.save(tmp_path / "no" / "plan.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SemsearchError, match="cannot write"):
        PLAN.save(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "folder"]


def test_an_older_plan_names_single_linkage_connected() -> None:
    old = replace(PLAN, linkage="single").text().replace('"linkage": "single"', '"linkage": "connected"')
    assert '"connected"' in old
    assert Plan.parse(old).linkage == "single"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (PlanStep(*PLACES, "b", "a", 1.0, 1.0, "exact"), "exact copy of a"),
        (PlanStep(*PLACES, "b", "a", 0.98431, 0.9, "lexical"), "lexical copy of a, similarity 0.9843"),
        (
            PlanStep(*PLACES, "b", "a", 0.9, 0.1, "semantic", "a number differs: 1 / 2"),
            "semantic copy of a, similarity 0.9000, but a number differs: 1 / 2",
        ),
    ],
)
def test_a_step_says_what_it_removes_a_copy_of(step: PlanStep, said: str) -> None:
    assert step.copy_of == said


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_names_with_a_backslash_or_a_colon_are_sources() -> None:
    assert [source_of(name, "here") for name in (r"a\b.md", "12:30.md")] == [r"a\b.md", "12:30.md"]
