"""Count the passages whose shown text is not the slice of the file by their lines.

    python benchmarks/shown.py --limit 40

Formats whose text is extracted, such as PDF, have no lines to compare with, and are not counted. Encoded data
and secrets are never stored, so the files are compared with the marks that stand for them.
"""

from itertools import pairwise
from pathlib import Path

from common import Report, corpora, talk

from semsearch.embedding import Embedder, load_embedder
from semsearch.ingest.chunk import chunk
from semsearch.readers import read
from semsearch.text import as_written, without_data
from semsearch.types import Document


def count(path: Path, embedder: Embedder) -> tuple[int, int, list[str]]:
    """Return how many passages of a file are whole lines and parts of a line, and the places of the others."""
    whole = part = 0
    outside = []
    for document in read(path, str(path)):
        if not isinstance(document, Document) or document.unit != "line":
            continue
        if document.numbers is not None and not document.written:
            continue
        lines = as_written(without_data(document.written or document.text)).split("\n")
        passages = chunk(document, embedder).record.passages
        joints = {(a.first, b.first) for a, b in pairwise(passages) if a.last == b.first}
        inside = {line for joint in joints for line in joint}
        for passage in passages:
            its_lines = "\n".join(lines[passage.first - 1 : passage.last])
            shown = passage.original or passage.text
            if shown == its_lines:
                whole += 1
            elif shown in its_lines and (passage.first in inside or passage.last in inside):
                part += 1
            else:
                outside.append(f"{path.name}:{passage.first}-{passage.last}")
    return whole, part, outside


def main() -> None:
    """Print the counts of each folder."""
    options, folders = corpora(__doc__)
    embedder = load_embedder()
    report, rows = Report("shown", options), []
    for folder, files in folders:
        whole, part, outside = 0, 0, list[str]()
        for path in files:
            lines, parts, others = count(path, embedder)
            whole, part, outside = whole + lines, part + parts, outside + others
        for place in outside[:10]:
            talk(place)
        rows.append((folder, f"{whole:,}", f"{part:,}", f"{len(outside):,}"))
        report.figures[folder] = {"whole": whole, "part": part, "neither": len(outside)}
        report.bar(f"{folder}: neither", len(outside), "<=", 0)
    report.table("Passages", ("folder", "their lines", "a part of a line", "neither"), rows)
    report.close()


if __name__ == "__main__":
    main()
