"""The limit on the other side: the web server alone, answering the very same bytes from memory.

`python -m bench.webalone FILE` serves what the file has: msgpack of (path, headers, body) for each answer.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

Kept = tuple[str, dict[str, str], bytes]


def main(file: str) -> None:
    """Serve until SIGTERM, on uvicorn as `turnout serve` sets it up."""
    kept = msgspec.msgpack.decode(Path(file).read_bytes(), type=list[Kept])
    answers = {path: (headers, body) for path, headers, body in kept}

    async def answer(request: Request) -> Response:
        headers, body = answers[request.url.path]
        return Response(body, headers=headers)

    app = Starlette(routes=[Route("/{name}", answer)])
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        backlog=2048,
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvloop.run(uvicorn.Server(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main(sys.argv[1])
