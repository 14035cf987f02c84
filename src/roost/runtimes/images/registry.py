"""The registry protocol (distribution v2) over aiohttp: manifests, blobs, tokens.

HTTPS with verified certificates everywhere, but for registries on this machine's loopback and those that
are named as insecure. Credentials go to the registry's own host and to the token server it names, never
along a redirect to another host. What arrives is not trusted here: callers check digests.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from yarl import URL

from roost.runtimes.images.config import ACCEPT
from roost.runtimes.images.reference import Reference, is_loopback
from roost.runtimes.port import Credentials, RuntimeFault

_MAX_DOCUMENT = 8 << 20
_MAX_ERROR = 64 << 10
_REDIRECTS = 6
_CONNECT_S, _SILENCE_S = 15.0, 45.0
_HUB_HOST = "registry-1.docker.io"
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", _HUB_HOST})
_CHALLENGE = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class RegistryError(Exception):
    """A registry's refusal. `retry`: it may do better in a moment."""

    def __init__(self, message: str, *, status: int = 0, retry: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.retry = retry


@dataclass(slots=True)
class _Scope:
    """What one repository needs to let us in."""

    header: str = ""
    asked: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Registry:
    """Client of all registries. Opens connections when they are needed; `close` it.

    `certificates` is a file of CA certificates to trust besides the system's; `insecure` lists hosts
    (host or host:port) that are spoken to over plain HTTP.
    """

    def __init__(self, *, certificates: str = "", insecure: Collection[str] = ()) -> None:
        self._certificates = certificates
        self._insecure = frozenset(insecure)
        self._http: aiohttp.ClientSession | None = None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            context = ssl.create_default_context()
            if self._certificates:
                context.load_verify_locations(self._certificates)
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=16),
                timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_S, sock_read=_SILENCE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "roost"},
                auto_decompress=False,
            )
        return self._http

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def login(
        self, reference: Reference, credentials: Mapping[str, Credentials]
    ) -> RepositoryClient:
        """Return a client of one repository with the credentials that are meant for its host."""
        names = _HUB_NAMES if reference.registry in _HUB_NAMES else {reference.registry}
        keys = [key for key in credentials if _host_of(key) in names]
        found = credentials[keys[0]] if keys else Credentials()
        return RepositoryClient(self, reference, found)

    def base(self, reference: Reference) -> str:
        """Return the URL that a registry's API is under."""
        host = _HUB_HOST if reference.registry in _HUB_NAMES else reference.registry
        return f"{self.scheme(host)}://{host}/v2/{reference.repository}"

    def scheme(self, host: str) -> str:
        """Return http for loopback and for what is named as insecure, else https."""
        return "http" if is_loopback(host) or host in self._insecure else "https"

    def check(self, url: str) -> str:
        """Return a URL that a server has sent us to. Raises RegistryError if it is not safe."""
        parts = urlsplit(url)
        if parts.scheme == "https" or (
            parts.scheme == "http" and self.scheme(parts.netloc.rpartition("@")[2]) == "http"
        ):
            return url
        raise RegistryError(f"refusing to follow the registry to {parts.scheme}://{parts.netloc}")

    @asynccontextmanager
    async def get(
        self, url: str, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET, following redirects; Authorization stays with its host. Raises RegistryError."""
        headers = dict(headers)
        try:
            for _ in range(_REDIRECTS):
                target = URL(url, encoded=True)
                async with self._session().get(
                    target, headers=headers, allow_redirects=False, proxy=_proxy_for(target)
                ) as response:
                    if response.status not in {301, 302, 303, 307, 308}:
                        yield response
                        return
                    location = response.headers.get("Location", "")
                    following = target.join(URL(location, encoded=True))
                url = self.check(str(following))
                if (following.host, following.port) != (target.host, target.port):
                    headers.pop("Authorization", None)
        except aiohttp.ClientSSLError as error:
            raise RegistryError(f"{urlsplit(url).netloc}: {error}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            said = str(error) or type(error).__name__
            raise RegistryError(f"{urlsplit(url).netloc}: {said}", retry=True) from error
        raise RegistryError(f"{urlsplit(url).netloc}: too many redirects")


class RepositoryClient:
    """One repository of one registry, with one set of credentials."""

    def __init__(self, registry: Registry, reference: Reference, credentials: Credentials) -> None:
        self._registry = registry
        self._reference = reference
        self._credentials = credentials
        self._base = registry.base(reference)
        self._scope = _Scope(f"Bearer {credentials.token}" if credentials.token else "")

    async def manifest(self, version: str) -> tuple[bytes, str]:
        """Return a manifest or index and its media type. Raises RegistryError."""
        url = f"{self._base}/manifests/{version}"
        async with self._open(url, {"Accept": ACCEPT}) as response:
            content = await _read_limited(response, _MAX_DOCUMENT)
            return content, response.content_type

    @asynccontextmanager
    async def blob(
        self, digest: str, start: int = 0
    ) -> AsyncIterator[tuple[int, aiohttp.StreamReader]]:
        """Open a blob from byte `start`; yields where it really starts. Raises RegistryError."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self._open(f"{self._base}/blobs/{digest}", headers) as response:
            try:
                yield (start if response.status == 206 else 0), response.content
            except (aiohttp.ClientError, TimeoutError) as error:
                said = str(error) or type(error).__name__
                raise RegistryError(f"reading {digest}: {said}", retry=True) from error

    @asynccontextmanager
    async def _open(
        self, url: str, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET with authorisation, which is asked for at most once more if it has run out."""
        for attempt in (1, 2):
            used = self._scope.header
            sent = {**headers, **({"Authorization": used} if used else {})}
            async with self._registry.get(url, sent) as response:
                if response.status == 401 and attempt == 1:
                    challenges = response.headers.getall("WWW-Authenticate", [])
                elif response.status in {200, 206}:
                    yield response
                    return
                else:
                    raise await _refusal(response)
            await self._authorise(challenges, used)

    async def _authorise(self, challenges: list[str], used: str) -> None:
        async with self._scope.lock:
            if self._scope.header != used:
                return  # another request has done it meanwhile
            bearer = next((c for c in challenges if c.lower().startswith("bearer ")), "")
            basic = any(c.lower().startswith("basic") for c in challenges)
            if bearer:
                self._scope.header = f"Bearer {await self._token(bearer)}"
            elif basic and self._credentials.username:
                self._scope.header = self._basic()
            else:
                raise RegistryError("authentication required", status=401)

    def _basic(self) -> str:
        pair = f"{self._credentials.username}:{self._credentials.password}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    async def _token(self, challenge: str) -> str:
        fields = {name: quoted or bare for name, quoted, bare in _CHALLENGE.findall(challenge)}
        realm = self._registry.check(fields.get("realm", ""))
        scope = fields.get("scope") or f"repository:{self._reference.repository}:pull"
        query = {"scope": scope}
        if "service" in fields:
            query["service"] = fields["service"]
        headers = {"Authorization": self._basic()} if self._credentials.username else {}
        url = str(URL(realm).update_query(query))
        async with self._registry.get(url, headers) as response:
            if response.status != 200:
                raise await _refusal(response)
            content = await _read_limited(response, _MAX_ERROR)
        try:
            answer = msgspec.json.decode(content)
            token = answer.get("token") or answer.get("access_token")
        except (msgspec.DecodeError, AttributeError) as error:
            raise RegistryError("the token server's answer is not a token") from error
        if not isinstance(token, str) or not token or not token.isprintable():
            raise RegistryError("the token server's answer has no token")
        return token


async def _read_limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > limit:
            raise RegistryError(f"an answer is larger than {limit} bytes")
    return bytes(content)


async def _refusal(response: aiohttp.ClientResponse) -> RegistryError:
    """Return an error in the words of the registry's answer."""
    said = ""
    try:
        document = msgspec.json.decode(await _read_limited(response, _MAX_ERROR))
        errors = document.get("errors") or []
        said = "; ".join(
            ": ".join(
                str(part) for part in (error.get("code", ""), error.get("message", "")) if part
            )
            for error in errors
        ) or str(document.get("details", ""))
    except (msgspec.DecodeError, AttributeError, RegistryError, aiohttp.ClientError):
        pass
    status = response.status
    message = f"unexpected status {status} {response.reason}" + (f": {said}" if said else "")
    return RegistryError(message, status=status, retry=status >= 500 or status == 429)


def _proxy_for(url: URL) -> str | None:
    """Return the proxy that the environment names for a URL; none for this machine."""
    host = url.host or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    return getproxies().get(url.scheme)


def _host_of(key: str) -> str:
    """Return the host of a credentials' key, which may be a URL as in docker's config."""
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def fault_of(reference: Reference, error: RegistryError) -> RuntimeFault:
    """Return what a pod's status says about a pull that failed."""
    opening = f'failed to pull and unpack image "{reference}": '
    resolve = f'{opening}failed to resolve reference "{reference}": '
    if error.status == 404:
        return RuntimeFault("ErrImagePull", f"{resolve}{reference}: not found")
    if error.status in {401, 403}:
        return RuntimeFault(
            "ErrImagePull",
            f"{resolve}pull access denied, repository does not exist or may require "
            f"authorization: {error}",
        )
    if error.retry and (error.status == 0 or error.status >= 500):
        return RuntimeFault("ErrImagePull", f"{resolve}{error}")
    return RuntimeFault("ErrImagePull", f"{opening}{error}")
