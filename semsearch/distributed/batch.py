"""Embed the texts of many files on a Ray cluster, and find the near-duplicates among them; see docs/batch.md."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from semsearch.dedup.compared_fields import compared_fields
from semsearch.dedup.dataset_reader import leave_out_repeats, one_record
from semsearch.dedup.in_files import Dataset
from semsearch.dedup.in_memory import reason
from semsearch.dedup.leak import Leaks
from semsearch.dedup.result import Duplicates
from semsearch.distributed.cluster import PIECES, Cluster, Load, require_ray
from semsearch.distributed.matching import Matching, Visited
from semsearch.distributed.pieces import Input, bundles, dataset_of, local_copy, parquet_bytes, parquet_table
from semsearch.distributed.work import Work, arrow, is_url, place, refuse_password
from semsearch.embedding import Embedder
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.ingest.inputs import walk_named
from semsearch.readers import Found, RowFields
from semsearch.requests import DEFAULT_MEMORY, DedupRequest
from semsearch.types import TIERS, Rejected, Skipped

VERSION = 2
"""The version of the files in an output folder."""
RESULT = "result"
"""The folder of the rows with their groups."""
Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the amount done, and all of it."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The texts that are embedded in the folder `output`: how many documents, passages, and documents of each part.

    `embedded` counts the passages that this run embedded; the others were there. `skipped` was not read.
    """

    output: str
    documents: int
    passages: int
    embedded: int
    sizes: tuple[int, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    oov: float

    @property
    def failed(self) -> tuple[Skipped, ...]:
        """The sources that could not be read."""
        return tuple(one for one in self.skipped if one.failed)


@dataclass(frozen=True, slots=True)
class BatchDuplicates:
    """The near-duplicates among the texts of an output folder: how many, and what was compared to find them.

    `vetoed`, `more_rejected` and `undecided` are those of `Duplicates`.
    """

    embedded: Embedded
    threshold: float
    groups: int
    exact: int
    lexical: int
    semantic: int
    vetoed: Mapping[str, int]
    more_rejected: int | None
    undecided: int
    visited: Visited


@dataclass(frozen=True, slots=True)
class BatchLeaks:
    """The texts of the first part, out of `total`, that the second part of `against` texts has too: how many by tier.

    `vetoed` counts those that are only alike, and state different facts, by the rule.
    """

    embedded: Embedded
    threshold: float
    total: int
    against: int
    exact: int
    lexical: int
    semantic: int
    vetoed: Mapping[str, int]
    visited: Visited


def list_inputs(
    parts: Sequence[Sequence[str]], fields: RowFields
) -> tuple[list[Input], list[Skipped], list[str]]:
    """Return the files at and below some paths and URLs of each part, what is left out, and notes on the columns.

    Raises `InvalidInput` for what does not exist, and for URLs where `fields` names no column of the text.
    """
    found: list[tuple[str, int, int, int]] = []
    skipped: list[Skipped] = []
    local: list[list[Found]] = []
    for part, names in enumerate(parts):
        for name in filter(is_url, names):
            refuse_password(name)
            if not fields.text:
                raise InvalidInput(
                    f"{name}: columns of files elsewhere are not guessed", "name one by --text-field"
                )
            found += ((path, size, mtime, part) for path, size, mtime in _listed(name))
        local.append([])
        for item in walk_named([Path(name) for name in names if not is_url(name)]):
            if isinstance(item, Found):
                local[part].append(item)
            else:
                skipped.append(item)
    repeated = leave_out_repeats(local)
    for part, files in enumerate(local):
        found += ((str(file.path), file.size, file.mtime_ns, part) for file in files)
    found.sort(key=lambda one: one[3])  # stable: the parts in order
    chosen, notes = compared_fields([Path(path) for path, *_ in found if not is_url(path)], fields)
    notes += repeated
    return [Input(*one, chosen.get(Path(one[0]), fields), place(one[0])) for one in found], skipped, notes


def _listed(url: str) -> Iterator[tuple[str, int, int]]:
    """Yield the files at or below a URL: the URL, the size and the time of each. Raises `InvalidInput`."""
    fs = arrow().fs
    try:
        system, inner = fs.FileSystem.from_uri(url)
        info = system.get_file_info(inner)
        if info.type == fs.FileType.NotFound:
            raise InvalidInput(f"{url} does not exist")
        below = [] if info.is_file else system.get_file_info(fs.FileSelector(inner, recursive=True))
        found = sorted((str(one.path), one.size, one.mtime_ns or 0) for one in below if one.is_file)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{url} cannot be opened: {error}") from error
    if info.is_file:
        yield url, info.size, info.mtime_ns or 0
    start, query, options = url.partition("?")
    for path, size, mtime in found:
        name = path[len(inner.rstrip("/")) :]
        if not any(part.startswith((".", "_")) for part in name.split("/")):
            yield f"{start.rstrip('/')}{quote(name)}{query}{options}", size, mtime


def _location(path: str) -> tuple[str, str]:
    """Return the kind of file system of a path or URL, and where it is there, after links."""
    if not is_url(path):
        return "local", str(Path(path).resolve())
    system, inner = arrow().fs.FileSystem.from_uri(path)
    return _location(inner) if system.type_name == "local" else (system.type_name, inner)


def _is_below(at: tuple[str, str], folder: tuple[str, str]) -> bool:
    """Return whether a location is a folder or lies in it."""
    system, path = at
    return system == folder[0] and f"{path.rstrip('/')}/".startswith(f"{folder[1].rstrip('/')}/")


class Batch:
    """Work on some inputs in the folder `output`, a path or a URL. What an earlier run has finished is not done again.

    `load` returns the model, here and in each worker. With `gpu`, each GPU of the cluster has a worker with the model
    that this returns, which is the same one. Raises `InvalidInput` where the folder has other work.
    """

    def __init__(
        self,
        parts: Sequence[Sequence[str]],
        output: str,
        load: Load,
        *,
        fields: RowFields = RowFields(),
        progress: Progress | None = None,
        gpu: Load | None = None,
    ) -> None:
        require_ray()
        self.work = Work(output)
        self._parts, self._fields, self._load, self._gpu = parts, fields, load, gpu
        self._progress = progress or (lambda stage, done, total: None)
        self._embedder: Embedder = load()
        self.inputs, self._skipped, self._notes = list_inputs(parts, fields)
        if not self.inputs:
            raise InvalidInput("there is nothing to read", "name files or folders with text")
        to = _location(output)
        for name in (name for names in parts for name in names):
            at = _location(name)
            if _is_below(at, to):
                raise InvalidInput(
                    f"the output folder {output} has an input in it: {name}", "name another --output"
                )
            if _is_below(to, at):
                raise InvalidInput(
                    f"the output folder {output} is in the input {name}, so the next run would read it",
                    "name another --output",
                )
        self._bundles = bundles(self.inputs)
        self._sizes = [sum(one.size for one in bundle) for bundle in self._bundles]
        self.work.begin(
            {
                "version": VERSION,
                "model": asdict(self._embedder.fingerprint),
                "inputs": [[one.path, one.size, one.mtime_ns, one.part] for one in self.inputs],
                "fields": [repr(one.fields) for one in self.inputs],
            }
        )
        for folder in ("", PIECES, RESULT):
            self.work.tidy(folder)

    def embed(self, cluster: Cluster) -> Embedded:
        """Embed what is not yet embedded. Raises the errors of `Cluster.embed`."""
        entries = list(self.work.finished(PIECES).values())
        done: dict[int, set[int]] = {}
        reached = [0] * len(self._bundles)
        new = 0

        def count(entry: Mapping[str, Any]) -> None:
            number, piece = entry["bundle"], entry["piece"]
            size = self._sizes[number]
            reached[number] = size if piece < 0 else min(size, reached[number] + entry["characters"])
            done.setdefault(number, set()).add(piece)

        def finished(entry: Mapping[str, Any]) -> None:
            nonlocal new
            new += entry.get("passages", 0)
            count(entry)
            self._progress("embed", sum(reached), sum(self._sizes))

        for entry in entries:
            count(entry)
        # A bundle whose last piece is known is read again only if another one is missing.
        for entry in entries:
            if entry["piece"] < 0 and len(done[entry["bundle"]]) <= entry["pieces"]:
                done[entry["bundle"]].discard(-1)
        known = {number: frozenset(pieces) for number, pieces in done.items()}
        cluster.embed(self._bundles, known, self._load, self.work, finished, self._gpu)
        return self._embedded(new)

    def _embedded(self, new: int) -> Embedded:
        entries = self.work.finished(PIECES)
        pieces = self._pieces(entries)
        ends = [entry for entry in entries.values() if entry["piece"] < 0]
        if len(ends) < len(self._bundles) or sum(entry["pieces"] for entry in ends) != len(pieces):
            raise SemsearchError(
                f"pieces are missing in {self.work.where}",
                "name a folder that all machines of the cluster share",
            )
        sizes = [0] * len(self._parts)
        for entry in pieces:
            sizes[self._bundles[entry["bundle"]][0].part] += entry["documents"]
        skipped = [Skipped(*one) for entry in entries.values() for one in entry["skipped"]]
        characters = max(1, sum(entry["characters"] for entry in pieces))
        return Embedded(
            self.work.where,
            sum(sizes),
            sum(entry["passages"] for entry in pieces),
            new,
            tuple(sizes),
            tuple(dict.fromkeys([*self._skipped, *skipped])),
            tuple(dict.fromkeys([*self._notes, *(note for entry in ends for note in entry["notes"])])),
            sum(entry["oov"] * entry["characters"] for entry in pieces) / characters,
        )

    def _pieces(self, entries: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the entries of the pieces in the order of the documents."""
        pieces = (entry for entry in entries.values() if entry["piece"] >= 0)
        return sorted(pieces, key=lambda entry: (entry["bundle"], entry["piece"]))

    def dedup(
        self, cluster: Cluster, request: DedupRequest, *, recall: float = 1.0, partition: int = 0
    ) -> BatchDuplicates:
        """Embed, find the near-duplicates that `request` asks for, and write each row with its group.

        The pairs are compared on the cluster; then this process decides on them and makes the groups, as `Dataset`
        does. With a `recall` below 1, only so many texts with near-duplicates have all of theirs found; see `Visited`.
        `partition` is about how many vectors a partition has; 0 for a number that fits. Raises the errors of
        `Dataset.find_duplicates`.
        """
        embedded = self.embed(cluster)
        pieces = self._pieces(self.work.finished(PIECES))
        with self._dataset(embedded, pieces) as data:
            matching = self._matching(
                cluster, data, pieces, recall=recall, memory=request.memory, size=partition
            )
            found = data.find_duplicates(request, matches=matching)
            self._write_groups(found, pieces)
        result = BatchDuplicates(
            embedded,
            found.threshold,
            len(found.groups),
            found.exact,
            found.lexical,
            found.semantic,
            found.vetoed,
            found.more_rejected,
            found.undecided,
            matching.visited,
        )
        self._report(result)
        return result

    def leak(
        self,
        cluster: Cluster,
        threshold: float | None = None,
        *,
        count_differing: bool = False,
        memory: int = DEFAULT_MEMORY,
        partition: int = 0,
    ) -> BatchLeaks:
        """Embed, find the texts of the first part that the second has too, and write each row of the first.

        The arguments, and the errors, are those of `Dataset.leaks`.
        """
        embedded = self.embed(cluster)
        pieces = self._pieces(self.work.finished(PIECES))
        with self._dataset(embedded, pieces) as data:
            first, second = (
                np.unique(np.concatenate([np.empty(0, np.int64), *(one.rows for one in some)]))
                for some in (data.documents[: embedded.sizes[0]], data.documents[embedded.sizes[0] :])
            )
            matching = self._matching(
                cluster, data, pieces, memory=memory, size=partition, sides=(first, second)
            )
            found = data.leaks(threshold, count_differing=count_differing, memory=memory, matches=matching)
            self._write_leaks(found, pieces)
        tiers = {tier: found.count(tier) for tier in TIERS}
        result = BatchLeaks(
            embedded,
            found.threshold,
            found.total,
            found.against,
            **tiers,
            vetoed=found.vetoed,
            visited=matching.visited,
        )
        self._report(result)
        return result

    def _dataset(self, embedded: Embedded, pieces: Sequence[Mapping[str, Any]]) -> Dataset:
        for entry in pieces:
            part = self._bundles[entry["bundle"]][0].part
            if embedded.sizes[part] == 1 and entry.get("whole"):
                source = parquet_table(self.work.load(PIECES, entry))["source"][0].as_py()
                with local_copy(source) as path:
                    raise one_record(source, entry["whole"], path, self._fields)
        tables = (parquet_table(self.work.load(PIECES, entry)) for entry in pieces)
        return dataset_of(tables, embedded.sizes, self.inputs, self._embedder)

    def _matching(
        self, cluster: Cluster, data: Dataset, pieces: Sequence[Mapping[str, Any]], **options: Any
    ) -> Matching:
        key = sha256("".join(entry["sha256"] for entry in pieces).encode()).hexdigest()
        return Matching(
            cluster,
            self.work,
            data.vectors,
            key,
            progress=lambda done, total: self._progress("compare", done, total),
            **options,
        )

    def _report(self, result: BatchDuplicates | BatchLeaks) -> None:
        self.work.write("report.json", json.dumps(asdict(result), ensure_ascii=False, indent=2).encode())

    def _write_groups(self, found: Duplicates, pieces: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows of each piece with their groups, and the pairs that are alike and not duplicates."""
        of: dict[str, tuple[int, str, str, bool, float, float, str]] = {}
        for number, group in enumerate(found.groups, 1):
            of[group.keeper] = number, group.keeper, "keeper", True, 1.0, 1.0, ""
            for one in group.members:
                why = reason(one.tier, one.similarity, one.jaccard, one.differs)
                of[one.name] = number, group.keeper, one.tier, one.protected, one.similarity, one.jaccard, why
        columns = {
            "group": "int64", "keeper": "string", "tier": "string", "kept": "bool_",
            "similarity": "float64", "jaccard": "float64", "reason": "string",
        }  # fmt: skip
        self._write_rows(pieces, columns, of, (None, None, None, True, None, None, None))
        self._write_alike(found.rejected)

    def _write_leaks(self, found: Leaks, pieces: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows of the first part with the text of the second that each has, and what is only alike."""
        of = {
            one.left: (
                True,
                one.right,
                one.tier,
                one.similarity,
                one.jaccard,
                reason(one.tier, one.similarity, one.jaccard),
            )
            for one in found.pairs
        }
        columns = {
            "leaked": "bool_", "train": "string", "tier": "string",
            "similarity": "float64", "jaccard": "float64", "reason": "string",
        }  # fmt: skip
        tests = [entry for entry in pieces if self._bundles[entry["bundle"]][0].part == 0]
        self._write_rows(tests, columns, of, (False, None, None, None, None, None))
        self._write_alike(found.alike)

    def _write_rows(
        self,
        pieces: Sequence[Mapping[str, Any]],
        columns: Mapping[str, str],
        of: Mapping[str, tuple[Any, ...]],
        otherwise: tuple[Any, ...],
    ) -> None:
        """Write the rows of some pieces, with texts as before cleaning, and the values `of` each name, or others."""
        pa = arrow()
        for entry in pieces:
            table = parquet_table(self.work.load(PIECES, entry))
            both = zip(*(table[name].to_pylist() for name in ("text", "written")), strict=True)
            original = pa.array([written or text for text, written in both], pa.string())
            table = table.select(["name", "source", "row"]).append_column("text", original)
            rows = [of.get(name, otherwise) for name in table["name"].to_pylist()]
            for at, (name, kind) in enumerate(columns.items()):
                table = table.append_column(name, pa.array([row[at] for row in rows], getattr(pa, kind)()))
            self.work.write(f"{RESULT}/{entry['file']}", parquet_bytes(table))

    def _write_alike(self, pairs: Sequence[Rejected]) -> None:
        pa = arrow()
        columns = {
            name: pa.array([getattr(pair, name) for pair in pairs], getattr(pa, kind)())
            for name, kind in (
                ("left", "string"), ("right", "string"), ("similarity", "float64"),
                ("rule", "string"), ("reason", "string"),
            )
        }  # fmt: skip
        self.work.write("alike.parquet", parquet_bytes(pa.table(columns)))
