"""What other commands on the same machine ask of a running agent: a Unix socket that only root may open.

The image store belongs to one process at a time, so while an agent runs `roost image` asks it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
from aiohttp import web

from roost.api.values import Object, Value
from roost.runtimes.port import Image, Images, RuntimeFault

_DRAIN_S: Final = 0.5
#: Loading a large archive takes a while; nothing else is slow here.
_TIMEOUT_S: Final = 1800.0


class AgentControl:
    """The agent's side."""

    def __init__(self, images: Images) -> None:
        self._images = images

    async def run(self, socket: Path) -> None:
        """Serve on the socket until cancelled."""
        _make_room(socket)
        server = web.Server(self._handle, access_log=None)
        before = os.umask(0o177)
        try:
            listener = await asyncio.get_running_loop().create_unix_server(server, str(socket))
        finally:
            os.umask(before)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            listener.close()
            await server.shutdown(_DRAIN_S)
            _make_room(socket)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if (request.method, request.path) == ("GET", "/images"):
                return _answer([_facts(image) for image in await self._images.list_images()])
            if (request.method, request.path) == ("POST", "/images"):
                path = msgspec.json.decode(await request.read())["path"]
                loaded = await self._images.load_image(path)
                return _answer([_facts(image) for image in loaded])
        except RuntimeFault as fault:
            return _answer({"message": fault.message}, 400)
        except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
            return _answer({"message": str(error)}, 400)
        return _answer({"message": "no such path"}, 404)


def _make_room(socket: Path) -> None:
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket.unlink(missing_ok=True)


def _answer(body: Value, status: int = 200) -> web.Response:
    content = msgspec.json.encode(body)
    return web.Response(body=content, status=status, content_type="application/json")


def _facts(image: Image) -> Object:
    return {
        "id": image.id,
        "tags": list(image.tags),
        "digests": list(image.digests),
        "size_bytes": image.size_bytes,
    }


class ControlError(Exception):
    """The agent refused; the message is its own."""


async def ask_agent(socket: Path, method: str, body: Object | None = None) -> list[Object] | None:
    """Ask a running agent for its images (GET) or to load some (POST).

    Returns None when no agent runs. Raises ControlError.
    """
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(socket)), timeout=timeout
            ) as session,
            session.request(method, "http://agent/images", json=body) as answer,
        ):
            content = await answer.read()
    except (aiohttp.ClientConnectorError, FileNotFoundError):
        return None
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ControlError(f"the agent ended meanwhile: {error}") from error
    if answer.status != 200:
        raise ControlError(str(msgspec.json.decode(content)["message"]))
    return msgspec.json.decode(content, type=list[dict[str, object]])


def facts_of(images: list[Image]) -> list[Object]:
    """Return what the agent would have answered."""
    return [_facts(image) for image in images]
