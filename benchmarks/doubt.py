"""Measure how often a search says that nothing may be relevant: for own questions, for others, and for nonsense.

The Rust book and some PEPs are asked their own questions, claims of SciFact, which is about medicine, and nonsense:
words of random letters, and keys next to each other. A level is good if it flags the latter and none of the former.
"""

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import Report, arguments, need, talk
from passages import BOOK
from search import PEPS

from semsearch import Index
from semsearch.search.doubt import shares_a_word

LEVELS = (0.2, 0.25, 0.3, 0.35, 0.4)
KEYS = ("asdfghjkl qwerty", "qwertyuiop", "zxcvbnm asdf", "hjkl hjkl", "lorem ipsum dolor", "foo bar baz qux")
_ASKED = 100


def nonsense() -> list[str]:
    """Return queries of random letters."""
    generator = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(generator.choices(letters, k=generator.randint(4, 9))) for _ in range(300)]
    return [*KEYS, *(" ".join(words[at : at + 1 + at % 3]) for at in range(0, 290, 3))]


def main() -> None:
    options = arguments(__doc__).parse_args()
    folders = need(options.data / "folders")
    lines = need(options.data / "scifact" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    claims = [json.loads(line)["text"] for line in lines][:_ASKED]
    peps = sorted((folders / "peps").rglob("pep-[0-9]*.rst"))
    others = [file for file in peps if file.name not in PEPS.values()]
    collections: dict[str, tuple[list[Path], list[str]]] = {
        "Rust book": (sorted((folders / "rust-book" / "src").glob("ch*.md")), list(BOOK)),
        "PEPs": ([*(set(peps) - set(others)), *others[:: max(1, len(others) // 30)]], list(PEPS)),
    }
    report = Report("doubt", options)
    rows = []
    for name, (files, own) in collections.items():
        with TemporaryDirectory() as folder, Index.create(Path(folder) / "index") as index:
            talk(f"{name}: {len(files)} files")
            index.ingest(files)
            for kind, queries in (
                ("own questions", own),
                ("claims of SciFact", claims),
                ("nonsense", nonsense()),
            ):
                found = [index.query(query, k=5) for query in queries]
                best = np.array([max(hit.cosine or 0 for hit in hits) for hits in found])
                shares = np.array([shares_a_word(*each) for each in zip(queries, found, strict=True)])
                low, middle, high = np.quantile(best, (0.05, 0.5, 0.95))
                flagged = [float(np.mean((best < level) & ~shares)) for level in LEVELS]
                rows.append(
                    [name, kind, len(queries), f"{low:.2f} {middle:.2f} {high:.2f}", f"{shares.mean():.0%}"]
                )
                rows[-1] += [f"{share:.0%}" for share in flagged]
                report.figures[f"{name}, {kind}"] = dict(zip(map(str, LEVELS), flagged, strict=True))
    heads = (
        "collection",
        "queries",
        "number",
        "best cosine 5 50 95 %",
        "share a word",
        *(f"< {one}" for one in LEVELS),
    )
    report.table("Searches that say that perhaps nothing answers them", heads, rows)
    report.close()


if __name__ == "__main__":
    main()
