"""The style sheet, the script and the icons of the Sync page, served by the page itself: no public CDN."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from starlette.responses import FileResponse

router = APIRouter()

FOLDER = Path(__file__).parent / "static"
TYPES = {
    "sync.css": "text/css",
    "sync.js": "text/javascript",
    "sync.svg": "image/svg+xml",
    "sync-dark.svg": "image/svg+xml",
}


@router.get("/static/{name}")
def static(name: Literal["sync.css", "sync.js", "sync.svg", "sync-dark.svg"]) -> FileResponse:
    """Serve a file."""
    return FileResponse(FOLDER / name, media_type=TYPES[name], headers={"Cache-Control": "private, max-age=300"})
