"""The MCP server, asked by the client of the protocol's own SDK."""

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from serving import REPLACED, served
from tiny_embedder import create_index

from semsearch import Index
from semsearch.server.context import Settings
from semsearch.server.mcp import server

Call = Callable[..., Awaitable[Any]]
ASK = importlib.import_module("mcp").Client
"""The client; whatever goes through it is typed as Any, since the SDK is an extra."""


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """Return an index of a few files in `tmp_path`."""
    (tmp_path / "notes").mkdir()
    lines = "\n".join(f"line {number} tells of tool number {number}" for number in range(1, 301))
    (tmp_path / "notes" / "long.txt").write_text(lines)
    (tmp_path / "notes" / "saw.md").write_text("---\ntags: [shed]\n---\n\nThe saw is in the shed.\n")
    (tmp_path / "notes" / "copy.md").write_text("The saw is in the shed.\n")
    (tmp_path / "notes" / "锯子 #1.md").write_text("锯子在棚子里。\n")
    made = create_index(tmp_path / ".semsearch")
    made.ingest([tmp_path / "notes"])
    return made


def asked(index: Index, questions: Callable[[Any], Awaitable[Any]], *, write: bool = False) -> Any:
    """Return what `questions` does with a client that is connected to the server of an index."""

    async def run() -> Any:
        async with ASK(server(index, write=write)) as client:
            return await questions(client)

    return asyncio.run(run())


def told(index: Index, tool: str, *, write: bool = False, **arguments: Any) -> str:
    """Return the text of a tool's answer, after `error: ` where it is an error."""

    async def call(client: Any) -> Any:
        return await client.call_tool(tool, arguments)

    found = asked(index, call, write=write)
    assert [part.type for part in found.content] == ["text"] and found.structured_content is None
    return f"{'error: ' if found.is_error else ''}{found.content[0].text}"


def test_search_gives_passages_as_they_were_written(index: Index) -> None:
    answer = told(index, "search", query="saw is in the shed", source="notes/*.md")
    assert answer.startswith("2 passages\n") and " +1 near-copies\nThe saw is in the shed.\n" in answer
    assert told(index, "search", query="saw tags:shed", k=5).startswith("1 passage\n")
    assert "note: the index has no field for colour:red" in told(index, "search", query="saw colour:red")
    assert told(index, "search", query=" ").startswith(
        "error: Error executing tool search: the query is empty"
    )
    assert told(index, "search", query="saw", k=0).startswith("error: ")
    assert told(index, "search", query="saw", mode="guess").startswith("error: ")


def test_reading_on_comes_to_every_line_once(index: Index) -> None:
    seen, skip = list[str](), 0
    for _ in range(100):
        answer = told(index, "read", document="notes/long.txt", skip=skip, budget=400)
        assert len(answer.encode()) / 3 < 400
        seen += [line for line in answer.splitlines()[1:] if not line.startswith("[")]
        if "read on" not in answer:
            break
        skip = int(answer.rpartition("skip=")[2].rstrip(")]"))
    assert seen == [f"{number}: line {number} tells of tool number {number}" for number in range(1, 301)]
    assert "\n17: line 17 tells" in told(index, "read", document="notes/long.txt", start=17)
    assert "16: line 16" not in told(index, "read", document="notes/long.txt", start=17)
    assert "ends before that" in told(index, "read", document="notes/long.txt", start=301)


def test_a_passage_longer_than_the_budget_is_cut_and_passed(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index:
        index.add([{"id": "one", "text": " ".join(["字" * 20] * 100)}])
        seen, skip = 0, 0
        for _ in range(100):
            answer = told(index, "read", document="record://one", skip=skip, budget=100)
            assert len(answer.encode()) / 3 < 101 and "[cut]" in answer
            seen += 1
            if "read on" not in answer:
                break
            skip = int(answer.rpartition("skip=")[2].rstrip(")]"))
        assert seen == len(index.passages("record://one")) > 1


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../secret.txt", "secret.txt", "notes", "", "notes/saw.md#1"]
)
@pytest.mark.parametrize("tool", ["read", "similar", "compare"])
def test_only_what_is_indexed_is_read(
    index: Index, tool: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.txt").write_text("the key of the shed")
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"a": "notes/saw.md", "b": name} if tool == "compare" else {"document": name}
    answer = told(index, tool, **given)
    assert answer.startswith("error: ") and "has no document" in answer and "key" not in answer


