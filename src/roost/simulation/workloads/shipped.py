"""Images that every simulated cluster knows. They imitate what people use in examples."""

from __future__ import annotations

from typing import ClassVar, Final
from urllib.parse import urlsplit

from roost.simulation.network.messages import Reply, Request
from roost.simulation.workloads.agnhost import Agnhost, options
from roost.simulation.workloads.context import Context
from roost.simulation.workloads.image import Image

_TESTS: Final = "registry.k8s.io/e2e-test-images"


class Commands(Image):
    """A shell and its commands. As long as they are the first process, SIGTERM does nothing to them."""

    term_code = None


class Busybox(Commands):
    """Commands alone; without one it ends at once, as a shell without a terminal."""

    name, version = "busybox", "*"
    command = ("sh",)


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


class _Files(Image):
    """Serves the files of one folder on port 80, unless another command is given."""

    folder: ClassVar[str]

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        if argv[:1] != self.command[:1]:
            return await self.exec(ctx, argv)

        def page(request: Request) -> Reply:
            path = urlsplit(request.path).path
            file = self.folder + path + ("index.html" if path.endswith("/") else "")
            ctx.print(f'{request.source} "{request.method} {request.path}"')
            try:
                return ctx.files.read(file)
            except OSError:
                return 404, "404 Not Found\n"

        return await ctx.serve(80, page)


class Nginx(_Files):
    """Serves the files of /usr/share/nginx/html on port 80."""

    name, version = "nginx", "*"
    command = ("nginx", "-g", "daemon off;")
    folder = "/usr/share/nginx/html"
    files: ClassVar = {f"{folder}/index.html": "<h1>Welcome to nginx!</h1>\n"}


class Httpd(_Files):
    """Serves the files of /usr/local/apache2/htdocs on port 80."""

    name, version = "httpd", "*"
    command = ("httpd-foreground",)
    folder = "/usr/local/apache2/htdocs"
    files: ClassVar = {f"{folder}/index.html": "<html><body><h1>It works!</h1></body></html>\n"}


class HttpEcho(Image):
    """Answers every request with one text: -text=... -listen=:5678."""

    name, version = "hashicorp/http-echo", "*"
    entrypoint = ("/http-echo",)

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        given = options(argv[1:])
        if "text" not in given:
            ctx.error("missing -text option!")
            return 127
        port = int(given.get("listen", ":5678").rpartition(":")[2])
        return await ctx.serve(port, lambda _request: given["text"] + "\n")


class TestBusybox(Busybox):
    """The one of Kubernetes' own tests."""

    name = f"{_TESTS}/busybox"


class TestHttpd(Httpd):
    """The one of Kubernetes' own tests."""

    name = f"{_TESTS}/httpd"


class TestNginx(Nginx):
    """The one of Kubernetes' own tests."""

    name = f"{_TESTS}/nginx"


SHIPPED: Final[tuple[type[Image], ...]] = (
    Busybox, Pause, HelloWorld, Nginx, Httpd, HttpEcho, Agnhost, TestBusybox, TestHttpd, TestNginx,
)  # fmt: skip
