"""Answer errors as problem details (RFC 9457), with our exit code and hint."""

import logging
import re
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TypedDict

from semsearch.errors import (
    FingerprintMismatch,
    IndexDamaged,
    IndexLocked,
    IndexNotFound,
    InvalidInput,
    MissingExtra,
    ModelError,
    SemsearchError,
    extra,
)
from semsearch.server.language import Translate, asked, said
from semsearch.server.reach import OutOfReach, UnknownName

with extra("server", "the server"):
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

_STATUS = {
    UnknownName: HTTPStatus.NOT_FOUND,
    OutOfReach: HTTPStatus.FORBIDDEN,
    InvalidInput: HTTPStatus.BAD_REQUEST,
    IndexNotFound: HTTPStatus.SERVICE_UNAVAILABLE,
    IndexLocked: HTTPStatus.CONFLICT,
    FingerprintMismatch: HTTPStatus.CONFLICT,
    IndexDamaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    MissingExtra: HTTPStatus.NOT_IMPLEMENTED,
    ModelError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of each error; any other `SemsearchError` is a request that cannot be carried out, 422."""


class Problem(TypedDict):
    """Problem details (RFC 9457): what is wrong, what to do, and the exit code that the command line would have."""

    type: str
    title: str
    status: int
    detail: str
    exit_code: int
    hint: str


class Refused(SemsearchError):
    """A call that this server does not carry out, with the status of the answer."""

    def __init__(self, status: HTTPStatus, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status


def problem(error: SemsearchError) -> Problem:
    """Return the problem details of an error, which jobs have as well."""
    status = getattr(error, "status", None) or _STATUS.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    title = status.phrase if isinstance(error, Refused) else _words(type(error).__name__)
    return {
        "type": f"urn:semsearch:{title.lower().replace(' ', '-')}",
        "title": title,
        "status": int(status),
        "detail": str(error),
        "exit_code": error.exit_code,
        "hint": error.hint,
    }


def response(
    request: Request,
    error: SemsearchError,
    languages: Mapping[str, Translate],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer to a call that raised an error, in the language of the caller."""
    told = said(problem(error), asked(request.headers.get("accept-language", ""), languages))
    return JSONResponse(told, told["status"], headers, media_type="application/problem+json")


async def told(request: Request, error: Exception) -> Response:
    """Answer an error of ours, of Starlette, or one that nobody expected, which shows no more than its type."""
    languages = request.app.state.context.settings.languages
    if isinstance(error, SemsearchError):
        return response(request, error, languages)
    if isinstance(error, HTTPException):
        refused = Refused(HTTPStatus(error.status_code), error.detail)
        return response(request, refused, languages, error.headers)
    return response(request, internal(error), languages)


def internal(error: Exception) -> Refused:
    """Log an error that nobody expected, and return the one that stands for it.

    Its message could quote a text, so neither has more than its type, and the log the places in the code.
    """
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    logging.getLogger(__name__).error("internal error: %s at %s", type(error).__name__, places)
    return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"an internal error: {type(error).__name__}")


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
