"""The page at `/`: its files, which load nothing from elsewhere, and problems to begin with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from envs.problem import problem_to_row
from envs.problem_sets import load_problems

FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/tests.js": ("tests.js", "text/javascript"),
    "/solve.js": ("solve.js", "text/javascript"),
    "/programs.js": ("programs.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path -> name and type of its file."""
HEADERS = {
    # Only these files, only this server: a program or an output that reached the page as markup could do nothing.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
N_PROBLEMS = 12

router = APIRouter()


def _sends(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return FileResponse(Path(__file__).parent / "static" / name, media_type=kind, headers=HEADERS)

    return send


for _path, (_name, _kind) in FILES.items():
    router.add_api_route(_path, _sends(_name, _kind), include_in_schema=False)


@router.get("/v1/problems")
def problems() -> dict[str, Any]:
    """Problems to begin with, from `basics`, without their hidden tests."""
    return {"object": "list", "data": _problems()}


@lru_cache(maxsize=1)
def _problems() -> list[dict[str, Any]]:
    """Evenly spread over the test split; values are JSON texts, since JavaScript's numbers hold less than Python's."""
    found = list(load_problems("basics", "test"))
    return [
        {
            "id": row["id"],
            "problem": row["statement"],
            "interface": row["interface"],
            "entry_point": row["entry_point"],
            "starter_code": row["starter_code"],
            "example_tests": [
                {"input": json.dumps(test["input"]), "output": json.dumps(test["output"])}
                for test in row["example_tests"]
            ],
        }
        for row in map(problem_to_row, found[:: len(found) // N_PROBLEMS][:N_PROBLEMS])
    ]
