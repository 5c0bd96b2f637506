"""Remember where models on servers are, as the user has said on this machine, and find the keys for these servers.

An index names a model and never a server, since an index may come from a stranger. So the place of a model is known
only after the user has named the model, or its URL, on this machine: docs/decisions/0110-servers-are-named-here.md.
"""

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from semsearch.errors import InvalidInput, MissingExtra, ModelError, extra
from semsearch.files import config_folder, read_bounded, replacing
from semsearch.strict_json import load_json, take

_FOLDER, _SUFFIX = "servers", ".json"
_MOST_BYTES = 64 * 1024
_LONGEST_NAME = 80
"""Characters of a model's name that a file's name can show. Names that differ in the rest have other digests."""
_LOCAL = re.compile(r"localhost|127(\.\d+){3}|\[::1\]")
_HOST = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
_OPENAI = "https://api.openai.com"
_KEYRING = "semsearch"


@dataclass(frozen=True, slots=True)
class Server:
    """The place of a model. `weights` is its identity when it was last used here, see `Fingerprint.weights`."""

    model: str
    base_url: str
    weights: str = ""


def find(model: str) -> Server | None:
    """Return the server that the user has named for a model on this machine, or None.

    Raises `ModelError` for a file that is not what `remember` writes.
    """
    return _read(path_of(model))


def known() -> list[Server]:
    """Return all servers that the user has named on this machine, by model."""
    paths = sorted((config_folder() / _FOLDER).glob(f"*{_SUFFIX}"))
    return sorted(filter(None, map(_read, paths)), key=lambda server: server.model)


def remember(server: Server) -> bool:
    """Save where a model is. Return False where the configuration folder cannot be written to."""
    path = path_of(server.model)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path, mode=0o600) as file:
            file.write(json.dumps(asdict(server), indent=1).encode())
        return True
    return False


def forget(model: str) -> bool:
    """Delete what is saved about a model's server. Return False if nothing was."""
    try:
        path_of(model).unlink()
    except FileNotFoundError:
        return False
    return True


def checked_url(
    url: str, path: str = "", *, what: str = "--base-url", example: str = "http://127.0.0.1:8080/v1"
) -> str:
    """Return a base URL in its one form: without a slash at its end, and with `path` if it has none.

    Errors name it `what`, and show an `example`. Raises `InvalidInput` for anything but http or https, a host, a port
    and a path. A name, a password, and a query are refused since the URL is stored and shown.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.netloc, parts.port
    except ValueError:
        raise InvalidInput(f"{what} is not a URL", f"such as {example}") from None
    if "@" in host or parts.query or parts.fragment:
        raise InvalidInput(
            f"{what} may hold neither a password nor a query, since it is stored",
            f"leave it out, and put the key into the environment: {_variable_of(parts.hostname or '', port)}",
        )
    if (
        parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(host)
        or not re.fullmatch(r"[!-~]*", parts.path)
    ):
        raise InvalidInput(f"{without_password(url)!r} is not the URL of a server", f"such as {example}")
    return f"{parts.scheme}://{host.lower()}{parts.path.rstrip('/') or path}"


def without_password(url: str) -> str:
    """Return what was typed as a URL, without what may be a password in it: all before its last @."""
    return re.sub(r".*@", "…@", url, flags=re.DOTALL)


def host_of(base_url: str) -> str:
    """Return the host of a URL, with its port if the URL has one."""
    return urlsplit(base_url).netloc


def is_local(base_url: str) -> bool:
    """Return whether a URL means this machine."""
    return bool(_LOCAL.fullmatch(re.sub(r":\d+$", "", host_of(base_url))))


def key_variable(base_url: str) -> str:
    """Return the name of the environment variable that holds the key for a server.

    It is OPENAI_API_KEY for that service only. Any other host has its own variable, so no key reaches another host.
    """
    if base_url == _OPENAI or base_url.startswith(f"{_OPENAI}/"):
        return "OPENAI_API_KEY"
    parts = urlsplit(base_url)
    return _variable_of(parts.hostname or "", parts.port)


def key_from_environment(base_url: str) -> str:
    """Return the key for a server from its environment variable, or "". Raises `ModelError` for a malformed key."""
    variable = key_variable(base_url)
    return _checked_key(os.environ.get(variable, ""), variable)


def key_from_keyring(base_url: str) -> str:
    """Return the key for a server from the user's keyring, or "" without a keyring or a key.

    The service is "semsearch", and the name is the host. Raises `ModelError` for one that is not a key.
    """
    with suppress(MissingExtra), extra("keyring", "a key in the keyring"):
        import keyring
        from keyring.errors import KeyringError

        # A keyring may be locked, and a machine may have none.
        with suppress(KeyringError, OSError, RuntimeError):
            return _checked_key(keyring.get_password(_KEYRING, host_of(base_url)) or "", "the keyring's key")
    return ""


def has_key(base_url: str) -> bool:
    """Return whether there is a key for a server, in the environment or the keyring."""
    return bool(key_from_environment(base_url) or key_from_keyring(base_url))


def _checked_key(key: str, origin: str) -> str:
    """Return a key without blanks around it. A header cannot hold others, and an error would show them."""
    key = key.strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise ModelError(f"{origin} is not a key: it has blanks or letters that a key cannot have")
    return key


def _variable_of(host: str, port: int | None) -> str:
    """Return the variable for a host: a.b-c:80 becomes SEMSEARCH_API_KEY_A_B__C_80, so hosts do not share one."""
    name = host if port is None else f"{host}_{port}"
    return "SEMSEARCH_API_KEY_" + re.sub(r"[.:]", "_", name.replace("-", "__")).upper()


def path_of(model: str) -> Path:
    """Return the file that says where a model is, which need not exist."""
    name = quote(model, safe="")[:_LONGEST_NAME]
    digest = hashlib.blake2b(model.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return config_folder() / _FOLDER / f"{name}-{digest}{_SUFFIX}"


def _read(path: Path) -> Server | None:
    try:
        values = take(
            load_json(read_bounded(path, _MOST_BYTES)),
            "the file",
            {"model": str, "base_url": str, "weights": str},
        )
        server = Server(values["model"], checked_url(values["base_url"]), values["weights"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, InvalidInput) as error:
        raise ModelError(
            f"{path} does not say where a model is: {error}", "delete it, and name the server again"
        ) from error
    return server if path_of(server.model) == path else None
