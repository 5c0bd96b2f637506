"""Published sets of labelled pairs: where they may lie on this machine, and how to get them from their homes."""

import hashlib
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from semsearch.errors import SemsearchError
from semsearch.files import replacing
from semsearch.tuning.download import fetch

DATA, MIRROR = "SEMSEARCH_DATA", "SEMSEARCH_MIRROR"
"""Variables: a folder that holds data sets; a URL to take their files from in place of their homes."""
_MOST = 10_000_000
"""Bytes of an archive: the sets here are far smaller, and what a server sends is bounded by it."""


@dataclass(frozen=True, slots=True)
class Published:
    """A set that others publish: its `file` of `length` bytes and SHA-256 `digest`, as `url` has it, or as `member` of
    a ZIP archive there, a download of `size` bytes; `folder` is one that it may lie in; `home` is for people."""

    name: str
    file: str
    folder: str
    url: str
    size: int
    length: int
    digest: str
    licence: str
    home: str
    member: str = ""

    @property
    def offer(self) -> str:
        """What a download brings, in words."""
        return f"{self.url.rpartition('/')[2]}, {self.size / 1000:,.0f} kB, {self.licence}, from {self.home}"

    def places(self) -> list[Path]:
        """The folders that the file is looked for in: SEMSEARCH_DATA, then the user's cache."""
        named = os.environ.get(DATA)
        return [*([Path(named).expanduser()] if named else []), _cache()]

    def find(self) -> Path | None:
        """The file, where it is on this machine; it is used as it is."""
        paths = (
            place / name for place in self.places() for name in (self.file, f"{self.folder}/{self.file}")
        )
        return next((path for path in paths if path.is_file()), None)

    def download(self, progress: Callable[[int, int | None], None] | None = None) -> Path:
        """Fetch the file into the cache and return its path. It is there whole and as published, or not at all.

        Raises `SemsearchError` where it cannot be fetched, differs from what was published, or cannot be written.
        """
        mirror = os.environ.get(MIRROR)
        url = f"{mirror.rstrip('/')}/{self.url.rpartition('/')[2]}" if mirror else self.url
        path = _cache() / self.file
        part = path.with_name(f"{url.rpartition('/')[2]}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{part}.lock"):
                hint = f"try again, or get it from {self.home} and set {DATA} to the folder that holds {self.file}"
                fetch(url, part, most=_MOST, progress=progress, hint=hint)
                content = self._content(part.read_bytes())
                found = hashlib.sha256(content).hexdigest()
                if found != self.digest:
                    part.unlink()
                    raise SemsearchError(
                        f"{url} does not hold the {self.file} that was published: its SHA-256 is {found} instead of "
                        f"{self.digest}",
                        hint,
                    )
                with replacing(path) as file:
                    file.write(content)
                part.unlink()
        except OSError as error:
            raise SemsearchError(f"cannot write {path}: {error.strerror}") from error
        return path

    def _content(self, download: bytes) -> bytes:
        """The file in what was downloaded, up to one byte more than it is to have; nothing where it is not in there."""
        if not self.member:
            return download
        try:
            with zipfile.ZipFile(io.BytesIO(download)) as archive, archive.open(self.member) as member:
                return member.read(self.length + 1)
        except Exception:  # whatever the readers of ZIP raise on bytes that somebody made up
            return b""


def _cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("semsearch", appauthor=False) / "data"


def _stsb(part: str, size: int, digest: str) -> Published:
    file, home = f"stsb-en-{part}.csv", "https://github.com/PhilipMay/stsb-multi-mt"
    return Published(
        name=f"sts-b:{part}",
        file=file,
        folder="stsb",
        url=f"https://raw.githubusercontent.com/PhilipMay/stsb-multi-mt/99a65f1b68667f69a57bea13f602c7c9c27a9fcd/data/{file}",
        size=size,
        length=size,
        digest=digest,
        licence="grades CC BY-SA 4.0, texts under licences of their own",
        home=home,
    )


_TEST = _stsb("test", 158_891, "11523b625219e94e9ca05d2816b5f02cac1614c5894fe657376fa0806378d053")
PUBLISHED = {
    "sick": Published(
        name="sick",
        file="SICK.txt",
        folder="sick",
        url="https://zenodo.org/records/2787612/files/SICK.zip",
        size=217_584,
        length=2_432_648,
        digest="1539c2d059809b5bd40694e26d8121cc85b6b496f91c7b40f2fc83bbd7dcd957",
        licence="CC BY-NC-SA 3.0",
        home="https://zenodo.org/records/2787612",
        member="SICK.txt",
    ),
    "sts-b": _TEST,
    "sts-b:test": _TEST,
    "sts-b:dev": _stsb("dev", 204_675, "d29586e96558c4eb52cf5ea5d14e9c24d3bf0e44f111b017caba43a5adc33226"),
    "sts-b:train": _stsb(
        "train", 708_863, "e1e84fec60bbb598735552f54a35f4949904a484750fd2cb11e2720e49f63da6"
    ),
}
"""The sets by name. The digests are of the files that people use, not of archives: nothing else has to be trusted."""
