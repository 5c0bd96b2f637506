"""Extract the text of charts and diagrams, which Word and PowerPoint store as separate parts."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from semsearch.readers.parsers.zipped import Package, Related

_MOST_LABELS = 200
"""Labels of a chart that are read."""


def graphic_text(package: Package, related: Mapping[str, Related], reference: Element) -> str:
    """Return the text of the chart or diagram that an element refers to: titles, labels and boxes, a line each."""
    lines: dict[str, None] = {}
    for key in ("r:dm", "r:id"):
        target = related.get(reference.get(key, ""))
        if target is None or target.target not in package:
            continue
        root = package.tree(target.target)
        for paragraph in root.iter("p"):
            lines["".join(text.text or "" for text in paragraph.iter("t")).strip()] = None
        labels = [label.text or "" for cache in root.iter("strCache") for label in cache.iter("v")]
        lines.update(dict.fromkeys(labels[:_MOST_LABELS]))
    return "\n".join(filter(None, lines))