def test_compare_and_duplicates(index: Index) -> None:
    index.add([{"id": "not", "text": "The saw is not in the shed."}])
    assert "near-duplicates (exact)" in told(index, "compare", a="notes/saw.md", b="notes/copy.md")
    assert "negation: '' -> 'not'" in told(index, "compare", a="notes/saw.md", b="record://not")
    groups = told(index, "duplicates", threshold=0.99)
    assert groups.startswith("1 groups among 5 documents at 0.99: 1 exact") and "notes/saw.md" in groups
    assert "notes/saw.md" not in told(index, "duplicates", threshold=0.99, first=2)


def test_documents_are_resources(index: Index) -> None:
    names = importlib.import_module("mcp.types")

    async def read(client: Any) -> Any:
        uri = f"semsearch://document/{quote('notes/锯子 #1.md', safe='')}"
        found = await client.read_resource(uri)
        (template,) = (await client.list_resource_templates()).resource_templates
        ref = names.ResourceTemplateReference(type="ref/resource", uri=template.uri_template)
        named = await client.complete(ref, {"name": "name", "value": "notes/s"})
        with pytest.raises(importlib.import_module("mcp").MCPError):
            await client.read_resource("semsearch://document/%2Fetc%2Fpasswd")
        return found.contents[0].text, named.completion.values

    text, values = asked(index, read)
    assert text.endswith("1: 锯子在棚子里。") and values == ["notes%2Fsaw.md"]


def test_schemas_have_no_unions_and_nothing_changes_unless_asked(index: Index) -> None:
    async def tools(client: Any) -> Any:
        return (await client.list_tools()).tools

    reading, writing = asked(index, tools), asked(index, tools, write=True)
    for tool in writing:
        assert tool.description
        for schema in tool.input_schema["properties"].values():
            assert isinstance(schema["type"], str) and not {"anyOf", "oneOf", "allOf", "$ref"} & schema.keys()
    assert all(tool.annotations.read_only_hint for tool in reading)
    assert [tool.name for tool in writing[len(reading) :]] == ["save_note", "delete_note", "refresh"]
    assert told(index, "save_note", id="a", text="b").startswith("error: ")


def test_notes_are_stored_and_deleted(index: Index) -> None:
    assert told(index, "save_note", write=True, id="a/b", text="red cat") == "stored as record://a/b"
    assert told(index, "read", document="record://a/b").endswith("1: red cat")
    assert "not stored" in told(index, "save_note", write=True, id="c", text=" ")
    assert told(index, "delete_note", write=True, id="a/b") == "deleted"
    assert "no note" in told(index, "delete_note", write=True, id="notes/saw.md")
    assert "notes/saw.md" in index.sources()


def test_refresh_stays_beside_the_index(
    index: Index, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "notes" / "new.md").write_text("a new plane")
    assert told(index, "refresh", write=True).startswith("1 added, 0 updated")
    elsewhere = tmp_path_factory.mktemp("private")
    (elsewhere / "key.txt").write_text("a private key")
    (tmp_path / "link").symlink_to(elsewhere)
    with create_index(tmp_path / "other" / ".semsearch") as stranger:
        stranger.ingest([elsewhere])
        (elsewhere / "more.txt").write_text("another private key")
        assert "no folder of this index lies in" in told(stranger, "refresh", write=True)
        assert len(stranger) == 1


def test_the_command_ends_with_its_input(index: Index, tmp_path: Path) -> None:
    index.close()
    command = [sys.executable, "-m", "semsearch", "mcp", "--index", str(tmp_path / ".semsearch")]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_command_answers_over_stdio(sample_corpus: Path, tmp_path: Path) -> None:
    stdio = importlib.import_module("mcp.client.stdio")
    with Index.create(tmp_path / ".semsearch") as made:
        made.ingest([sample_corpus / "faq"])
    parameters = stdio.StdioServerParameters(
        command=sys.executable,
        args=["-m", "semsearch", "mcp", "--index", str(tmp_path / ".semsearch")],
        env=dict(os.environ),
    )

    async def run() -> str:
        async with ASK(stdio.stdio_client(parameters)) as client:
            found = await client.call_tool("search", {"query": "how do I get my deposit back", "k": 1})
            return str(found.content[0].text)

    answer = asyncio.run(run())
    with Index.open(tmp_path / ".semsearch") as index:
        (hit,) = index.query("how do I get my deposit back", k=1)
    assert f"1. {hit.document}:{hit.start}-{hit.end} ({hit.relevance:.3f})" in answer and hit.text in answer


