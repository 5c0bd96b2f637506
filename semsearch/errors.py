"""Every error that a user can cause, as one family.

The root is `SemsearchError`: a message, a hint that says what to do, and the exit code of the command line. The module
that owns a dependency translates its exceptions (`raise ... from error`), so nothing else reaches a caller.
"""

from collections.abc import Iterator
from contextlib import contextmanager

_DISTRIBUTIONS = {
    "langchain_core": "langchain-core",
    "llama_index": "llama-index-core",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
    "sknetwork": "scikit-network",
}
"""The distribution that installs a module, where the names differ."""


class SemsearchError(Exception):
    """Any failure of semsearch. `str()` is the message; `hint` says what to do, and may be empty."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InvalidInput(SemsearchError):
    """An argument that is not valid: a missing path, a threshold of 7, a column that does not exist."""

    exit_code = 2


class UnreadableSource(SemsearchError):
    """A source that exists but cannot be read: no permission, a broken PDF, malformed JSON. Others are read."""

    exit_code = 3


class ModelError(SemsearchError):
    """A model that cannot be found, verified or run."""


class EngineUnavailable(SemsearchError):
    """A server of vectors that cannot be reached, does not answer in time, or wants a key. The Library is whole."""


class MissingExtra(SemsearchError):
    """A package that only an extra of semsearch installs."""


class IndexNotFound(SemsearchError):
    """A folder without an index where one is needed."""

    exit_code = 10


class IndexLocked(SemsearchError):
    """An index that another process is using."""

    exit_code = 11


class FingerprintMismatch(SemsearchError):
    """An index that was made with another model or other settings than those given."""

    exit_code = 12


class IndexDamaged(SemsearchError):
    """An index whose files are missing, corrupt, or contradict each other."""

    exit_code = 13


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Turn a failed import inside the block into `MissingExtra`: `purpose` needs a package of the extra `name`.

    The error's hint is the command that installs the extra.
    """
    try:
        yield
    except ImportError as error:
        module = (error.name or "a package").partition(".")[0]
        message = f"{purpose} needs {_DISTRIBUTIONS.get(module, module)}"
        if not isinstance(error, ModuleNotFoundError):
            message = f"{message}, which does not load: {error}"
        raise MissingExtra(message, f"pip install 'semsearch[{name}]'") from error


def reason_of(error: Exception) -> str:
    """Return the first line of the message of another library's error, or its type if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
