"""Extract the text of a PDF, page by page."""

import io
import logging
from collections.abc import Iterator

from semsearch.errors import UnreadableSource
from semsearch.readers.parsed import Parsed, parsed, said


def parse_pdf(content: bytes) -> Iterator[Parsed]:
    """Yield the text of a PDF."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # the result has what matters of its warnings
    lines: list[tuple[int, str]] = []
    without: list[tuple[int, str, bool]] = []
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileNotDecryptedError
        title = str(reader.metadata.title or "") if reader.metadata else ""
        count = len(reader.pages)
        for number, page in enumerate(reader.pages, 1):
            try:
                text = page.extract_text()
            except MemoryError:
                raise
            except Exception as error:  # the other pages can still be read
                without.append((number, f"broken page ({said(error)})", True))
                continue
            if not text.strip():
                without.append((number, "page without text", False))
            lines += ((number, line) for line in text.splitlines())
    except MemoryError:
        raise
    except FileNotDecryptedError as error:
        raise UnreadableSource("encrypted PDF that needs a password") from error
    except DependencyError as error:
        raise UnreadableSource("encrypted PDF; the package cryptography would open it") from error
    except Exception as error:  # a broken file makes pypdf raise any kind of exception
        raise UnreadableSource(f"broken PDF ({said(error)})") from error
    if len(without) == count and not any(failed for *_, failed in without):
        raise UnreadableSource("PDF without a text layer (a scan?)")
    yield parsed(lines, "page", title, without)