def over_http(
    index: Index, settings: Settings, questions: Callable[[Any], Awaitable[Any]], token: str = ""
) -> Any:
    """Return what `questions` does with a client of the server's `/mcp`."""
    http, transport = (importlib.import_module(name) for name in ("httpx2", "mcp.client.streamable_http"))

    async def run(url: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            http.AsyncClient(headers=headers) as own,
            ASK(transport.streamable_http_client(f"{url}/mcp", http_client=own)) as client,
        ):
            return await questions(client)

    with served(index, settings) as url:
        return asyncio.run(run(url))


def test_http_has_the_tools_and_answers_of_stdio(index: Index) -> None:
    async def everything(client: Any) -> Any:
        uri = f"semsearch://document/{quote('notes/saw.md', safe='')}"
        return (
            [tool.model_dump() for tool in (await client.list_tools()).tools],
            (await client.call_tool("search", {"query": "saw in the shed"})).content[0].text,
            (await client.call_tool("read", {"document": "notes/锯子 #1.md"})).content[0].text,
            (await client.call_tool("read", {"document": "/etc/passwd"})).content[0].text,
            (await client.call_tool("duplicates", {})).content[0].text,
            (await client.read_resource(uri)).contents[0].text,
        )

    found = over_http(index, Settings(), everything)
    assert found == asked(index, everything)
    assert "The saw is in the shed." in found[1] and "has no document" in found[3] and len(found[0]) == 6


def test_http_changes_the_index_only_with_write_and_the_token(index: Index) -> None:
    async def save(client: Any) -> Any:
        return (await client.call_tool("save_note", {"id": "n", "text": "red cat"})).content[0].text

    assert "Unknown tool" in over_http(index, Settings(token="secret"), save, "secret")
    with pytest.raises(ExceptionGroup):  # of which the innermost is an HTTP error with 401
        over_http(index, Settings(token="secret", write=True), save)
    assert "record://n" not in index.sources()
    assert over_http(index, Settings(token="secret", write=True), save, "secret") == "stored as record://n"
    assert "record://n" in index.sources()


@pytest.mark.long
@pytest.mark.parametrize("become", REPLACED)
def test_a_replaced_index_is_not_answered_from(index: Index, become: str) -> None:
    async def ask(client: Any) -> Any:
        before = (await client.call_tool("search", {"query": "saw in the shed"})).content[0].text
        REPLACED[become](index.folder)
        return before, [
            (await client.call_tool(name, given)).content[0].text
            for name, given in (
                ("search", {"query": "saw"}),
                ("read", {"document": "notes/saw.md"}),
                ("status", {}),
            )
        ]

    before, after = over_http(index, Settings(), ask)
    assert "in the shed" in before and all("was replaced or removed" in text for text in after)


def test_http_is_closed_to_pages_of_other_sites(index: Index) -> None:
    http = importlib.import_module("httpx")
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"Accept": "application/json, text/event-stream"}
    with served(index) as url:
        for foreign, status in (({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 421)):
            assert http.post(f"{url}/mcp", json=call, headers=accept | foreign).status_code == status
        assert http.post(f"{url}/mcp", json=call, headers=accept | {"Origin": url}).status_code == 200


def test_without_the_sdk_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cli = importlib.import_module("semsearch.cli")
    testing = importlib.import_module("click.testing")
    create_index(tmp_path / ".semsearch").close()
    for name in [
        name for name in sys.modules if name.partition(".")[0] == "mcp" or name == "semsearch.server.mcp"
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    found = testing.CliRunner().invoke(cli.main, ["mcp", "--index", str(tmp_path / ".semsearch")])
    assert found.exit_code == 1 and "hint: pip install 'semsearch[mcp]'" in found.output
