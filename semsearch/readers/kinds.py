"""Tell the kind of a file by its name and first bytes: which parser reads it, or why none does.

The tables of names that are left out are here, of files and of folders.
"""

import os
import re
from pathlib import Path, PurePath
from typing import NamedTuple

from semsearch.readers.encoding import bom_encoding
from semsearch.readers.packed import SUFFIXES as PACKED_SUFFIXES
from semsearch.readers.packed import inner_suffix, packing_of
from semsearch.readers.parsers.code import PARSED_CODE
from semsearch.readers.parsing import FORMATS, UNREAD
from semsearch.readers.rows import SUFFIXES as ROW_SUFFIXES
from semsearch.text import clean, is_remnant, prose_parts, without_data

_PACKED_TEXT = frozenset({".log", ".markdown", ".md", ".rst", ".text", ".txt"})
"""The suffixes of texts that are read although they are compressed."""
HEAD = 8192
"""The bytes at the start of a file that tell its kind."""
_PRIVATE = "private key: never read"
_SECRET = "keys, certificates or passwords: read only if you name the file"
_NAMED_AFTER = "its name has a secret, which the index would show: rename the file"
# Files that no parser reads, by suffix. Those whose bytes may be text are read nevertheless if a person names them.
_ALWAYS = {
    "picture": "ai avif bmp cr2 dng eps gif heic heif ico jpeg jpg nef png psd svgz tif tiff webp xcf",
    "sound or video": "aac avi flac m4a m4v mkv mov mp3 mp4 mpeg mpg ogg opus wav webm wma wmv",
    "archive: unpack it to have its files read": "7z bz2 cab deb dmg iso jar rar rpm tar tgz txz war whl xz zip",
    "database": "accdb db db3 feather h5 hdf5 mdb npy npz pickle pkl pt safetensors sqlite sqlite3",
    "font": "eot otf ttf woff woff2",
    "program": "a bin class dll dylib exe lib o obj pyc pyd pyo so wasm",
    "Apple document: export it as .docx, .xlsx or .pptx to have it read": "keynote numbers pages",
    "Kindle book: convert it to .epub to have it read": "azw azw3 kfx mobi prc",
    "Outlook mail: save it as .eml to have it read": "msg ost pst",
    "book of pictures: convert it to .pdf to have it read": "cb7 cbr cbz djv djvu xps",
    "OneNote notebook: export it as .docx or .pdf to have it read": "one onepkg onetoc2",
    _SECRET: "cer crt der env gpg jks kdb kdbx key keystore ovpn p12 p8 pem pfx ppk tfstate",
}  # fmt: skip
_UNLESS_NAMED = {
    "picture (SVG)": "svg",
    "drawing": "canvas drawio excalidraw",
    "source map": "map",
    "lock file of a package manager": "lock lockfile",
    "subtitles as styled events: save them as .srt to have them read": "ass ssa",
}
_REASONS = {f".{suffix}": reason for reason, names in _ALWAYS.items() for suffix in names.split()} | UNREAD
_MILD = {f".{suffix}": reason for reason, names in _UNLESS_NAMED.items() for suffix in names.split()}
_LOCKS = frozenset({
    "bun.lockb", "cartfile.resolved", "conda-lock.yml", "go.sum", "go.work.sum", "npm-shrinkwrap.json",
    "package-lock.json", "package.resolved", "packages.lock.json", "pnpm-lock.yaml",
})  # fmt: skip
_SECRETS = re.compile(
    r"ssh_host_\w+_key|id_(?:rsa|dsa|ecdsa|ed25519)\w*|\.env(?:\..*)?|[._]netrc|\.htpasswd|\.pgpass|\.npmrc|\.pypirc"
    r"|\.git-credentials|\.my\.cnf|\.s3cfg|\.boto|\.dockercfg|\.vault-token|kubeconfig|credentials(?:\.(?:json|csv|db))?"
    r"|client_secrets?.*\.json|service[_-]account.*\.json|secrets?\.(?:json|toml|ya?ml)|recovery[_-]codes.*"
)
_PRIVATE_KEY = re.compile(
    rb"\s*(?:-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|PuTTY-User-Key-File|---- BEGIN SSH2 ENCRYPTED PRIVATE)"
)
_KEY = re.compile(rb"\s*-----BEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE|PKCS7|CMS)[A-Z ]*-----|---- BEGIN SSH2 ")
_GENERATED = re.compile(
    rb"@generated\b|\bgenerated (?:by|from|automatically|with)\b[^\n]{0,120}\bdo not (?:edit|modify|change)"
    rb"|\b(?:do not edit|auto-?generated)\b[^\n]{0,80}\b(?:generated|do not edit|do not modify)",
    re.IGNORECASE,
)
_GENERATED_TOP = 1_000
"""The bytes at the start of code where a generator says so."""
_MINIFIED = re.compile(r".*[.-](?:min|bundle|chunk)\.(?:c?js|mjs|css)")
_PACKED_CODE = frozenset({".cjs", ".css", ".js", ".mjs"})
_LONG_LINE = 500
"""The mean characters of a line from which on code is minified. Code that people write has about 30."""
_ARCHIVED = (
    (b"mimetypeapplication/epub+zip", ".epub"),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", ".odt"),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", ".ods"),
    (b"mimetypeapplication/vnd.oasis.opendocument.presentation", ".odp"),
    (b"word/", ".docx"),
    (b"ppt/", ".pptx"),
    (b"xl/", ".xlsx"),
)
"""The format of a ZIP archive by the names in it."""
_MAGIC = (
    (rb"%PDF-", ".pdf"),
    (rb"\{\\rtf", ".rtf"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office file: save it in a present format to have it read"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP", "picture"),
    (rb".{4}ftyp(?:heic|heix|mif1|avif)", "picture"),
    (rb"ID3|OggS|fLaC|RIFF.{4}(?:WAVE|AVI )|\x1aE\xdf\xa3|.{4}ftyp", "sound or video"),
    (rb"7z\xbc\xaf|Rar!\x1a|\xfd7zXZ\0|BZh[1-9]1AY|.{257}ustar", "archive: unpack it to have its files read"),
    (rb"SQLite format 3\0", "database"),
    (rb"\x7fELF|MZ.{58}|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe", "program"),
    (rb".{60}BOOKMOBI", "Kindle book: convert it to .epub to have it read"),
    (rb"AT&TFORM", "book of pictures: convert it to .pdf to have it read"),
)  # fmt: skip
_MAGICS = tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in _MAGIC)
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!doctype html|<html)", re.IGNORECASE)
_MAILBOX = re.compile(rb"From \S[^\n]*\d:\d\d[^\n]*\n[!-9;-~]{1,80}: ")
_MAIL = re.compile(
    rb"(?:Return-Path|Received|Delivered-To|X-[\w-]+|Message-ID|MIME-Version|DKIM-Signature): [^\n]*\r?\n"
    rb"(?:[ \t][^\n]*\n|[!-9;-~]{1,80}:[^\n]*\n)*?(?:From|Subject|To|Date): ",
    re.IGNORECASE,
)
_RUN = re.compile(rb"[A-Za-z0-9]+")
_LONG_RUN = 15
"""The mean letters and digits in a row from which on a text is Base64, hexadecimal or the like, and has no words."""
_ENOUGH = 1_000
CODE = PARSED_CODE | {
    ".css", ".dart", ".ex", ".exs", ".jl", ".kt", ".kts", ".less", ".lua", ".m", ".mm", ".pl", ".proto", ".ps1", ".r",
    ".scala", ".scss", ".sql", ".svelte", ".swift", ".vue", ".zig",
}  # fmt: skip
"""The suffixes of source code."""
_FILLED = frozenset({
    "$recycle.bin", "__macosx", "__pycache__", "__generated__", "bower_components", "cmakefiles", "deriveddata",
    "jspm_packages", "lost+found", "node_modules", "site-packages", "system volume information",
})  # fmt: skip
"""The folders, in lower case, that programs fill, and that are not read unless a person names or includes them."""
_BUILT = {
    "_build": "conf.py dune-project mix.exs",
    "_site": "_config.yml eleventy.config.js .eleventy.js",
    "build": "CMakeLists.txt build.gradle build.gradle.kts meson.build package.json pyproject.toml setup.py",
    "coverage": "package.json",
    "deps": "mix.exs",
    "dist": "package.json pyproject.toml setup.cfg setup.py",
    "htmlcov": "pyproject.toml setup.cfg setup.py tox.ini",
    "out": "build.gradle next.config.js next.config.mjs package.json tsconfig.json",
    "pods": "Podfile",
    "target": "Cargo.toml build.sbt pom.xml",
    "vendor": "Gemfile composer.json go.mod",
}
"""The folders, in lower case, that a build fills, each with the files next to it of which one shows that it does."""
_BUILDERS_OWN = frozenset({"CMakeCache.txt", "autoload.php", "modules.txt"})
"""The files that builds write into a folder, so its texts are not a person's."""
_FOR_PEOPLE = frozenset({".docx", ".markdown", ".md", ".odt", ".org", ".rst", ".tex", ".txt"})


