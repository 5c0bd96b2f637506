"""List the suffixes of prose. It is cheap to import: what shows a hit needs it, and no reader."""

PROSE_SUFFIXES = frozenset({
    "", ".adoc", ".asc", ".asciidoc", ".atom", ".bib", ".csv", ".dbk", ".docbook", ".docm", ".docx", ".dotm", ".dotx",
    ".eml", ".epub", ".fb2", ".fodp", ".fods", ".fodt", ".htm", ".html", ".ics", ".ipynb", ".jsonl", ".latex", ".ltx",
    ".markdown", ".mbox", ".mbx", ".md", ".mdown", ".mdx", ".mediawiki", ".mht", ".mhtml", ".mkd", ".ndjson", ".odp",
    ".ods", ".odt", ".opml", ".org", ".otp", ".ots", ".ott", ".potx", ".ppsm", ".ppsx", ".pptm", ".pptx", ".qmd",
    ".rest", ".rmd", ".rss", ".rst", ".rtf", ".svg", ".tei", ".tex", ".text", ".tsv", ".txt", ".vcf", ".wiki",
    ".xhtml", ".xlsm", ".xlsx", ".xltm", ".xltx", ".xml",
})  # fmt: skip
"""The suffixes of files in which a line that begins with `#` is a heading. In all others it is a comment."""
