"""Webhooks over real TLS on loopback: certificates, names, time, and what an answer may be."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from fakes.admission import rule, site_of
from roost.adapters.real.clock import SystemClock
from roost.adapters.real.files import DiskFiles
from roost.apiserver.admission.webhooks.port import CallFailed, Endpoint
from roost.apiserver.http.callout import HttpCaller
from roost.apiserver.pki.authority import Authority
from roost.client.kubeconfig import Connection

SERVICE = "hook.n.svc"


@dataclass
class Hook:
    """A webhook server on loopback. `answer` makes its answers."""

    port: int
    ca: str
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    requests: list[web.Request] = field(default_factory=list)

    def endpoint(self, **more: object) -> Endpoint:
        return Endpoint(**{"url": f"https://127.0.0.1:{self.port}/x", "ca": self.ca, **more})


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Hook]:
    authority = Authority.open(DiskFiles(), str(folder), SystemClock())
    identity = authority.kubelet_server("n", ["127.0.0.1", SERVICE])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = identity.certificate.decode(), identity.key.decode()
    Connection("", "", *pair).load_certificate(tls)
    hook = Hook(0, authority.certificate.decode())

    async def serve(request: web.Request) -> web.StreamResponse:
        hook.requests.append(request)
        await request.read()
        if hook.answer is not None:
            return await hook.answer(request)
        return web.json_response({"path": request.path_qs, "host": request.host})

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    hook.port = runner.addresses[0][1]
    try:
        yield hook
    finally:
        await runner.cleanup()


def call(tmp_path: Path, scene: Callable[[Hook, HttpCaller], Awaitable[None]]) -> None:
    async def main() -> None:
        caller = HttpCaller()
        try:
            async with listening(tmp_path) as hook:
                await scene(hook, caller)
        finally:
            await caller.close()

    asyncio.run(main())


def test_posts_json_and_says_how_long_it_waits(tmp_path):
    async def scene(hook, caller):
        answer = json.loads(await caller.post(hook.endpoint(), b"{}", 7))
        assert answer == {"path": "/x?timeout=7s", "host": f"127.0.0.1:{hook.port}"}
        request = hook.requests[0]
        assert (request.method, request.content_type) == ("POST", "application/json")

    call(tmp_path, scene)


def test_service_is_called_at_its_address_under_its_name(tmp_path):
    async def scene(hook, caller):
        address = ("127.0.0.1", hook.port)
        endpoint = hook.endpoint(url=f"https://{SERVICE}:443/x", address=address)
        assert json.loads(await caller.post(endpoint, b"{}", 5))["host"] == f"{SERVICE}:443"
        other = hook.endpoint(url="https://other.n.svc:443/x", address=address)
        with pytest.raises(CallFailed, match="failed to verify certificate: x509: "):
            await caller.post(other, b"{}", 5)

    call(tmp_path, scene)


def test_unknown_authority_is_refused(tmp_path):
    async def scene(hook, caller):
        with pytest.raises(CallFailed, match="certificate signed by unknown authority"):
            await caller.post(hook.endpoint(ca=""), b"{}", 5)
        with pytest.raises(CallFailed, match="unable to parse bytes as PEM"):
            await caller.post(hook.endpoint(ca="nonsense"), b"{}", 5)
        assert hook.requests == []

    call(tmp_path, scene)


def test_nobody_listens(tmp_path):
    async def scene(hook, caller):
        endpoint = hook.endpoint(url="https://127.0.0.1:1/x")
        with pytest.raises(CallFailed) as caught:
            await caller.post(endpoint, b"{}", 5)
        assert str(caught.value) == (
            'Post "https://127.0.0.1:1/x?timeout=5s": '
            "dial tcp 127.0.0.1:1: connect: connection refused"
        )

    call(tmp_path, scene)


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (404, "", "the server could not find the requested resource"),
        (
            500, "oh",
            'an error on the server ("oh") has prevented the request from succeeding',
        ),
        (302, "", "the server rejected our request for an unknown reason"),
    ],
)  # fmt: skip
def test_status_other_than_success_fails(tmp_path, status, text, why):
    async def scene(hook, caller):
        async def answer(_):
            return web.Response(status=status, text=text, headers={"Location": "/y"})

        hook.answer = answer
        with pytest.raises(CallFailed) as caught:
            await caller.post(hook.endpoint(), b"{}", 5)
        assert why in str(caught.value)
        assert len(hook.requests) == 1  # redirects are not followed

    call(tmp_path, scene)


def test_slow_webhook_is_given_up(tmp_path):
    async def scene(hook, caller):
        async def answer(_):
            await asyncio.sleep(1)
            return web.Response()

        hook.answer = answer
        with pytest.raises(CallFailed, match="context deadline exceeded"):
            await caller.post(hook.endpoint(), b"{}", 0.05)

    call(tmp_path, scene)


def test_denial_of_a_real_server_reaches_the_asker(tmp_path):
    async def scene(hook, caller):
        async def answer(request):
            review = await request.json()
            status = {"message": f"no {review['request']['name']}", "code": 403}
            response = {"uid": review["request"]["uid"], "allowed": False, "status": status}
            return web.json_response({**review, "response": response})

        hook.answer = answer
        async with site_of(caller) as site:
            webhook = {
                "name": "a.example.com",
                "clientConfig": {
                    "url": hook.endpoint().url,
                    "caBundle": base64.b64encode(hook.ca.encode()).decode(),
                },
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "rules": [rule()],
            }
            plural, kind = "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"
            await site.put(plural, kind, "a", webhooks=[webhook])
            code, answer = await site.create()
            text = 'admission webhook "a.example.com" denied the request: no c'
            assert (code, answer["message"]) == (403, text)

    call(tmp_path, scene)
