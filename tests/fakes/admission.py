"""A server in memory whose webhooks are functions, and whose policies are real."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fakes.apiserver import Everybody
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.clock import LoopClock
from roost.adapters.virtual.ids import SeededIds
from roost.api.kind import Kind
from roost.api.registry import builtin
from roost.api.schema.node import Node
from roost.api.values import Object
from roost.apiserver.admission.chain import Chain
from roost.apiserver.admission.registered import Registered
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.admission.webhooks.port import Caller, CallFailed, Endpoint
from roost.apiserver.attributes import Call, User
from roost.apiserver.customresources import CustomResources
from roost.apiserver.messages import Answer, Request
from roost.apiserver.server import ApiServer
from roost.decisions.meta import stamp
from roost.store.memory import MemoryStore

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MAPS = "/api/v1/namespaces/n/configmaps"
ADMIN = User("admin", ("system:masters",))
Review = Callable[[dict], dict]


class Webhooks:
    """The Caller port over functions by the path of their URL."""

    def __init__(self) -> None:
        self.answers: dict[str, Review] = {}
        self.asked: list[tuple[str, dict]] = []

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        path = endpoint.url.rpartition("/")[2]
        question = json.loads(body)["request"]
        self.asked.append((path, question))
        await asyncio.sleep(0)
        if path not in self.answers:
            raise CallFailed(f'Post "{endpoint.url}?timeout={timeout_s}s": EOF')
        response = {"uid": question["uid"], **self.answers[path](question)}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        return json.dumps({**review, "response": response}).encode()

    def calls(self) -> list[str]:
        return [path for path, _ in self.asked]


class Site:
    """A server, its webhooks, and how to talk to it."""

    def __init__(
        self, api: ApiServer, registered: Registered, webhooks: Webhooks, around: Surroundings
    ) -> None:
        self.api = api
        self.around = around
        self.registered = registered
        self.webhooks = webhooks
        self.warnings: list[str] = []

    async def ask(
        self, method: str, target: str, body: Any = None, user: User = ADMIN, **headers: str
    ) -> tuple[int, Any]:
        """Return code and decoded body; `warnings` are those of the answer."""
        path, _, query = target.partition("?")
        raw = b"" if body is None else json.dumps(body).encode()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        request = Request(method, path, query, named, raw, user, path)
        answer = await self.api.handle(request)
        self.warnings = request.warnings
        if not isinstance(answer, Answer):
            return 0, answer
        is_json = answer.body and answer.content_type == "application/json"
        return answer.code, json.loads(answer.body) if is_json else answer.body

    async def put(self, plural: str, kind: str, name: str, **fields: Any) -> None:
        """Create an object that configures admission, and wait until it acts."""
        body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind}
        body |= {"metadata": {"name": name}, **fields}
        code, answer = await self.ask("POST", f"{ADMISSION}/{plural}", body)
        assert code == 201, answer
        await self.settle()

    async def settle(self) -> None:
        """Wait until what was written last has been taken in."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def hook(self, name: str, answer: Review, *, mutating: bool = False, **more: Any) -> None:
        """Register a webhook for writes of ConfigMaps, with its answer."""
        path = name.partition(".")[0]
        self.webhooks.answers[path] = answer
        webhook = {
            "name": name,
            "clientConfig": {"url": f"https://hook.example/{path}"},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "rules": [rule()],
            **more,
        }
        sort = "mutating" if mutating else "validating"
        kind = f"{sort.title()}WebhookConfiguration"
        await self.put(f"{sort}webhookconfigurations", kind, name, webhooks=[webhook])

    async def policy(
        self, name: str, *validations: dict, binding: dict | None = None, **spec: Any
    ) -> None:
        """Create a ValidatingAdmissionPolicy for ConfigMaps, and bind it."""
        spec.setdefault("matchConstraints", {"resourceRules": [rule()]})
        plural = "validatingadmissionpolicies"
        full = {"validations": list(validations), **spec}
        await self.put(plural, "ValidatingAdmissionPolicy", name, spec=full)
        bound = {"policyName": name, "validationActions": ["Deny"], **(binding or {})}
        plural, kind = "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"
        await self.put(plural, kind, f"{name}-b", spec=bound)

    async def mutator(self, name: str, *mutations: dict, **spec: Any) -> None:
        """Create a MutatingAdmissionPolicy for ConfigMaps, and bind it."""
        spec.setdefault("matchConstraints", {"resourceRules": [rule()]})
        spec.setdefault("reinvocationPolicy", "Never")
        plural = "mutatingadmissionpolicies"
        full = {"mutations": list(mutations), **spec}
        await self.put(plural, "MutatingAdmissionPolicy", name, spec=full)
        plural, kind = "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding"
        await self.put(plural, kind, f"{name}-b", spec={"policyName": name})

    async def create(self, name: str = "c", query: str = "", **fields: Any) -> tuple[int, Any]:
        """Create a ConfigMap."""
        metadata = {"name": name, **fields.pop("metadata", {})}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}
        return await self.ask("POST", MAPS + query, body)


def rule(*operations: str, resources: tuple[str, ...] = ("configmaps",), **more: Any) -> dict:
    """Return a rule for resources of the core group."""
    return {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": list(resources),
        "operations": list(operations or ("*",)),
        **more,
    }


def patch(*operations: dict) -> dict:
    """Return the response that allows and patches."""
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


def allow(_question: dict) -> dict:
    return {"allowed": True}


async def _echo(call: Call) -> Object:
    """Answer a question with itself."""
    return call.body


@asynccontextmanager
async def site_of(caller: Caller | None = None) -> AsyncIterator[Site]:
    """Run a server with nothing but the users' own admission."""
    store, registry, ids = MemoryStore(), builtin(), SeededIds()
    webhooks = Webhooks()
    clock, authorizer = LoopClock(), Everybody(refused="nobody")

    def node(kind: Kind) -> Node:
        return api.core.node(kind)

    around = Surroundings(registry, ids, authorizer, node, lambda: stamp(clock.now()))
    registered = Registered(around, caller or webhooks)
    api = ApiServer(
        store, registry, clock, SeededChance(), ids,
        authorizer=authorizer, admission=[Chain(registered.plugins())],
        handlers={("authentication.k8s.io", "selfsubjectreviews", ""): _echo},
    )  # fmt: skip
    CustomResources(api)
    tasks = [asyncio.create_task(api.run()), asyncio.create_task(registered.run(store))]
    try:
        await api.ready()
        await registered.ready()
        site = Site(api, registered, webhooks, around)
        body = {"apiVersion": "v1", "kind": "Namespace"}
        body |= {"metadata": {"name": "n", "labels": {"team": "x"}}}
        assert (await site.ask("POST", "/api/v1/namespaces", body))[0] == 201
        yield site
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
