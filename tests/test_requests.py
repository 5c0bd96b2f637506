"""Requests: one set of defaults for Python and the command line, checked in one place; and results as JSON."""

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import click
import pytest
from tiny_embedder import create_index

from semsearch import serialize
from semsearch.cli.dedup import dedup_
from semsearch.cli.query import query_
from semsearch.cli.similar import similar_
from semsearch.errors import InvalidInput
from semsearch.requests import (
    DedupOptions,
    DedupRequest,
    SearchOptions,
    SearchRequest,
    SimilarOptions,
    SimilarRequest,
)


def defaults(request: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(request) if field.default is not MISSING}


@pytest.mark.parametrize(
    ("request_type", "options", "without"),
    [
        (SearchRequest, SearchOptions, {"query"}),
        (SimilarRequest, SimilarOptions, {"document", "line"}),
        (DedupRequest, DedupOptions, {"threshold"}),
    ],
)
def test_options_are_the_fields_of_their_request(
    request_type: type, options: type, without: set[str]
) -> None:
    types = get_type_hints(request_type)
    assert get_type_hints(options) == {name: types[name] for name in types.keys() - without}


@pytest.mark.parametrize(
    ("command", "arguments", "request_type", "shared"),
    [
        (query_, ["text"], SearchRequest, 10),
        (similar_, ["a.md"], SimilarRequest, 3),
        (dedup_, [], DedupRequest, 7),
    ],
)
def test_command_line_has_the_defaults_of_python(
    command: click.Command, arguments: list[str], request_type: type, shared: int
) -> None:
    expected = defaults(request_type)
    given = command.make_context(str(command.name), arguments).params
    found = {name: value for name, value in given.items() if name in expected and name != "memory"}
    assert len(found) >= shared
    assert found == {name: expected[name] for name in found}


@pytest.mark.parametrize(
    ("request_type", "options"),
    [
        (SearchRequest, {"k": 0}),
        (SearchRequest, {"per_document": 0}),
        (SearchRequest, {"rerank_top": 0}),
        (SearchRequest, {"mode": "semantic"}),
        (SearchRequest, {"min_score": float("nan")}),
        (SearchRequest, {"mode": "lexical", "min_score": 0.1}),
        *((SearchRequest, {"k": k}) for k in (float("nan"), 2.5, "3", True, [3])),
        *((SearchRequest, {"per_document": some}) for some in (float("nan"), 2.5, "2")),
        *((SearchRequest, {"min_score": score}) for score in (float("inf"), "0.3", 10**400)),
        *((SearchRequest, {name: 1}) for name in ("source", "rerank")),
        (SimilarRequest, {"line": "3"}),
        (SimilarRequest, {"source": b"notes/*"}),
        (SimilarRequest, {"k": 0}),
        (SimilarRequest, {"min_score": float("nan")}),
        (DedupRequest, {"threshold": 1.1}),
        (DedupRequest, {"threshold": float("nan")}),
        (DedupRequest, {"level": "word"}),
        (DedupRequest, {"linkage": "connected"}),
        *((DedupRequest, {name: some}) for name in ("keep", "protect") for some in (None, "x", b"x", [1])),
        *((DedupRequest, {"threshold": some}) for some in ("0.9", [0.9], 10**400)),
        *((DedupRequest, {"memory": some}) for some in (float("inf"), "1 GB")),
        (DedupRequest, {"lexical": 0.0}),
        (DedupRequest, {"memory": 0}),
        (DedupRequest, {"min_precision": 1.0}),
        (DedupRequest, {"min_precision": 0.9, "threshold": 0.9}),
        (DedupRequest, {"min_precision": 0.9, "lexical": 0.9}),
    ],
)
def test_option_out_of_range_is_invalid_input(request_type: type, options: dict[str, Any]) -> None:
    given = () if request_type is DedupRequest else ("text",)
    request_type(*given)
    with pytest.raises(InvalidInput):
        request_type(*given, **options)


@pytest.mark.parametrize("query", [None, 1, b"text", ["text"]])
def test_query_that_is_not_text_is_invalid_input(query: Any) -> None:
    with pytest.raises(InvalidInput, match="query is"):
        SearchRequest(query)
    with pytest.raises(InvalidInput, match="document is"):
        SimilarRequest(query)


def test_results_are_plain_json(tmp_path: Path) -> None:
    for name, text in (("a", "the deposit is paid back"), ("b", "the deposit is paid back"), ("c", "herons")):
        (tmp_path / f"{name}.md").write_text(f"# Title\n\n{text} in the garden", encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        search, alike = SearchRequest("deposit", explain=True), SimilarRequest("a.md")
        report = index.ingest([tmp_path])
        hits = index.search([search])[0]
        found = index.duplicates(0.9)
        plan = index.plan(found)
        results = [
            serialize.search_json(index.path_of, hits, search),
            *serialize.hit_rows(index.path_of, hits, search),
            serialize.similar_json(index.path_of, index.find_similar(alike), alike),
            serialize.duplicates_json(found, "given", lambda keeper, text, originals: "differs"),
            serialize.comparison_json(index.compare("a.md", "c.md")),
            serialize.outcome_json(index.apply(plan)),
            serialize.runs_json(index.runs()),
            serialize.outcome_json(index.undo()),
            serialize.status_json(index.status()),
            serialize.ingest_json(report),
            serialize.repair_json(index.repair(), None),
            serialize.forgotten_json(index.forget("c.md", verify=True)),
            serialize.check_json(index.check()),
            serialize.removed_json(index.remove("a.md")),
        ]
    for result in results:
        assert result
        assert json.loads(json.dumps(result)) == json.loads(json.dumps(result, default=repr))
