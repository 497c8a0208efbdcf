"""What a client is told when something is wrong, in the shape that OpenAI's clients read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
"""Type of an error by its status; otherwise that of a bad request, or from 500 on of a server that failed."""


class Json(JSONResponse):
    """JSON in ASCII: texts of clients and models may hold what UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False).encode("ascii")


class ApiError(Exception):
    """A request that is not answered: its status, a sentence for a person, a code for a program."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Json:
        """The whole answer."""
        return Json(self.body(), self.status, self.headers)


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the client's mistake."""
    return ApiError(400, message, param=param, code=code)


def shutting_down() -> ApiError:
    """503: the request was not answered before the server ended."""
    return ApiError(503, "the server is shutting down", code="shutting_down", retry_after=5)


def internal() -> ApiError:
    """500: our fault; what happened is in the server's log, not in the answer."""
    return ApiError(500, "the server failed on this request; its log says how", code="internal_error")


def invalid_body(errors: list[Mapping[str, Any]]) -> ApiError:
    """400 for a body that is not what the endpoint takes: the first thing that is wrong with it."""
    first = errors[0]
    if first["type"] == "json_invalid":
        return bad_request(f"the body is not JSON: {printable(str(first['ctx']['error']), 200)}")
    where = [str(part) for part in first["loc"] if part != "body"]
    name = ".".join(where)
    message = f"{name}: {first['msg']}" if name else str(first["msg"])
    return bad_request(printable(message, 500), param=printable(name, 100) or None)


def printable(text: str, longest: int) -> str:
    """The start of a text that a client sent, fit for JSON and logs."""
    return text[:longest].encode("ascii", "backslashreplace").decode("ascii")
