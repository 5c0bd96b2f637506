"""Find a model of the Hugging Face hub in the cache on this machine, and download it as a last resort."""

import os
import sys
from pathlib import Path

# Otherwise a download tells the hub the version of torch and which assistant runs the process, and asks for a list of
# assistants first. This must be set before huggingface_hub is imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from semsearch.errors import ModelError, reason_of

_FILES = ("*.json", "*.safetensors", "*/*.json", "*/*.safetensors")
_NOT_ONES = ("onnx/*", "openvino/*")
"""The same weights in other forms."""


def hub_name(model: str) -> str:
    """Return the name on the hub of a model that is named without its owner, as sentence-transformers reads it."""
    return model if "/" in model else f"sentence-transformers/{model}"


def cached_folder(name: str) -> Path | None:
    """Return the folder of a model in the Hugging Face cache, or None if it has no weights there.

    Only the cache is read, in its documented form: the library that owns it takes a second to import.
    """
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
    try:
        revision = (cache / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    folder = cache / "snapshots" / revision
    if not revision.isalnum() or not any(folder.glob("**/*.safetensors")):
        return None
    return folder


def download(name: str) -> Path:
    """Download what is needed of a model into the Hugging Face cache, and return its folder there.

    A line and a progress bar go to standard error. Raises `ModelError` if the hub is offline or unreachable, or has no
    such model.
    """
    from huggingface_hub import constants, snapshot_download

    hint = "see the known models: semsearch models"
    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"the model {name} is not on this machine, and HF_HUB_OFFLINE forbids the download", hint
        )
    print(f"Downloading {name} from {constants.ENDPOINT}, once", file=sys.stderr, flush=True)
    try:
        return Path(snapshot_download(name, allow_patterns=list(_FILES), ignore_patterns=list(_NOT_ONES)))
    except Exception as error:  # the library raises its own errors, those of its HTTP client, and OSError
        reason = reason_of(error)
        raise ModelError(
            f"the model {name} is not on this machine, and the download from {constants.ENDPOINT} failed: {reason}",
            hint,
        ) from error
