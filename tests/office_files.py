"""Make office files part by part, so that a test says exactly what is in them."""

import io
import zipfile
from collections.abc import Mapping

TRANSITIONAL = "http://schemas.openxmlformats.org"
STRICT = "http://purl.oclc.org/ooxml"


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """Return an archive of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def namespaces(base: str) -> str:
    """Return the declarations of OOXML in its transitional or strict form."""
    year = "" if base == STRICT else "/2006"
    uris = {
        "w": f"{base}/wordprocessingml{year}/main",
        "s": f"{base}/spreadsheetml{year}/main",
        "p": f"{base}/presentationml{year}/main",
        "a": f"{base}/drawingml{year}/main",
        "r": f"{base}/officeDocument{year}/relationships",
        "m": f"{base}/officeDocument{year}/math",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "v": "urn:schemas-microsoft-com:vml",
    }
    return " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in uris.items())


def relationships(targets: Mapping[str, str], base: str = TRANSITIONAL) -> str:
    """Return the relationships of a part: the targets by id, whose type is the id without digits."""
    kinds = f"{base}/officeDocument{'' if base == STRICT else '/2006'}/relationships"
    items = "".join(
        f'<Relationship Id="{id_}" Type="{kinds}/{id_.rstrip("0123456789")}" Target="{target}"/>'
        for id_, target in targets.items()
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{items}</Relationships>'


def word(
    body: str, related: Mapping[str, str] | None = None, base: str = TRANSITIONAL, **parts: str | bytes
) -> bytes:
    """Return a Word document. A keyword such as `footnotes` is the content of the part of this name."""
    declared = namespaces(base)
    targets = {name: f"{name}.xml" for name in parts if name.isidentifier()} | dict(related or {})
    return zipped(
        {
            "_rels/.rels": relationships({"officeDocument": "word/document.xml"}, base),
            "word/document.xml": f"<w:document {declared}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relationships(targets, base),
            **{
                f"word/{name}.xml": part
                if isinstance(part, bytes)
                else f"<w:{name} {declared}>{part}</w:{name}>"
                for name, part in parts.items()
            },
        }
    )


def w(name: str, *inner: str) -> str:
    """Return an element of Word without attributes."""
    return f"<w:{name}>{''.join(inner)}</w:{name}>"


def sdt(*inner: str) -> str:
    """Return a content control of Word."""
    return w("sdt", w("sdtPr", w("alias")), w("sdtContent", *inner))


def p(*runs: str, properties: str = "") -> str:
    """Return a paragraph of Word."""
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(runs)}</w:p>"


def r(text: str) -> str:
    """Return a run of Word."""
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def tc(*blocks: str, properties: str = "") -> str:
    """Return a cell of a table of Word."""
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{''.join(blocks)}</w:tc>"


def tr(*cells: str, properties: str = "") -> str:
    """Return a row of a table of Word."""
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(cells)}</w:tr>"


def workbook(sheets: Mapping[str, str], base: str = TRANSITIONAL, **parts: str) -> bytes:
    """Return a workbook whose sheets have these rows. A keyword is the content of another part."""
    declared = namespaces(base).replace("xmlns:s=", "xmlns=")
    numbered = list(enumerate(sheets.items(), 1))
    listed = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="worksheet{at}"/>' for at, (name, _) in numbered
    )
    targets = {f"worksheet{at}": f"worksheets/sheet{at}.xml" for at, _ in numbered}
    return zipped(
        {
            "_rels/.rels": relationships({"officeDocument": "xl/workbook.xml"}, base),
            "xl/workbook.xml": f"<workbook {declared}><sheets>{listed}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relationships(
                targets | {name: f"{name}.xml" for name in parts}, base
            ),
            **{
                f"xl/worksheets/sheet{at}.xml": f'<worksheet {declared}><dimension ref="A1:XFD1048576"/>'
                f"<sheetData>{rows}</sheetData></worksheet>"
                for at, (_, rows) in numbered
            },
            **{f"xl/{name}.xml": f"<{name} {declared}>{part}</{name}>" for name, part in parts.items()},
        }
    )


def open_document(kind: str, body: str, styles: str = "", meta: str = "") -> bytes:
    """Return an OpenDocument file of a kind such as `text`, with this body."""
    names = ("office", "text", "table", "draw", "presentation", "style", "svg", "meta")
    declared = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in names)
    declared += ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {declared}><office:body><office:{kind}>{body}"
            f"</office:{kind}></office:body></office:document-content>",
            "styles.xml": f"<office:document-styles {declared}>{styles}</office:document-styles>",
            "meta.xml": f"<office:document-meta {declared}><office:meta>{meta}</office:meta></office:document-meta>",
        }
    )
