"""Find public data sets of labelled pairs on this machine, or download them."""

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
"""Environment variables: a folder that holds data sets; a URL to download them from instead of their publishers."""
_MAX_BYTES = 10_000_000
"""The largest download to accept; the data sets here are far smaller."""


@dataclass(frozen=True, slots=True)
class PublicDataset:
    """A public data set: a `file` of `file_bytes` bytes with a SHA-256 `digest`.

    `url` serves the file itself, or a ZIP archive with the file as its `member`, in `download_bytes` bytes. `folder` is
    a folder that the file may lie in, and `homepage` a page for people.
    """

    name: str
    file: str
    folder: str
    url: str
    download_bytes: int
    file_bytes: int
    digest: str
    licence: str
    homepage: str
    member: str = ""

    @property
    def description(self) -> str:
        """The file to download, its size, licence and publisher, in words."""
        name, size = self.url.rpartition("/")[2], self.download_bytes / 1000
        return f"{name}, {size:,.0f} kB, {self.licence}, from {self.homepage}"

    def folders(self) -> list[Path]:
        """Return the folders to search for the file: SEMSEARCH_DATA, then the user's cache."""
        named = os.environ.get(DATA)
        return [*([Path(named).expanduser()] if named else []), _cache()]

    def find(self) -> Path | None:
        """Return the path of the file on this machine, or None. Its digest is not checked."""
        paths = (
            place / name for place in self.folders() for name in (self.file, f"{self.folder}/{self.file}")
        )
        return next((path for path in paths if path.is_file()), None)

    def download(self, progress: Callable[[int, int | None], None] | None = None) -> Path:
        """Download the file into the cache, check its digest, and return its path. The write is atomic.

        Raises `SemsearchError` if the file cannot be downloaded or written, or differs from the published one.
        """
        mirror = os.environ.get(MIRROR)
        url = f"{mirror.rstrip('/')}/{self.url.rpartition('/')[2]}" if mirror else self.url
        path = _cache() / self.file
        part = path.with_name(f"{url.rpartition('/')[2]}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{part}.lock"):
                hint = f"try again, or get it from {self.homepage} and set {DATA} to the folder that holds {self.file}"
                fetch(url, part, max_bytes=_MAX_BYTES, progress=progress, hint=hint)
                content = self._content(part.read_bytes())
                found = hashlib.sha256(content).hexdigest()
                if found != self.digest:
                    part.unlink()
                    raise SemsearchError(
                        f"{url} does not hold the published {self.file}: its SHA-256 is {found}, not {self.digest}",
                        hint,
                    )
                with replacing(path) as file:
                    file.write(content)
                part.unlink()
        except OSError as error:
            raise SemsearchError(f"cannot write {path}: {error.strerror}") from error
        return path

    def _content(self, download: bytes) -> bytes:
        """Return the file from the download, at most one byte beyond its length; empty bytes if it is not there."""
        if not self.member:
            return download
        try:
            with zipfile.ZipFile(io.BytesIO(download)) as archive, archive.open(self.member) as member:
                return member.read(self.file_bytes + 1)
        except Exception:  # zipfile raises many kinds of errors on invalid bytes
            return b""


def _cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("semsearch", appauthor=False) / "data"


def _stsb(part: str, size: int, digest: str) -> PublicDataset:
    file, homepage = f"stsb-en-{part}.csv", "https://github.com/PhilipMay/stsb-multi-mt"
    return PublicDataset(
        name=f"sts-b:{part}",
        file=file,
        folder="stsb",
        url=f"https://raw.githubusercontent.com/PhilipMay/stsb-multi-mt/99a65f1b68667f69a57bea13f602c7c9c27a9fcd/data/{file}",
        download_bytes=size,
        file_bytes=size,
        digest=digest,
        licence="grades CC BY-SA 4.0, texts under separate licences",
        homepage=homepage,
    )


_TEST = _stsb("test", 158_891, "11523b625219e94e9ca05d2816b5f02cac1614c5894fe657376fa0806378d053")
PUBLIC_DATASETS = {
    "sick": PublicDataset(
        name="sick",
        file="SICK.txt",
        folder="sick",
        url="https://zenodo.org/records/2787612/files/SICK.zip",
        download_bytes=217_584,
        file_bytes=2_432_648,
        digest="1539c2d059809b5bd40694e26d8121cc85b6b496f91c7b40f2fc83bbd7dcd957",
        licence="CC BY-NC-SA 3.0",
        homepage="https://zenodo.org/records/2787612",
        member="SICK.txt",
    ),
    "sts-b": _TEST,
    "sts-b:test": _TEST,
    "sts-b:dev": _stsb("dev", 204_675, "d29586e96558c4eb52cf5ea5d14e9c24d3bf0e44f111b017caba43a5adc33226"),
    "sts-b:train": _stsb(
        "train", 708_863, "e1e84fec60bbb598735552f54a35f4949904a484750fd2cb11e2720e49f63da6"
    ),
}
"""The data sets by name. The digests are of the files themselves, not of archives."""