def folder_reason(folder: Path) -> str:
    """Return why a folder is not read although no ignore file names it, or nothing.

    A folder with the name of a build's output is read unless a project lies next to it, and if a text that people
    write lies directly in it.
    """
    name = folder.name.lower()
    if name in _FILLED:
        return f"{folder.name}: a folder that programs fill"
    if os.path.lexists(folder / "pyvenv.cfg"):
        return "virtual environment of Python"
    if os.path.lexists(folder / "CACHEDIR.TAG"):  # https://bford.info/cachedir/
        return "cache of a program (CACHEDIR.TAG)"
    for project in _BUILT.get(name, "").split():
        if (folder.parent / project).is_file():
            inside = [one.name for one in folder.iterdir()]
            texts = any(PurePath(one.lower()).suffix in _FOR_PEOPLE for one in inside)
            if not texts or not _BUILDERS_OWN.isdisjoint(inside):
                return f"{folder.name}: output of a build"
            break
    return ""


class Kind(NamedTuple):
    """The suffix by which a file is read, and the reason why it is not read, or an empty one."""

    suffix: str
    reason: str = ""


def kind_of(name: str, head: bytes, *, named: bool = False, everything: bool = False) -> Kind:
    """Return the kind of the file `name` with these first bytes (`HEAD` of them).

    The bytes decide where they contradict the suffix, as for a PDF called `notes.txt`. If a person has `named` the
    file, text is read whatever its name says, unless it is a private key. With `everything`, text is read unless it
    may hold secrets.
    """
    path = PurePath(name.lower())
    suffix = path.suffix
    if _PRIVATE_KEY.match(head):
        return Kind(suffix, _PRIVATE)
    if suffix == ".key" and head.startswith(b"PK\x03\x04"):
        return Kind(suffix, _REASONS[".keynote"])
    if not named and ((_SECRETS.fullmatch(path.name) and suffix != ".pub") or _KEY.match(head)):
        return Kind(suffix, _SECRET)
    if not named and "[secret" in without_data(PurePath(name).stem):
        return Kind(suffix, _NAMED_AFTER)
    if path.name.startswith("~$"):
        return Kind(suffix, "lock file of a document that is open in Office")
    if (inner := _rows_or_packed(path, head, named)) is not None:
        return inner
    real = _by_bytes(head)
    if head.startswith(b"PK\x03\x04") and not FORMATS.get(suffix, FORMATS[".html"]).binary:
        real = real or ("" if suffix in _REASONS else "archive: unpack it to have its files read")
    if real.startswith("."):
        office = suffix in FORMATS and FORMATS[suffix].binary and head.startswith(b"PK")
        return Kind(suffix if office else real)
    if _PAGE.match(head) and (suffix in UNREAD or (suffix in FORMATS and FORMATS[suffix].binary)):
        return Kind(".html")
    if real and not (suffix in FORMATS and FORMATS[suffix].binary):
        return Kind(suffix, _REASONS.get(suffix) or real)
    text = b"\0" not in head or bool(bom_encoding(head))
    if reason := _REASONS.get(suffix, ""):
        wanted = named or (everything and reason != _SECRET)
        return Kind(suffix, "" if wanted and text and suffix not in UNREAD else reason)
    if not text:
        return Kind(suffix, "" if suffix in FORMATS and FORMATS[suffix].binary else "binary file")
    if suffix not in FORMATS and (suffix == "" or ":2," in name):
        if _MAILBOX.match(head):
            return Kind(".mbox")
        if _MAIL.match(head):
            return Kind(".eml")
    return Kind(suffix, "" if named or everything else _mild_reason(path.name, suffix, head))


