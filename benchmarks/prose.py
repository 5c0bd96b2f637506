"""Measure the rule that leaves passages out that are not prose: what is kept of texts, and of junk made here.

    python benchmarks/prose.py --limit 100

The folders are read, and files that `ingest` skips by their name are not. Each kind of junk is made with a fixed seed.
The EIPs have test vectors and machine code among their prose, so they have no bar.
"""

import base64
import binascii
import random
import time
from collections import Counter

from common import Report, corpora

from semsearch.embedding import load_embedder
from semsearch.ingest.chunk import chunk
from semsearch.readers import read
from semsearch.types import Document

KEPT, LEFT_OUT = 0.999, 0.95
"""The share of passages to keep in each folder, and the share of junk to leave out, over all its kinds."""


def junk() -> dict[str, str]:
    """Return a text of each kind of junk."""
    chance = random.Random(14)
    some = chance.randbytes

    def number() -> str:
        return f"{chance.uniform(-100, 100):.3f}"

    def encoded(size: int) -> str:
        return base64.b64encode(some(size)).decode()

    def rows(line: str) -> str:
        return "\n".join(line.format(hash=some(32).hex(), key=encoded(64), at=at) for at in range(60))

    letters, styles = "MLCSQTAHVZmlcsqtahvz", ("margin", "padding", "border-width", "top", "left")
    return {
        "hex dump": "\n".join(f"{at:08x}: {some(16).hex(' ')}" for at in range(0, 4000, 16)),
        "hex without blanks": some(5000).hex(),
        "base64": base64.encodebytes(some(8000)).decode(),
        "base85": base64.b85encode(some(5000)).decode(),
        "uuencode": "".join(binascii.b2a_uu(some(45)).decode() for _ in range(100)),
        "percent signs": "".join(f"%{byte:02X}" for byte in some(3000)),
        "PGP message": f"-----BEGIN PGP MESSAGE-----\n\n{encoded(2000)}\n-----END PGP MESSAGE-----",
        "path of an SVG": " ".join(f"{chance.choice(letters)}{number()},{number()}" for _ in range(900)),
        "table of numbers": "\n".join(",".join(number() for _ in range(8)) for _ in range(200)),
        "bytes as text": some(6000).decode("latin-1"),
        "UUIDs": "\n".join(f"{some(4).hex()}-{some(2).hex()}-4{some(6).hex()[:3]}" for _ in range(200)),
        "lock file of npm": rows('"p{at}": {{"version": "1.{at}.0", "integrity": "sha512-{key}"}},'),
        "lock file of poetry": rows('    {{file = "p-{at}-py3-none-any.whl", hash = "sha256:{hash}"}},'),
        "minified style": "".join(
            f".c{at}{{{chance.choice(styles)}:{at}px 0 {at % 7}px;color:#{some(3).hex()}}}"
            for at in range(400)
        ),
        "minified script": "".join(
            f"function a{at}(e,t){{var n=e[{at}]||t.x;return n&&n.y?n.y(e,t):b{at}(n,!0)}};"
            for at in range(300)
        ),
        "rules": f"{'=' * 70}\n" * 40,
    }


def main() -> None:
    """Print what is kept of each folder and each kind of junk."""
    options, folders = corpora(__doc__)
    embedder = load_embedder()
    report = Report("prose", options)

    def passages(document: Document) -> tuple[int, Counter[str], float, float]:
        started = time.process_time()
        everything = len(chunk(document, embedder).record.passages)
        middle = time.process_time()
        left_out = Counter(one.reason for one in chunk(document, embedder, everything=False).left_out)
        return everything, left_out, middle - started, time.process_time() - middle

    rows = []
    for folder, files in folders:
        total, reasons, whole, judged = 0, Counter[str](), 0.0, 0.0
        for path in files:
            for document in read(path, str(path)):
                if isinstance(document, Document):
                    count, left_out, before, after = passages(document)
                    total, reasons = total + count, reasons + left_out
                    whole, judged = whole + before, judged + after
        kept = 1 - reasons.total() / max(total, 1)
        common = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(2))
        rows.append((folder, f"{total:,}", f"{kept:.3%}", f"{judged / whole:.3f}", common))
        report.figures[folder] = {"passages": total, "kept": kept, "left_out": dict(reasons)}
        report.figures[folder]["time_with_rule"] = judged / whole
        if folder != "eips":
            report.bar(f"{folder}: share of passages kept", kept, ">=", KEPT)
    report.table(
        "Texts", ("folder", "passages", "kept", "CPU to cut with the rule / without", "left out"), rows
    )

    rows, total, gone = [], 0, 0
    for name, text in junk().items():
        count, left_out, *_ = passages(Document("junk", text))
        total, gone = total + count, gone + min(count, left_out.total())
        rows.append((name, count, max(0, count - left_out.total()), ", ".join(left_out)))
        report.figures[name] = {"passages": count, "left_out": left_out.total()}
    report.table("Junk", ("kind", "passages", "kept", "left out as"), rows)
    report.bar("share of junk left out", gone / total, ">=", LEFT_OUT)
    report.close()


if __name__ == "__main__":
    main()
