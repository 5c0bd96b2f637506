"""The routes of `/api/v1` that read: status, search and what belongs to it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypedDict

from semsearch import __version__, serialize
from semsearch.answers import ComparisonAnswer, DocumentAnswer, FieldAnswer, SearchAnswer, SimilarAnswer
from semsearch.errors import extra
from semsearch.ingest.explain import SourceStatus, Verdict
from semsearch.requests import SearchRequest, SimilarRequest
from semsearch.search.doubt import doubt
from semsearch.search.hits import Hits
from semsearch.server.context import API, Context, Watch
from semsearch.server.operations import Operation
from semsearch.server.parameters import Part
from semsearch.server.reach import reached, similar, stored, within
from semsearch.storage.index_dir import Status

with extra("server", "the server"):
    from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class FacetsRequest:
    """The fields of the metadata to count.

    Args:
        fields: The names of the fields. None means every field.
        query: Only documents that meet the conditions of this query count, and that have the words it requires.
        source: A pattern of sources, see `semsearch.patterns.Names`.
        literal: Take all of the query as text.
    """

    fields: Sequence[str] = ()
    query: str = ""
    source: str | None = None
    literal: bool = False


@dataclass(frozen=True, slots=True)
class DocumentName:
    """A document.

    Args:
        name: The document's name, as hits have it.
    """

    name: str


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Two documents to compare.

    Args:
        a: The name of one document.
        b: The name of the other.
    """

    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesRequest(Part):
    """The sources to list.

    Args:
        status: Only sources with this status.
        contains: Only sources whose path contains this, in capital or small letters.
        offset: The number of sources to leave out, from the first on.
        limit: The highest number of sources.
    """

    status: Verdict | None = None
    contains: str = ""


@dataclass(frozen=True, slots=True)
class WhyRequest:
    """A path to explain.

    Args:
        path: A file, a folder, or a row such as `data.csv#3`; a relative path starts where the index lies.
    """

    path: str


Source = Annotated[dict[str, Any], SourceStatus]
"""The JSON of a `SourceStatus`."""


class SourcesAnswer(TypedDict):
    """Some of the sources, in the order of their paths, and the number of all that match."""

    matching: int
    sources: list[Source]


class ServerAnswer(TypedDict):
    """The state of a server. `watch` is null without --watch."""

    version: str
    read_only: bool
    index: str
    watch: Annotated[Mapping[str, Any], Watch] | None


class SearchAnswerWithDoubt(SearchAnswer):
    """The answer to a query. `doubt` says for people that nothing relevant was found, and is else empty."""

    doubt: str


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    reading = _Reading(context)
    operations = [
        Operation("GET", f"{API}/status", reading.status),
        Operation(
            "GET",
            f"{API}/search",
            reading.search,
            looks=True,
            left_out=frozenset({"rerank", "rerank_top"}),
        ),
        Operation("GET", f"{API}/facets", reading.facets),
        Operation("GET", f"{API}/document", reading.document),
        Operation("GET", f"{API}/similar", reading.similar),
        Operation("GET", f"{API}/compare", reading.compare, heavy=True),
        Operation("GET", f"{API}/sources", reading.sources, heavy=True),
        Operation("GET", f"{API}/why", reading.why, heavy=True),
    ]
    return [operation.route(context) for operation in operations]


class _Reading:
    """The routes that change nothing. Their docstrings are the description of the API."""

    def __init__(self, context: Context) -> None:
        self._context, self._index = context, context.index
        self._settings = context.settings

    def status(self) -> Annotated[dict[str, Any], Status, ServerAnswer]:
        """Return where the index is, what made it and what it contains, and how the server was started.

        `watch` is null without --watch; else it says whether the folders are watched, and the last problem.
        """
        return {
            **serialize.status_json(self._index.status()),
            "version": __version__,
            "read_only": self._settings.read_only,
            "index": str(self._index.folder),
            "watch": self._context.watch and asdict(self._context.watch),
        }

    async def search(self, request: SearchRequest) -> SearchAnswerWithDoubt:
        """Return the passages that answer a query best, best first.

        `doubt` says so where nothing relevant was found, and `relevant` is false then. Of the hits, `relevance` is the
        share of unrelated questions that find nothing as good.
        """

        def answer(found_for_each: list[Hits]) -> SearchAnswerWithDoubt:
            (hits,) = found_for_each
            found = serialize.search_json(self._index.path_of, hits, request, self._index.notes(request))
            return {**found, "doubt": doubt(hits)}

        return await self._context.searcher.search([request], answer)

    def facets(self, request: FacetsRequest) -> list[FieldAnswer]:
        """Return the values of fields of the metadata, with the number of documents that have each."""
        names = request.fields or [one.field for one in self._index.fields()]
        found = self._index.facets(names, request.query, source=request.source, literal=request.literal)
        return serialize.facets_json(found)

    def document(self, request: DocumentName) -> DocumentAnswer:
        """Return the passages of a document as they are stored. No file is read."""
        return serialize.document_json(request.name, stored(self._index, request.name))

    def similar(self, request: SimilarRequest) -> SimilarAnswer:
        """Return the documents that are most similar to one, or the passages most similar to the one at a line."""
        hits = similar(self._index, request)
        return serialize.similar_json(self._index.path_of, hits, request, self._index.notes(request, hits))

    def compare(self, request: CompareRequest) -> ComparisonAnswer:
        """Compare two documents of the index: by the model, word by word, and passage by passage."""
        for name in (request.a, request.b):
            stored(self._index, name)
        return serialize.comparison_json(self._index.compare(request.a, request.b))

    def sources(self, request: SourcesRequest) -> SourcesAnswer:
        """Return what the index makes of each file below the paths that were ingested, and of each record.

        No file is read that lies neither next to the index nor in a folder that the server was started with.
        """
        contains = request.contains.lower()
        found = [
            one
            for one in self._index.why(within=within(self._index, self._settings.folders))
            if request.status in (None, one.status) and contains in one.path.lower()
        ]
        return {
            "matching": len(found),
            "sources": list(map(serialize.source_status_json, request.of(found))),
        }

    def why(self, request: WhyRequest) -> list[Source]:
        """Say if a path is indexed, and else why not: the rule that skips it, the error, or the change since."""
        known = request.path in self._index
        folders = self._settings.folders
        path = request.path if known else reached(self._index, request.path, folders)
        found = self._index.why(path, within=within(self._index, folders))
        return list(map(serialize.source_status_json, found))
