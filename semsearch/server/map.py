"""The routes of the map: every passage as a point of a plane, and the passages at some of these points."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from posixpath import commonpath, dirname
from threading import Lock
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.review import Review
from semsearch.errors import InvalidInput, SemsearchError, extra
from semsearch.search.plane import PassagePlane
from semsearch.serialize import excerpt
from semsearch.server.context import API, Context
from semsearch.server.operations import Operation
from semsearch.server.parameters import Part
from semsearch.types import Unit

with extra("server", "the server"):
    from starlette.responses import Response
    from starlette.routing import Route

_MOST_CORNERS = 2_000
"""The most corners of a lasso."""
_EXCERPT = 400
"""Characters of a passage that a list shows."""


@dataclass(frozen=True, slots=True)
class MapRequest:
    """A map of all passages, with the groups of a review by its job."""

    groups: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagesRequest(Part):
    """Some passages of the map of a `version`.

    They are those inside a `polygon` ("x,y,x,y,...") of documents whose name contains a text, or the one of a `number`.
    """

    version: str
    polygon: str = ""
    contains: str = ""
    number: int | None = None


class PointAnswer(TypedDict):
    """A passage of the map: its number, its place in its document, its point and the beginning of its text."""

    number: int
    document: str
    unit: Unit
    start: int
    end: int
    point: list[float]
    text: str


class PassagesAnswer(TypedDict):
    """Some passages of the map, and the number of all that match."""

    matching: int
    passages: list[PointAnswer]


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    maps = _Maps(context)
    operations = [
        Operation("GET", f"{API}/map", maps.map, heavy=True, media_type="application/octet-stream"),
        Operation("GET", f"{API}/map/passages", maps.passages, heavy=True),
    ]
    return [operation.route(context) for operation in operations]


class _Maps:
    """The contents of a map. The docstrings are the description of the API."""

    def __init__(self, context: Context) -> None:
        self._index, self._jobs, self._keep = context.index, context.jobs, not context.settings.read_only
        self._made: tuple[int, PassagePlane] | None = None
        self._lock = Lock()

    def _plane(self, version: str = "") -> PassagePlane:
        """Return the map of the index as it is now. Raises `SemsearchError` if it is of another version."""
        with self._lock:
            if self._made is None or self._made[0] != self._index.state:
                self._made = self._index.state, self._index.plane(keep=self._keep)
            plane = self._made[1]
        if version not in ("", plane.version):
            raise SemsearchError("the index has changed since this map", "make the map again")
        return plane

    def map(self, request: MapRequest) -> Response:
        """Return all points as bytes, little-endian.

        They are the length of a JSON text (uint32), that text padded to a multiple of four bytes, and three arrays:
        float32 [n, 2] the points, uint32 [n] the number of the folder of each passage's document, among the `folders`
        of the JSON, and uint32 [n] the number of its group in the review, or 0.
        """
        plane = self._plane()
        folders, folder = _folders(plane.sources)
        group = np.zeros(len(plane.names), "<u4")
        if request.groups:
            review: Review = self._jobs.found(request.groups, "review")
            found = enumerate(review.groups(review.usual), 1)
            number = {name: at for at, one in found for name in one.group.names}
            group[:] = [number.get(name, 0) for name in plane.names]
        about = {
            "version": plane.version,
            "passages": len(plane.points),
            "documents": len(plane.names),
            "share": plane.share,
            "folders": folders,
        }
        head = json.dumps(about).encode()
        head += b" " * (-len(head) % 4)
        arrays = [plane.points.astype("<f4"), folder[plane.document], group[plane.document]]
        body = b"".join([np.uint32(len(head)).tobytes(), head, *(array.tobytes() for array in arrays)])
        return Response(body, media_type="application/octet-stream")

    def passages(self, request: PassagesRequest) -> PassagesAnswer:
        """Return passages with their texts, in the order of the index."""
        plane = self._plane(request.version)
        numbers = np.arange(len(plane.points))
        if request.number is not None:
            numbers = numbers[request.number : request.number + 1] if request.number >= 0 else numbers[:0]
        if request.polygon:
            numbers = np.intersect1d(numbers, plane.within(_polygon(request.polygon)))
        if wanted := request.contains.casefold():
            matching = np.array([wanted in name.casefold() for name in plane.names], np.bool_)
            numbers = numbers[matching[plane.document[numbers]]]
        shown = request.of(numbers.tolist())
        texts = plane.read(shown)
        return {
            "matching": len(numbers),
            "passages": [
                {
                    "number": number,
                    "document": plane.names[plane.document[number]],
                    "unit": plane.places[number][0],
                    "start": plane.places[number][1],
                    "end": plane.places[number][2],
                    "point": plane.points[number].tolist(),
                    "text": excerpt(text, width=_EXCERPT),
                }
                for number, text in zip(shown, texts, strict=True)
            ],
        }


def _polygon(text: str) -> NDArray[np.float64]:
    """Return the corners of a polygon, float64 [corners, 2]. Raises `InvalidInput`."""
    try:
        corners = np.array(text.split(","), np.float64).reshape(-1, 2)
    except ValueError:
        raise InvalidInput("the polygon is not a list of numbers: x,y,x,y,...") from None
    if not 3 <= len(corners) <= _MOST_CORNERS or not np.isfinite(corners).all():
        raise InvalidInput(f"a polygon has 3 to {_MOST_CORNERS:,} corners, each two numbers")
    return corners


def _folders(sources: Sequence[str]) -> tuple[list[str], NDArray[np.uint32]]:
    """Return the names of the folders that part the sources, the largest first, and the number of each source's.

    They are the folders right below the deepest one that has all sources.
    """
    parents = [dirname(source) for source in sources]
    mixed = {False, True} == {parent.startswith("/") for parent in parents}
    common = "" if mixed or not parents else commonpath(parents)
    below = [parent[len(common) :].strip("/").partition("/")[0] or "." for parent in parents]
    ranked = [name for name, _ in Counter(below).most_common()]
    number = {name: at for at, name in enumerate(ranked)}
    return ranked, np.array([number[name] for name in below], "<u4")
