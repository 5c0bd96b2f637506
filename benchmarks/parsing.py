"""The cost of parsing in a separate process: small PDFs and web pages, there and in this process, in turn."""

from collections.abc import Callable, Iterable

import common
from common import Report, interleave
from fpdf import FPDF

from semsearch.readers.parsed import Parsed
from semsearch.readers.parsing import parse
from semsearch.readers.sandbox import parse_in_sandbox

TEXT = "The belt sander is lent for a week. Wear a mask, and bring it back clean, with its bag emptied. " * 12
BAR = 1.15


def pdf(number: int) -> bytes:
    writer = FPDF()
    writer.set_font("Helvetica")
    for page in range(2):
        writer.add_page()
        writer.multi_cell(0, text=f"Sheet {number}, page {page}. {TEXT}")
    return bytes(writer.output())


def web_page(number: int) -> bytes:
    return f"<title>{number}</title><main>{f'<p>{TEXT}</p>' * 10}</main>".encode()


def pass_all(files: list[bytes], suffix: str, parser: Callable[[str, bytes], Iterable[Parsed]]) -> None:
    for content in files:
        list(parser(suffix, content))


def main() -> None:
    parser = common.arguments(__doc__, repeats=5)
    parser.add_argument("--files", type=int, default=200, metavar="N", help="of each format (default 200)")
    options = parser.parse_args()
    report = Report("parsing", options)
    for suffix, make in ((".pdf", pdf), (".html", web_page)):
        files = [make(number) for number in range(options.files)]
        pass_all(files[:1], suffix, parse)  # load the parser in both processes
        pass_all(files[:1], suffix, parse_in_sandbox)
        timings = interleave(
            {
                "here": lambda: pass_all(files, suffix, parse),  # noqa: B023 - called in this turn of the loop
                "apart": lambda: pass_all(files, suffix, parse_in_sandbox),  # noqa: B023
            },
            options.repeats,
        )
        seconds = {name: timing.median for name, timing in timings.items()}
        report.figures[suffix] = seconds | {"ratio": seconds["apart"] / seconds["here"]}
        report.table(
            f"{len(files)} files {suffix}: ms a file",
            ("", "ms", "x here"),
            [
                (name, f"{1000 * value / len(files):.2f}", f"{value / seconds['here']:.2f}")
                for name, value in seconds.items()
            ],
        )
    report.bar("PDF: apart / here", report.figures[".pdf"]["ratio"], "<=", BAR)
    report.close()


if __name__ == "__main__":
    main()