def _rows_or_packed(path: PurePath, head: bytes, named: bool) -> Kind | None:
    """Return the kind of a file of rows, whose rows are read although some have zero bytes, or of a compressed text."""
    suffix, inner = path.suffix, inner_suffix(path)
    packed = bool(packing_of(head))
    if suffix in PACKED_SUFFIXES and packed:
        read = (
            inner in ROW_SUFFIXES
            or inner in _PACKED_TEXT
            or (named and inner != ".tar" and inner not in FORMATS)
        )
        return Kind(suffix, "" if read else "archive: unpack it to have its files read")
    if suffix == ".parquet":
        return Kind(suffix)
    few = head.count(0) < 0.2 * len(head) or (head.count(0) > 0.4 * len(head) and b"\0\0" not in head)
    if suffix in ROW_SUFFIXES and (packed or (b"\0" in head and few and not _by_bytes(head))):
        return Kind(suffix)
    return None


def _by_bytes(head: bytes) -> str:
    """Return the suffix of the format, or the reason against it, that the bytes tell beyond doubt; else nothing."""
    if head.startswith(b"PK\x03\x04"):
        return next((suffix for mark, suffix in _ARCHIVED if mark in head), "")
    return next((kind for pattern, kind in _MAGICS if pattern.match(head)), "")


def _mild_reason(name: str, suffix: str, head: bytes) -> str:
    """Return why a file of text is not read unless a person names it, or nothing."""
    if name in _LOCKS:
        return "lock file of a package manager"
    if suffix in _MILD:
        return _MILD[suffix]
    if _MINIFIED.fullmatch(name) or (
        suffix in _PACKED_CODE and len(head) > _LONG_LINE * (1 + head.count(b"\n"))
    ):
        return "minified code"
    if suffix in CODE and _GENERATED.search(head[:_GENERATED_TOP]):
        return "generated code"
    runs = _RUN.findall(head) if len(head) >= _ENOUGH and head.isascii() else []
    if sum(map(len, runs)) > _LONG_RUN * len(runs) and _is_encoded(head.decode()):
        return "encoded data without words"
    return ""


def _is_encoded(text: str) -> bool:
    """Return whether no paragraph of a text is for a reader. The last one may be cut off."""
    text = clean(without_data(text))
    return all(is_remnant(text[start:end]) for start, end in prose_parts(text)[0])
