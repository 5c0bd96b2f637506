"""Deduplicate 20,000 strings from Python in four lines, a data frame in and a data frame out.

    python benchmarks/frame.py --rows 2000

The strings are sentences of `shared/data/sentences`, of which every tenth is one of the others again: as it is, with
another case and signs, or without its last word. The last line is JSON: CPU and wall seconds, rows, and planted copies
found. With the vector cache the second run embeds nothing.
"""

import gzip
import json
import random
import time
from pathlib import Path
from typing import Any

from common import arguments, need


def frame(data: Path, rows: int) -> tuple[Any, int]:
    """Return a frame with the columns `id` and `text`, and the number of planted copies in it."""
    import pandas as pd

    with gzip.open(need(data / "sentences" / "sentences-400k.txt.gz"), "rt", encoding="utf-8") as file:
        lines = list(dict.fromkeys(line.strip() for line, _ in zip(file, range(2 * rows), strict=False)))
    originals = lines[: rows - rows // 10]
    chance = random.Random(20)
    changes = (str, lambda text: f"{text.upper()} !", lambda text: text.rsplit(" ", 1)[0])
    copies = [chance.choice(changes)(text) for text in chance.sample(originals, rows // 10)]
    texts = [*originals, *copies]
    return pd.DataFrame({"id": range(len(texts)), "text": texts}), len(copies)


def main() -> None:
    """Run it twice, and print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=20_000, metavar="N", help="strings (default 20000)")
    options = parser.parse_args()
    given, planted = frame(options.data, options.rows)
    figures: dict[str, Any] = {"rows": len(given), "planted": planted}
    for name in ("first", "again"):
        wall, processor = time.perf_counter(), time.process_time()
        # fmt: off
        import semsearch
        found = semsearch.dedup(given, text="text")
        clean = found.kept
        clean.to_csv("/dev/null")
        # fmt: on
        figures[name] = {
            "wall_s": round(time.perf_counter() - wall, 1),
            "cpu_s": round(time.process_time() - processor, 1),
            "kept": len(clean),
            "planted_removed": planted - int((clean["id"] >= len(given) - planted).sum()),
            "type": type(clean).__name__,
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
