"""The image that Kubernetes' own tests use: many small programs in one. The best known are here.

What is not here ends with 1, as programs do that agnhost itself does not know.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from roost.simulation.network.messages import Fault, Reply, Request
from roost.simulation.workloads.context import Context
from roost.simulation.workloads.image import Image

Program = Callable[[Context, Mapping[str, str]], Awaitable[int | None]]

#: With this a pause ends that was asked to.
_PAUSE_ENDED: Final = 2
#: So long the server of `liveness` is well.
_LIVES_S: Final = 10.0


_NO_CERTIFICATE: Final = "there is no TLS in a simulation\n"


class Agnhost(Image):
    """Its programs are named by the first argument; `pause` without one."""

    name, version = "registry.k8s.io/e2e-test-images/agnhost", "*"
    entrypoint = ("/agnhost",)
    command = ("pause",)
    #: A certificate that its servers have and that probes ask for; nothing here looks into it.
    files: ClassVar = {"/localhost.crt": _NO_CERTIFICATE, "/localhost.key": _NO_CERTIFICATE}

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        if not argv[0].endswith("agnhost"):
            return await self.exec(ctx, argv)
        words = argv[1:] or ("pause",)
        if words[0] == "entrypoint-tester":
            ctx.print(f"[{' '.join(argv)}]")
            return 0
        program = _PROGRAMS.get(words[0])
        if program is None:
            ctx.error(f'Error: unknown command "{words[0]}" for "app"')
            return 1
        return await program(ctx, options(words[1:]))


def options(argv: tuple[str, ...]) -> dict[str, str]:
    """Return -name=value and --name value options."""
    found: dict[str, str] = {}
    name = ""
    for word in argv:
        if word.startswith("-"):
            name, equals, value = word.lstrip("-").partition("=")
            found[name] = value if equals else "true"
        elif name:
            found[name] = word
            name = ""
    return found


async def _pause(ctx: Context, given: Mapping[str, str]) -> int | None:
    del given
    ctx.print("Paused")
    ctx.on_signal("SIGTERM", lambda: ctx.exit(_PAUSE_ENDED))
    return await Image().exec(ctx, ("pause",))


async def _serve_hostname(ctx: Context, given: Mapping[str, str]) -> int | None:
    name = ctx.env.get("HOSTNAME", ctx.pod.name)
    return await ctx.serve(int(given.get("port", "9376")), lambda _request: name)


async def _test_webserver(ctx: Context, given: Mapping[str, str]) -> int | None:
    """Serve the container's files."""

    def answer(request: Request) -> Reply:
        path = urlsplit(request.path).path
        if path.endswith("/"):
            return "".join(f'<a href="{name}">{name}</a>\n' for name in ctx.files.list(path))
        try:
            return ctx.files.read(path)
        except OSError:
            return 404, "404 page not found\n"

    return await ctx.serve(int(given.get("port", "80")), answer)


async def _liveness(ctx: Context, given: Mapping[str, str]) -> int | None:
    del given
    began = ctx.now()

    def answer(request: Request) -> Reply:
        if urlsplit(request.path).path != "/healthz":
            return "ok"
        age_s = ctx.now() - began
        return "ok" if age_s <= _LIVES_S else (500, f"error: {age_s}")

    return await ctx.serve(8080, answer)


async def _webhook(ctx: Context, given: Mapping[str, str]) -> int | None:
    """Say that one is ready to be asked."""

    def answer(request: Request) -> Reply:
        ready = urlsplit(request.path).path == "/readyz"
        return "ok" if ready else (404, "404 page not found\n")

    return await ctx.serve(int(given.get("port", "443")), answer)


async def _netexec(ctx: Context, given: Mapping[str, str]) -> int | None:
    return await ctx.serve(int(given.get("http-port", "8080")), _Netexec(ctx).answer)


class _Netexec:
    """The web server of agnhost netexec."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._healthy = True

    async def answer(self, request: Request) -> Reply:
        parts = urlsplit(request.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        ctx = self._ctx
        match parts.path:
            case "/" | "":
                return f"NOW: {ctx.now()}"
            case "/hostname" | "/hostName":
                return ctx.env.get("HOSTNAME", ctx.pod.name)
            case "/clientip":
                return request.source
            case "/echo":
                status = int(query.get("code", "200"))
                return status, query.get("msg", "")
            case "/healthz":
                return "ok" if self._healthy else (412, "unhealthy")
            case "/exit":
                ctx.spawn(_exit(ctx, int(query.get("code", "0"))))
                return "exiting"
            case "/shell":
                return await self._shell(query.get("cmd") or query.get("shellCommand", ""))
            case "/dial":
                return await self._dial(query)
            case _:
                return 404, "404 page not found\n"

    async def _shell(self, command: str) -> Reply:
        printed: list[str] = []
        child = self._ctx.child(("sh", "-c", command), lambda _stream, text: printed.append(text))
        code = await Image().exec(child, child.argv)
        error = f"exit status {code}" if code else ""
        return {"output": "".join(printed), **({"error": error} if error else {})}

    async def _dial(self, query: dict[str, str]) -> Reply:
        host, port = query.get("host", ""), query.get("port", "80")
        responses, errors = [], []
        for _ in range(int(query.get("tries", "1"))):
            try:
                answer = await self._ctx.fetch(f"http://{host}:{port}/{query.get('request', '')}")
                responses.append(answer.text)
            except (Fault, ValueError) as error:
                errors.append(str(error))
        found = {"responses": responses, **({"errors": errors} if errors else {})}
        return json.dumps(found)


async def _exit(ctx: Context, code: int) -> None:
    ctx.exit(code)


_PROGRAMS: Final[Mapping[str, Program]] = {
    "crd-conversion-webhook": _webhook,
    "liveness": _liveness,
    "netexec": _netexec,
    "pause": _pause,
    "serve-hostname": _serve_hostname,
    "test-webserver": _test_webserver,
    "webhook": _webhook,
}
