"""Images that every simulated cluster knows. They imitate what people use in examples."""

from __future__ import annotations

import json
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from roost.simulation.network.messages import Fault, Reply, Request
from roost.simulation.workloads.context import Context
from roost.simulation.workloads.image import Image


class Busybox(Image):
    """A shell and its commands; without a command it ends at once, as a shell without a terminal."""

    name, version = "busybox", "*"
    command = ("sh",)
    term_code = None


class Pause(Image):
    """Waits for its end."""

    name, version = "registry.k8s.io/pause", "*"
    entrypoint = ("/pause",)


class HelloWorld(Image):
    """Greets and ends."""

    name, version = "hello-world", "*"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        del argv
        ctx.print("Hello from a simulated container!")
        return 0


class Nginx(Image):
    """Serves the files of /usr/share/nginx/html on port 80."""

    name, version = "nginx", "*"
    command = ("nginx", "-g", "daemon off;")
    files: ClassVar = {
        "/usr/share/nginx/html/index.html": "<h1>Welcome to nginx!</h1>\n",
    }

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        if argv[:1] != ("nginx",):
            return await self.exec(ctx, argv)

        def page(request: Request) -> Reply:
            path = urlsplit(request.path).path
            file = "/usr/share/nginx/html" + path + ("index.html" if path.endswith("/") else "")
            ctx.print(f'{request.source} "{request.method} {request.path}"')
            try:
                return ctx.files.read(file)
            except OSError:
                return 404, "404 Not Found\n"

        return await ctx.serve(80, page)


class HttpEcho(Image):
    """Answers every request with one text: -text=... -listen=:5678."""

    name, version = "hashicorp/http-echo", "*"
    entrypoint = ("/http-echo",)

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        options = _options(argv[1:])
        if "text" not in options:
            ctx.error("missing -text option!")
            return 127
        port = int(options.get("listen", ":5678").rpartition(":")[2])
        return await ctx.serve(port, lambda _request: options["text"] + "\n")


class Agnhost(Image):
    """The parts of the test image that people use by hand: netexec, pause, serve-hostname."""

    name, version = "registry.k8s.io/e2e-test-images/agnhost", "*"
    entrypoint = ("/agnhost",)
    command = ("pause",)

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        words = argv[1:] if argv[0].endswith("agnhost") else argv
        match words[:1]:
            case ("pause",) | ():
                return await self.exec(ctx, ("pause",))
            case ("netexec",):
                port = int(_options(words[1:]).get("http-port", "8080"))
                return await ctx.serve(port, _Netexec(ctx).answer)
            case ("serve-hostname",):
                port = int(_options(words[1:]).get("port", "9376"))
                return await ctx.serve(port, lambda _request: ctx.env.get("HOSTNAME", ctx.pod.name))
            case _:
                return await self.exec(ctx, words)


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


def _options(argv: tuple[str, ...]) -> dict[str, str]:
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


SHIPPED: Final[tuple[type[Image], ...]] = (
    Busybox, Pause, HelloWorld, Nginx, HttpEcho, Agnhost,
)  # fmt: skip
