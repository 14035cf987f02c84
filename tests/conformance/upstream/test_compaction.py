"""test/e2e/apimachinery/chunking.go: a token that expires. It waits for minutes, so time is virtual
here and the server in memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fakes.apiserver import running
from fakes.timeless import run
from roost.apiserver.attributes import User
from roost.apiserver.messages import Request
from roost.apiserver.server import ApiServer

pytestmark = pytest.mark.slow
ADMIN = User("admin", ("system:masters",))
TEMPLATES = "/api/v1/namespaces/default/podtemplates"
#: Every 20 s, for twice the five minutes of etcd's compaction.
POLL_S, TIMEOUT_S = 20, 600


async def ask(
    api: ApiServer, method: str, path: str, query: str = "", body: Any = None
) -> tuple[int, dict[str, Any]]:
    raw = b"" if body is None else json.dumps(body).encode()
    answer = await api.handle(Request(method, path, query, {}, raw, ADMIN, path))
    data = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    return answer.code, json.loads(data)


@pytest.mark.parametrize("idle", [False, True])
@pytest.mark.parametrize("later_s", [0.0, 1.0, 59.0, 121.0, 299.0])
def test_continued_inconsistently(later_s: float, *, idle: bool):
    """Servers with support for API chunking should support continue listing from the last key if
    the original version has been compacted away, though the list is inconsistent [Slow]"""

    async def scenario() -> None:
        async with running() as api:
            await ask(api, "POST", "/api/v1/namespaces", "", {"metadata": {"name": "default"}})
            spec = {"containers": [{"name": "test", "image": "test2"}]}
            for number in range(40):
                template = {
                    "metadata": {"name": f"template-{number:04}"},
                    "template": {"spec": spec},
                }
                await ask(api, "POST", TEMPLATES, "", template)
            await asyncio.sleep(later_s)
            code, first = await ask(api, "GET", TEMPLATES, "limit=4")
            meta = first["metadata"]
            assert (code, meta["remainingItemCount"]) == (200, 36)
            lease = {"metadata": {"name": "node"}}
            leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
            if not idle:
                await ask(api, "POST", leases, "", lease)
            loop = asyncio.get_running_loop()
            started = loop.time()
            query = f"limit=4&continue={meta['continue']}"
            while (answer := await ask(api, "GET", TEMPLATES, query))[0] == 200:
                await asyncio.sleep(POLL_S)
                assert loop.time() - started < TIMEOUT_S
            assert loop.time() - started >= 300
            status = answer[1]
            assert (status["code"], status["reason"]) == (410, "Expired")
            token = status["metadata"]["continue"]
            found, versions = [f"template-{number:04}" for number in range(4)], set()
            while token:
                code, page = await ask(api, "GET", TEMPLATES, f"limit=4&continue={token}")
                assert code == 200
                versions.add(page["metadata"]["resourceVersion"])
                found += [item["metadata"]["name"] for item in page["items"]]
                token = page["metadata"].get("continue", "")
                left = page["metadata"].get("remainingItemCount")
                assert left == (40 - len(found) if token else None)
            assert found == [f"template-{number:04}" for number in range(40)]
            assert len(versions) == 1
            assert meta["resourceVersion"] not in versions

    run(scenario())
