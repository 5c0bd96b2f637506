"""Count the passages of folders whose shown text is not the slice of the file by their lines.

    python benchmarks/shown.py FOLDER...

Formats whose text is extracted, such as PDF, have no lines to compare with, and are not counted.
"""

import sys
from itertools import pairwise
from pathlib import Path

from semsearch.embedding import load_embedder
from semsearch.ingest.chunk import chunk
from semsearch.readers import read
from semsearch.text import as_written
from semsearch.types import Document


def main() -> int:
    """Print the counts of each folder; return 1 where a passage is not a part of its lines."""
    embedder, wrong = load_embedder(), 0
    for folder in map(Path, sys.argv[1:]):
        whole = part = outside = 0
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            for document in read(path, str(path)):
                if not isinstance(document, Document) or document.unit != "line":
                    continue
                if document.numbers is not None and not document.written:
                    continue
                lines = as_written(document.written or document.text).split("\n")
                passages = chunk(document, embedder).record.passages
                joints = {(a.first, b.first) for a, b in pairwise(passages) if a.last == b.first}
                inside = {line for joint in joints for line in joint}
                for passage in passages:
                    slice_ = "\n".join(lines[passage.first - 1 : passage.last])
                    shown = passage.original or passage.text
                    is_part = shown in slice_ and (passage.first in inside or passage.last in inside)
                    whole += shown == slice_
                    part += shown != slice_ and is_part
                    if shown != slice_ and not is_part:
                        outside += 1
                        print(f"{path}:{passage.first}-{passage.last}")
        print(f"{folder}: {whole:,} passages are their lines, {part:,} a part of a line, {outside:,} neither")
        wrong += outside
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
