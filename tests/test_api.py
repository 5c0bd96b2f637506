"""The HTTP API: the same answers as the library's, errors as problem details, jobs, events and the description."""

import asyncio
import importlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from described import described, require_described
from serving import REPLACED, served
from starlette.testclient import TestClient
from tiny_embedder import create_index

from semsearch import Index, serialize, triage
from semsearch.cli.language import CATALOGUES, into
from semsearch.errors import IndexLocked, ModelError, SemsearchError
from semsearch.requests import DedupRequest, SearchRequest, SimilarRequest
from semsearch.search.doubt import doubt
from semsearch.server import follow
from semsearch.server import jobs as jobs_module
from semsearch.server.app import PAGE, create_app
from semsearch.server.context import _HEAVY_THREADS, _MOST_HEAVY, Settings
from semsearch.server.embeddings import LONGEST_TEXT
from semsearch.server.jobs import MOST_JOBS, Job, Jobs, Kind
from semsearch.server.language import asked
from semsearch.server.problems import Refused, problem
from semsearch.storage.index_dir import CLUSTERS
from semsearch.storage.location import SOCKET
from semsearch.storage.lock import write_lock

TOKEN = {"X-Semsearch-Token": "token"}
API = "/api/v1"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Yield an index of some notes, with copies and near-copies."""
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(1, 13):
        tags = "shed" if number % 2 else "house"
        text = (
            f"The saw of neighbour {'abc'[number % 3]} is in the shed, and comes back when the roof is dry."
        )
        (notes / f"{number}.md").write_text(f"---\ntags: [{tags}]\n---\n# Saws\n\n{text}\n")
    (notes / "bin.dat").write_bytes(bytes(range(256)))
    with create_index(tmp_path / ".semsearch") as made:
        made.ingest([notes])
        yield made


def client_of(index: Index, **settings: Any) -> TestClient:
    """Return a client of the server of an index; use it in a `with` block."""
    app = create_app(index, Settings(**{"token": "token", **settings}))
    return TestClient(app, "http://localhost", raise_server_exceptions=False)


@pytest.fixture
def client(index: Index) -> Iterator[TestClient]:
    """Yield a client of the server of the index."""
    with client_of(index) as made:
        yield made


def started(client: TestClient, **job: Any) -> str:
    """Start a job and return its path."""
    answer = client.post(f"{API}/jobs", json=job, headers=TOKEN)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def ended(client: TestClient, path: str) -> dict[str, Any]:
    """Return a job once it has ended, as its events tell."""
    found = events_of(client.get(f"{path}/events").text)
    assert [name for name, _ in found] == ["progress"] * (len(found) - 1) + ["end"]
    return dict(found[-1][1])


def as_json(value: Any) -> Any:
    """Return a value as it comes out of JSON, where a tuple is a list."""
    return json.loads(json.dumps(value))


def events_of(text: str) -> list[tuple[str, Any]]:
    """Return the events of a stream, each with its data."""
    lines = [line.partition(": ") for line in text.splitlines() if line and not line.startswith(":")]
    names = [value for name, _, value in lines if name == "event"]
    return list(zip(names, [json.loads(value) for name, _, value in lines if name == "data"], strict=True))


def test_answers_are_the_json_of_the_commands(index: Index, client: TestClient) -> None:
    def get(route: str, **query: Any) -> Any:
        answer = client.get(f"{API}/{route}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    search = SearchRequest("saw tags:shed", k=2, explain=True, per_document=None)
    similar = SimilarRequest("notes/1.md", k=3)
    path_of = index.path_of
    found = get("search", q="saw tags:shed", k=2, explain="true", per_document=9)
    hits = index.search(search)
    wanted = serialize.search_json(path_of, hits, search, index.notes(search))
    assert found == as_json(wanted | {"doubt": doubt(hits)}) and len(found["hits"]) == 2
    wanted = serialize.similar_json(path_of, index.find_similar(similar), similar)
    assert get("similar", document="notes/1.md", k=3) == as_json(wanted)
    wanted = serialize.comparison_json(index.compare("notes/1.md", "notes/2.md"))
    assert get("compare", a="notes/1.md", b="notes/2.md") == as_json(wanted)
    assert get("facets", fields="tags") == as_json(serialize.facets_json(index.facets(["tags"])))
    assert get("facets", fields="tags") == get("facets")
    assert get("facets", fields="tags", q="tags:shed")[0]["values"] == [{"value": "shed", "count": 6}]
    wanted = as_json([serialize.source_status_json(one) for one in index.why()])
    assert get("sources") == {"matching": 13, "sources": wanted}
    assert get("sources", offset=11, limit=1) == {"matching": 13, "sources": wanted[11:12]}
    assert [one["path"] for one in get("sources", contains="/1.MD")["sources"]] == ["notes/1.md"]
    assert [one["path"] for one in get("sources", status="skipped")["sources"]] == ["notes/bin.dat"]
    assert get("why", path="notes/bin.dat") == get("sources", status="skipped")["sources"]
    status = get("status")
    assert as_json(serialize.status_json(index.status())).items() <= status.items()
    assert (status["read_only"], status["index"]) == (False, str(index.folder))


def test_a_document_is_shown_as_it_is_stored(client: TestClient, index: Index) -> None:
    index.path_of("notes/1.md").unlink()
    answer = client.get(f"{API}/document", params={"name": "notes/1.md"}).json()
    (passage,) = answer["passages"]
    assert answer["name"] == "notes/1.md" and answer["metadata"] == {"tags": ["shed"]}
    assert passage["text"].startswith("# Saws") and (passage["start"], passage["heading"]) == (4, "Saws")


def test_a_name_means_the_document_whatever_the_folder(
    client: TestClient, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "saw.md").write_text("red cat")
    (tmp_path / "notes" / "saw.md").write_text("blue dog")
    index.ingest([tmp_path / "notes", tmp_path / "saw.md"])
    before = client.get(f"{API}/similar?document=saw.md").json()
    monkeypatch.chdir(tmp_path / "notes")
    assert client.get(f"{API}/similar?document=saw.md").json() == before
    assert "notes/saw.md" in [hit["document"] for hit in before["hits"]]


@pytest.mark.parametrize("path", ["/etc/passwd", "../other.md", "other.md", "notes", "notes/1.md\0", ""])
def test_only_stored_documents_are_read(client: TestClient, index: Index, tmp_path: Path, path: str) -> None:
    (tmp_path / "other.md").write_text("a secret")
    for query in ({"name": path}, {"document": path}, {"a": "notes/1.md", "b": path}):
        route = {"name": "document", "document": "similar"}.get(next(iter(query)), "compare")
        answer = client.get(f"{API}/{route}", params=query)
        assert answer.status_code == 404 and "secret" not in answer.text, answer.text


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("search", 400, "'q' is missing"),
        ("search?q=", 400, "the query is empty"),
        ("search?q=saw&q=axe", 400, "occurs 2 times"),
        ("search?q=saw&k=0", 400, "at least 1"),
        ("search?q=saw&k=1001", 400, "beyond 1,000"),
        ("search?q=saw&k=1" + "0" * 5000, 400, "whole number"),
        ("search?q=saw&k=five", 400, "whole number"),
        ("search?q=saw&min_score=nan", 400, "number"),
        ("search?q=saw&min_score=1e999", 400, "number"),
        ("search?q=saw&collapse=perhaps", 400, "true or false"),
        ("search?q=saw&mode=guess", 400, "unknown mode"),
        ("search?q=saw&rerank=/tmp/model", 400, "no parameter 'rerank'"),
        ("search?q=" + "saw%20" * 4000, 400, "the limit is 10,000"),
        ("similar?document=notes/1.md&line=1e3", 400, "whole number"),
        ("facets?fields=colour", 400, "colour"),
        ("sources?status=odd", 400, "unknown status"),
        ("sources?offset=-1", 400, "offset is -1"),
        ("why?path=/etc/passwd", 403, "outside the folders"),
        ("why?path=../..", 403, "outside the folders"),
        ("why?path=%00", 403, "outside the folders"),
        ("status?verbose=1", 400, "no parameter 'verbose'"),
        ("jobs/none", 404, "no job 'none'"),
        ("nothing", 404, "Not Found"),
    ],
)
def test_errors_are_problem_details(client: TestClient, query: str, status: int, said: str) -> None:
    answer = client.get(f"{API}/{query}")
    found = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert found.keys() == {"type", "title", "status", "detail", "exit_code", "hint"}
    assert found["status"] == status and said in found["detail"] and len(answer.text) < 1_000


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"kind": "check", "kind": "dedup"}', 400, "occurs twice"),
        (b'{"kind": "dedup", "memory": ' + b"9" * 5_000 + b"}", 400, "not JSON"),
        (b'{"kind": "dedup", "memory": 1' + b"0" * 30 + b"}", 400, "beyond"),
        (b'{"kind": "dedup", "threshold": 1e999}', 400, "must be a number"),
        (b'{"kind": "dedup", "threshold": NaN}', 400, "not a JSON number"),
        (b'{"kind": "dedup", "threshold": true}', 400, "must be a number"),
        (b'{"kind": "dedup", "keep": "newest"}', 400, "must be a list"),
        (b'{"kind": "dedup", "keep": [["newest"]]}', 400, "must be a text"),
        (b'{"kind": "dedup", "keep": ["\\ud800"]}', 400, "not valid text"),
        (b'{"kind": ["dedup"]}', 400, "unknown kind"),
        (b'{"kind": "dedup", "level": {}}', 400, "unknown level"),
        (b'{"kind": "dedup", "colour": 1}', 400, "no parameter 'colour'"),
        (b'{"kind": "tune", "min_recall": 2}', 400, "between 0 and 1"),
        (b'{"kind": "ingest", "paths": ["/etc"]}', 403, "outside the folders"),
        (b'{"kind": "ingest", "paths": ["notes/../.."]}', 403, "outside the folders"),
        (b'"dedup"', 400, "not a JSON object"),
        (b"\xff", 400, "not UTF-8"),
        (b"", 400, "unknown kind"),
    ],
)
def test_a_hostile_body_is_refused(client: TestClient, body: bytes, status: int, said: str) -> None:
    headers = {**TOKEN, "Content-Type": "application/json"}
    answer = client.post(f"{API}/jobs", content=body, headers=headers)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert client.get(f"{API}/jobs").json() == []


def test_a_body_of_another_type_is_refused(client: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {**TOKEN, "Content-Type": kind}
        assert client.post(f"{API}/jobs", content=b'{"kind": "check"}', headers=headers).status_code == 415


def test_an_error_of_the_index_has_its_exit_code_and_hint(
    client: TestClient, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(error: Exception) -> dict[str, Any]:
        def search(request: SearchRequest) -> None:
            raise error

        monkeypatch.setattr(index, "search", search)
        return dict(client.get(f"{API}/search?q=saw").json())

    found = fails(ModelError("no model", "install one"))
    assert (found["status"], found["exit_code"], found["hint"]) == (503, 1, "install one")
    assert fails(IndexLocked("locked"))["status"] == 409 and fails(SemsearchError("no"))["status"] == 422


def test_an_unexpected_error_tells_nothing_of_a_text(
    client: TestClient, index: Index, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def search(request: SearchRequest) -> None:
        raise ValueError("a secret text")

    monkeypatch.setattr(index, "search", search)
    answer = client.get(f"{API}/search?q=saw")
    assert (answer.status_code, answer.json()["detail"]) == (500, "an internal error: ValueError")
    assert "test_api.py" in caplog.text and "secret" not in caplog.text


# -- jobs ---------------------------------------------------------------------------------------------------


def test_an_ingest_is_a_job_with_progress(client: TestClient, index: Index, tmp_path: Path) -> None:
    (tmp_path / "notes" / "new.md").write_text("A plane lies on the bench.")
    path = started(client, kind="ingest", paths=["notes"])
    job = ended(client, path)
    assert job["state"] == "done" and job["result"]["added"] == 1 and job["problem"] is None
    assert job["progress"] == {"done": 26, "total": 26, "unit": "bytes"}
    assert client.get(path).json() == job and client.get(f"{API}/jobs").json() == [job]
    assert "notes/new.md" in index.sources()
    again = ended(client, started(client, kind="ingest"))  # all that was ingested
    assert (again["result"]["added"], again["result"]["unchanged"]) == (0, 13)
    assert ended(client, started(client, kind="ingest", paths=[str(tmp_path / "notes")], dry_run=True))


def test_dedup_check_and_tune_are_jobs(client: TestClient, index: Index) -> None:
    found = index.find_duplicates(DedupRequest(0.9))
    job = ended(client, started(client, kind="dedup", threshold=0.9))
    whole = serialize.duplicates_json(found, "given")
    assert job["result"] == {name: value for name, value in whole.items() if name != "groups"}
    checked = ended(client, started(client, kind="check"))
    assert checked["result"]["sound"] and checked["progress"]["done"] == 9 == checked["progress"]["total"]
    without = ended(client, started(client, kind="tune"))
    assert (without["state"], without["problem"]["exit_code"]) == ("failed", 2)
    assert "no labels" in without["problem"]["detail"]
    tuned = ended(client, started(client, kind="tune", sample=True, min_recall=0.5))
    assert index.threshold and tuned["result"]["threshold"] == index.threshold["threshold"]


def test_a_job_goes_on_without_its_client_and_is_cancelled(index: Index, tmp_path: Path) -> None:
    lines = "\n".join(f"line {number} tells of tool {number * 7919}" for number in range(40_000))
    (tmp_path / "notes" / "long.txt").write_text(lines)
    with client_of(index) as client:
        path = started(client, kind="ingest", paths=["notes"])
        other = started(client, kind="check")  # it waits for its turn
        while not client.get(path).json()["progress"]["done"]:
            time.sleep(0.01)
        assert client.get(other).json()["progress"]["done"] == 0
        assert client.delete(other, headers=TOKEN).json()["state"] == "cancelled"
        assert client.delete(path, headers=TOKEN).status_code == 200
        assert ended(client, path)["state"] == "cancelled"
        assert client.delete(path, headers=TOKEN).json()["state"] == "cancelled"  # as it was
        assert ended(client, started(client, kind="check"))["result"]["sound"]
    assert "notes/1.md" in index.sources()


def test_another_process_that_writes_is_named(tmp_path: Path, index: Index) -> None:
    with (
        Index.open(index.folder, embedder=index.embedder, wait=0.1) as impatient,
        client_of(impatient) as client,
        write_lock(index.folder, 1),
    ):
        (tmp_path / "notes" / "new.md").write_text("A plane lies on the bench.")
        job = ended(client, started(client, kind="ingest"))
    assert (job["problem"]["status"], job["problem"]["exit_code"]) == (409, 11)
    assert "is being written by process" in job["problem"]["detail"]


@dataclass(frozen=True)
class Nothing:
    """No options."""


def finished(job: Job) -> Job:
    assert job.wait(30)
    return job


def test_jobs_are_bounded_and_old_ones_forgotten() -> None:
    jobs, go = Jobs(), threading.Event()
    quick = Kind(Nothing, lambda options, progress: 1, lambda found: found, "steps")
    slow = Kind(Nothing, lambda options, progress: go.wait(30), lambda found: found, "steps")
    ids = [finished(jobs.start("quick", quick, Nothing())).id for _ in range(12)]
    assert [job.id for job in jobs.all()] == ids[
        -5:
    ]  # the last one was not finished when the others were counted
    for _ in range(MOST_JOBS):
        jobs.start("slow", slow, Nothing())
    with pytest.raises(Refused, match="not finished"):
        jobs.start("slow", slow, Nothing())
    go.set()
    for job in jobs.all():
        finished(job)
    assert jobs.end() == [] and all(job.state.state == "done" for job in jobs.all())
    with pytest.raises(Refused, match="ending"):
        jobs.start("quick", quick, Nothing())


def test_jobs_that_write_take_turns() -> None:
    jobs, at_work, most = Jobs(), list[int](), list[int]()

    def work(options: Nothing, progress: jobs_module.Progress) -> None:
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.02)
        at_work.pop()

    writer = Kind(Nothing, work, lambda found: found, "steps", writes=True)
    for job in [jobs.start(f"kind {number}", writer, Nothing()) for number in range(5)]:
        finished(job)
    assert most == [1] * 5


def test_a_job_that_breaks_says_no_more_than_the_type() -> None:
    def broken(options: Nothing, progress: jobs_module.Progress) -> None:
        raise KeyError("a secret text")

    job = finished(Jobs().start("broken", Kind(Nothing, broken, str, "steps"), Nothing()))
    assert job.state.state == "failed" and job.state.problem is not None
    assert job.state.problem["detail"] == "an internal error: KeyError"


def test_a_refusal_has_its_status() -> None:
    assert problem(SemsearchError("no", "do this"))["type"] == "urn:semsearch:semsearch-error"


# -- triage -------------------------------------------------------------------------------------------------


def test_texts_are_labelled_as_by_the_library(client: TestClient, index: Index, tmp_path: Path) -> None:
    examples = {
        "sea": ["the boat sails on the sea", "waves rock the boat", "the sea is calm"],
        "bread": ["bread is baked hot", "the oven bakes bread", "hot bread of the oven"],
    }
    pairs = [(text, label) for label, texts in examples.items() for text in texts]
    asked = ["a boat on the sea", "bread in the oven"]
    told = client.post(
        f"{API}/triage",
        json={
            "texts": asked,
            "examples": [a for a, _ in pairs],
            "labels": [b for _, b in pairs],
            "promise": 0.5,
        },
    )
    found = triage(pairs, asked, promise=0.5, embedder=index.embedder)
    assert told.json() == json.loads(json.dumps(serialize.triage_json(found)))
    rules = '[[rule]]\nlabel = "harbour"\nany = ["boat*"]\n'
    (tmp_path / "rules.toml").write_text(rules)
    sent = {
        "texts": asked,
        "examples": [a for a, _ in pairs],
        "labels": [b for _, b in pairs],
        "promise": 0.5,
    }
    ruled = client.post(f"{API}/triage", json=sent | {"rules": rules})
    found = triage(pairs, asked, promise=0.5, embedder=index.embedder, rules=tmp_path / "rules.toml")
    assert ruled.json() == json.loads(json.dumps(serialize.triage_json(found)))
    assert ruled.json()["texts"][0]["label"] == "harbour"
    slow = client.post(f"{API}/triage", json=sent | {"rules": '[[rule]]\nlabel = "a"\npattern = "(a+)+$"\n'})
    assert slow.status_code == 400 and "cannot have a pattern" in slow.json()["detail"]
    refused = client.post(f"{API}/triage", json={"texts": asked, "examples": ["a"], "labels": []})
    assert refused.status_code == 400 and "0 labels" in refused.json()["detail"]


# -- clusters -----------------------------------------------------------------------------------------------


def test_clusters_are_those_of_the_library(client: TestClient, index: Index) -> None:
    told = client.get(f"{API}/clusters", params={"level": "passage", "granularity": "2"})
    found = index.clusters(level="passage", granularity=2)
    assert told.json() == json.loads(json.dumps(serialize.clusters_json(found)))
    asked = {"number": 1, "granularity": 2, "limit": 2}
    members = client.get(f"{API}/clusters/members", params=asked).json()
    assert members["matching"] == found.clusters[0].size
    assert members["members"] == serialize.clustered_json(found, found.members(1).tolist()[:2])
    refused = client.get(f"{API}/clusters/members", params=asked | {"number": 99})
    assert refused.status_code == 400 and "no cluster 99" in refused.json()["detail"]
    assert client.get(f"{API}/clusters", params={"granularity": 0}).status_code == 400


def test_a_read_only_server_keeps_no_names(index: Index) -> None:
    with client_of(index, read_only=True) as client:
        assert client.get(f"{API}/clusters").status_code == 200
    assert not (index.folder / CLUSTERS).exists()


# -- drift --------------------------------------------------------------------------------------------------


def test_drift_is_what_the_library_finds(client: TestClient, index: Index) -> None:
    rows = [{"id": f"d{at}", "text": f"note {at} on tides", "day": f"{2023 + at // 30}"} for at in range(60)]
    index.add(rows)
    told = client.post(f"{API}/drift", json={"by": "day", "since": "2024"})
    assert told.status_code == 200 and told.json()["now"]["documents"] == 30
    assert told.json() == json.loads(json.dumps(serialize.drift_json(index.drift(by="day", since="2024"))))
    refused = client.post(f"{API}/drift", json={"since": "soon"})
    assert refused.status_code == 400 and "must be a date" in refused.json()["detail"]


# -- events and watching ------------------------------------------------------------------------------------


def test_open_pages_are_told_of_changes(index: Index, tmp_path: Path) -> None:
    with (
        served(index, Settings(token="token")) as address,
        httpx.Client(base_url=address) as client,
        client.stream("GET", f"{API}/events", timeout=30) as stream,
    ):
        time.sleep(0.5)  # until the state before the change is known
        (tmp_path / "notes" / "new.md").write_text("A plane lies on the bench.")
        client.post(f"{API}/jobs", json={"kind": "ingest"}, headers=TOKEN)
        seen, states = set[str](), list[str]()
        for line in stream.iter_lines():
            if line.startswith("event: "):
                seen.add(line.removeprefix("event: "))
            if line.startswith("data: ") and '"kind"' in line:
                states.append(json.loads(line.removeprefix("data: "))["state"])
            if seen == {"job", "index"} and states[-1] == "done":
                break


def test_with_watch_the_index_follows_the_folder(index: Index, tmp_path: Path) -> None:
    with client_of(index, watch=True, read_only=True) as client:
        while not client.get(f"{API}/jobs").json():  # its first ingest, so it watches by now
            time.sleep(0.05)
        (tmp_path / "notes" / "new.md").write_text("A plane lies on the bench.")
        until = time.monotonic() + 30
        while "notes/new.md" not in index.sources() and time.monotonic() < until:
            time.sleep(0.05)
        assert "notes/new.md" in index.sources()
        assert {job["kind"] for job in client.get(f"{API}/jobs").json()} == {"watch"}


def test_watch_goes_on_after_too_many_jobs(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_AGAIN", 0.05)
    with client_of(index) as client:
        assert client.get(f"{API}/status").json()["watch"] is None
    with client_of(index, watch=True) as client:
        jobs, until = client.app.state.context.jobs, time.monotonic() + 60  # type: ignore[attr-defined]

        def watch() -> Any:
            assert time.monotonic() < until
            time.sleep(0.02)
            return client.get(f"{API}/status").json()["watch"]

        while not jobs.all() or jobs.all()[0].running:
            watch()
        release = threading.Event()
        waiting = Kind(dict, lambda options, progress: release.wait(), lambda found: found, "")
        for _ in range(MOST_JOBS):
            jobs.start("waits", waiting, {})
        (tmp_path / "notes" / "new.md").write_text("A plane lies on the bench.")
        while (watch()["problem"] or {}).get("status") != 429:
            assert watch()["running"]
        release.set()
        while "notes/new.md" not in index.sources():
            watch()
        while watch()["problem"]:
            assert watch()["running"]


@pytest.mark.parametrize("error", [SemsearchError("no watch is left"), RuntimeError("shed")])
def test_status_says_why_a_watch_ended(
    index: Index, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def changes(self: Index, *given: Any, **more: Any) -> Iterator[None]:
        raise error
        yield

    monkeypatch.setattr(Index, "changes", changes)
    with client_of(index, watch=True) as client:
        until = time.monotonic() + 30
        while (watch := client.get(f"{API}/status").json()["watch"])["running"]:
            assert time.monotonic() < until
    said = "no watch is left" if isinstance(error, SemsearchError) else "an internal error: RuntimeError"
    assert watch["problem"]["detail"] == said


@pytest.mark.parametrize("stored", [True, False])
def test_a_strangers_folders_are_neither_listed_nor_read(index: Index, tmp_path: Path, stored: bool) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "key.txt").write_text("The private key is under the mat by the door.")
    (tmp_path / "other").mkdir()
    with create_index(tmp_path / "other" / ".semsearch") as stranger:
        stranger.ingest([private])
        if not stored:
            stranger.remove(private / "key.txt")
        (private / "key.txt").write_text("The private key is in the shed by the saw now.")
        (private / "pass.txt").write_text("The password is on the back of the paper.")
        (tmp_path / "other" / "link").symlink_to(private)
        with client_of(stranger) as client:
            found = client.get(f"{API}/sources").json()["sources"]
            key = [(str(private / "key.txt"), "indexed")] if stored else []
            assert [(one["path"], one["status"]) for one in found] == key
            names = (private, private / "pass.txt", "../private", "link", "link/pass.txt")
            for name in names:
                assert client.get(f"{API}/why", params={"path": str(name)}).status_code == 403
                job = client.post(f"{API}/jobs", json={"kind": "ingest", "paths": [str(name)]}, headers=TOKEN)
                assert job.status_code == 403
            if stored:  # what the index has is said, and the file is left alone
                (one,) = client.get(f"{API}/why", params={"path": str(private / "key.txt")}).json()
                assert one["status"] == "indexed" and "was not looked at" in one["reason"]
        with client_of(stranger, folders=(private,)) as client:
            found = client.get(f"{API}/sources").json()["sources"]
            assert {one["status"] for one in found} == ({"stale", "new"} if stored else {"new"})


def test_watch_does_not_follow_a_strangers_folder(index: Index, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "key.txt").write_text("a private key")
    (tmp_path / "other").mkdir()
    with create_index(tmp_path / "other" / ".semsearch") as stranger:
        stranger.ingest([private])
        with pytest.raises(SemsearchError, match="nothing that was ingested lies next"):
            create_app(stranger, Settings(watch=True))
        create_app(stranger, Settings(watch=True, folders=(private,)))


@pytest.mark.parametrize("number", ["1_0", "٣", " 3", "３", "0x3", "inf", "nan", "+", ".", "1e"])
def test_a_number_is_written_plainly(client: TestClient, number: str) -> None:
    for name in ("k", "min_score"):
        assert client.get(f"{API}/search", params={"q": "saw", name: number}).status_code == 400
    for name, good in (("k", "3"), ("min_score", "-0.5"), ("min_score", "1e-2")):
        assert client.get(f"{API}/search", params={"q": "saw", name: good}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/embed", "/api/embeddings", "/api/show"])
def test_half_a_sign_in_a_name_is_no_failure(client: TestClient, path: str) -> None:
    for name in ('"\\ud800"', '"a\\udfffb"', '["\\ud800"]', '{"\\ud800": 1}'):
        answer = client.post(path, content=f'{{"model": {name}, "input": "saw", "prompt": "saw"}}')
        assert answer.status_code in (400, 404), answer.text
        assert answer.json()["error"]


# -- calls that take long ------------------------------------------------------------------------------------


def test_long_texts_are_not_compared(client: TestClient) -> None:
    long = "saw " * (LONGEST_TEXT // 4 + 1)
    for pair in ((long, "saw"), ("saw", long)):
        answer = client.post(f"{API}/compare", json=dict(zip(("a_text", "b_text"), pair, strict=True)))
        assert answer.status_code == 400 and "a text has 100,004 characters" in answer.json()["detail"]


def test_long_calls_keep_no_short_one_waiting(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, release = list[int](), threading.Event()

    def slow(*given: Any, **more: Any) -> list[Any]:
        begun.append(1)
        release.wait(60)
        return []

    async def ask(address: str) -> None:
        async with httpx.AsyncClient(base_url=f"{address}{API}", timeout=60) as client:
            calls = [asyncio.ensure_future(client.get("sources")) for _ in range(_MOST_HEAVY + 2)]
            refused, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            assert {one.result().status_code for one in refused} == {503}
            for path in ("status", "search?q=saw&mode=lexical", "jobs"):
                assert (await client.get(path)).status_code == 200
            for left in waiting:
                left.cancel()
            release.set()
            while (answer := await client.get("sources")).status_code == 503:  # until the server knows
                await asyncio.sleep(0.02)
            assert answer.json()["sources"] == []

    monkeypatch.setattr(Index, "why", slow)
    with served(index) as address:
        try:
            asyncio.run(ask(address))
        finally:
            release.set()
    assert _HEAVY_THREADS < len(begun) <= _MOST_HEAVY + 1


# -- an index that was replaced -----------------------------------------------------------------------------


@pytest.mark.parametrize("become", REPLACED)
def test_a_replaced_index_is_not_answered_from(index: Index, client: TestClient, become: str) -> None:
    job = started(client, kind="review")
    ended(client, job)
    read = {
        "search?q=saw": {}, "status": {}, "facets": {}, "document?name=notes/1.md": {}, "sources": {},
        "compare?a=notes/1.md&b=notes/2.md": {}, "similar?document=notes/1.md": {}, "why?path=notes": {},
        f"groups?job={job.rpartition('/')[2]}": {}, "map": {}, "runs": {}, "labels/next?job=x": {}, "events": {},
        "compare": {"a_text": "saw", "b_text": "shed"}, "jobs": {"kind": "check"},
        "labels": {"job": "x", "left": "a", "right": "b", "label": "yes"},
    }  # fmt: skip
    client.get(f"{API}/map")
    REPLACED[become](index.folder)
    before = sorted(tmp.name for tmp in index.folder.parent.rglob("*") if tmp.name != SOCKET)
    for path, body in read.items():
        method = "POST" if body else "GET"
        answer = client.request(method, f"{API}/{path}", json=body or None, headers=TOKEN)
        told = answer.json()
        assert answer.status_code == 503 and "was replaced or removed" in told["detail"], (path, told)
        assert "start its server, again" in told["hint"]
    assert sorted(tmp.name for tmp in index.folder.parent.rglob("*") if tmp.name != SOCKET) == before


# -- the language -------------------------------------------------------------------------------------------

CHINESE = {name: partial(into, name) for name in CATALOGUES}


@pytest.mark.parametrize(
    ("header", "code"),
    [("", None), ("zh", "zh"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US,en;q=0.9,zh;q=0.8", None), ("zh-TW", None),
     ("zh-Hant-CN", None), ("zh-Hans", "zh"), ("en;q=0.5, zh;q=0.7", "zh"), ("fr, zh;q=0", None), ("de,fr;q=x", None),
     ("*", None), ("zh;q=0", None), (",;q=,,", None), ("zh;" * 9_999, "zh")],
)  # fmt: skip
def test_language_that_a_header_asks_for(header: str, code: str | None) -> None:
    assert asked(header, CHINESE) is (CHINESE[code] if code else None)


def test_sentences_are_in_the_language_asked_for(index: Index) -> None:
    index.add([{"id": "one", "text": "no text", "reason": "no text"}])
    calls = (
        "search?q=zzz+colour:red", "search?q=", "why?path=notes/bin.dat", "document?name=record://one", "nowhere",
        "document?name=none", "sources?limit=x",
    )  # fmt: skip
    with client_of(index, languages=CHINESE) as client, client_of(index) as english:
        for call in calls:
            plain = english.get(f"{API}/{call}", headers={"Accept-Language": "zh"}).json()
            assert client.get(f"{API}/{call}").json() == plain
            told = client.get(f"{API}/{call}", headers={"Accept-Language": "zh-CN"}).json()
            if call.startswith("document?name=record"):
                assert (
                    told == plain and told["metadata"]["reason"] == told["passages"][0]["text"] == "no text"
                )
            elif call != "nowhere":
                assert re.search("[一-鿿]", str(told)), told
        texts = {"a_text": "the saw is here today", "b_text": "the saw is not here today"}
        compared = client.post(f"{API}/compare", json=texts, headers={"Accept-Language": "zh"}).json()
        assert re.search("[一-鿿]", compared["differs"]), compared["differs"]
        refused = client.post(f"{API}/jobs", json={}, headers={"Accept-Language": "zh"}).json()
        assert refused["detail"] == "更改需要此服务器的令牌" and refused["status"] == 401
        job = started(client, kind="ingest", paths=["notes/none.md"])
        assert ended(client, job)["state"] == "failed"
        problem = client.get(job, headers={"Accept-Language": "zh"}).json()["problem"]
        assert re.search("[一-鿿]", problem["detail"]), problem


# -- the description ----------------------------------------------------------------------------------------


def test_the_description_has_every_route(client: TestClient) -> None:
    description = client.get(f"{API}/openapi.json").json()
    assert description["openapi"] == "3.1.0"
    search = {one["name"]: one for one in description["paths"][f"{API}/search"]["get"]["parameters"]}
    assert search["q"]["required"] and search["k"]["schema"] == {
        "type": "integer",
        "minimum": -1000,
        "maximum": 1000,
        "default": 5,
    }
    assert search["k"]["description"] == "The highest number of hits." and "rerank" not in search
    assert search["mode"]["schema"]["enum"] == ["hybrid", "dense", "lexical"]
    body = description["paths"][f"{API}/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    kinds = {one["properties"]["kind"]["const"] for one in body["oneOf"]}
    assert {"ingest", "dedup", "tune", "check"} <= kinds
    assert all(
        operation["summary"] for methods in description["paths"].values() for operation in methods.values()
    )


ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "GET status": {},
    "GET search": {"q": "saw tags:shed", "explain": "true"},
    "GET search ": {"q": "zzz", "mode": "lexical"},
    "GET facets": {},
    "GET document": {"name": "notes/1.md"},
    "GET similar": {"document": "notes/1.md"},
    "GET compare": {"a": "notes/1.md", "b": "notes/2.md"},
    "GET sources": {},
    "GET why": {"path": "notes/bin.dat"},
    "GET jobs": {},
    "GET runs": {},
    "POST embed": {"texts": ["a saw"]},
    "POST embed ": {"texts": ["a saw"], "tokens": False},
    "POST matrix": {"texts": ["a saw", "a shed"]},
    "POST triage": {
        "examples": [f"{word} number {at}" for word in ("saw", "tea") for at in range(8)],
        "labels": ["tool"] * 8 + ["drink"] * 8,
        "texts": ["a saw", "some tea"],
    },
    "POST compare": {"a_text": "the saw is here", "b_text": "the saw is not here"},
}
"""Calls whose answers have a type."""


def test_answers_are_as_described(client: TestClient, index: Index) -> None:
    ended(client, started(client, kind="check"))
    index.add([{"id": "one", "text": "a record with a saw", "tags": ["a", "b"], "year": 2024}])
    description = described(client)
    for call, given in ANSWERS.items():
        method, name = call.split()
        sent = {"params": given} if method == "GET" else {"json": given}
        answer = client.request(method, f"{API}/{name}", headers=TOKEN, **sent)
        require_described(description, answer, typed=True)
    problem = client.get(f"{API}/search")
    require_described(description, problem, typed=True)
    assert problem.status_code == 400


def test_the_described_api_loads_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/docs")
    assert answer.status_code == 200 and "docs.js" in answer.text
    assert "http" not in answer.text and "https:" not in (PAGE / "docs.js").read_text()


def test_no_generated_call_makes_the_server_fail(index: Index) -> None:
    schemathesis = importlib.import_module("schemathesis")
    app, here = create_app(index, Settings(token="token")), {"Host": "localhost"}
    schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", app, headers=here)
    known = {"name": "notes/1.md", "document": "notes/1.md", "a": "notes/1.md", "b": "notes/2.md", "q": "saw"}
    statuses = Counter[int]()

    def check(case: Any, real: bool) -> None:
        if real:  # names that the index has, and else what was generated
            case.query = {name: known.get(name, value) for name, value in (case.query or {}).items()}
        answer = case.call(headers={"Authorization": "Bearer token", **here})
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)

    for found in schema.exclude(path_regex="/events$").get_all_operations():  # one has no end
        limited = hypothesis.settings(max_examples=8, database=None, derandomize=True)
        given = hypothesis.given(case=found.ok().as_strategy(), real=hypothesis.strategies.booleans())
        limited(given(check))()
    assert statuses[200] > 50 and statuses[400] and statuses[404]
