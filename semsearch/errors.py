"""Every error a user can cause, as one family.

`SemsearchError` is the root: a message that says what and which, a hint that says what next, and the exit
code the command line ends with. A dependency's exception is translated where the dependency is owned
(`raise ... from error`), so nothing else reaches a caller.
"""

from collections.abc import Iterator
from contextlib import contextmanager

_DISTRIBUTIONS = {"sentence_transformers": "sentence-transformers", "sklearn": "scikit-learn"}
"""The distribution that installs a module, where the names differ."""


class SemsearchError(Exception):
    """Something semsearch could not do; `str()` is the message, `hint` the way on (may be empty)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InvalidInput(SemsearchError):
    """An argument that cannot mean anything: a missing path, a threshold of 7, a column that is not there."""

    exit_code = 2


class UnreadableSource(SemsearchError):
    """A source that exists but cannot be read (permission, a broken PDF, malformed JSON); the rest goes on."""

    exit_code = 3


class ModelError(SemsearchError):
    """A model that cannot be found, verified or run."""


class MissingExtra(SemsearchError):
    """A package that only an extra of semsearch installs."""


class IndexNotFound(SemsearchError):
    """No index where one was asked for."""

    exit_code = 10


class IndexLocked(SemsearchError):
    """Another process is writing to the index."""

    exit_code = 11


class FingerprintMismatch(SemsearchError):
    """The index was made with another model or other settings than those asked for."""

    exit_code = 12


class IndexDamaged(SemsearchError):
    """Files of the index are missing, truncated or contradict each other."""

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
