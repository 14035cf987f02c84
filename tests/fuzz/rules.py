"""What must hold for every answer, whatever was asked, and for everything that is stored.

An answer of 5xx is a bug, but for the few in FAULTS: there something fails that the server relies on.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

from fuzz.scene import Scene, collection, item
from roost.api.crd.decoding import decode_custom
from roost.api.protobuf import objects
from roost.api.schema.decode import decode
from roost.apiserver import keys
from roost.apiserver.core import is_custom, shown
from roost.apiserver.messages import Answer, Request, Response, WatchAnswer
from roost.store.port import Record

_PROTOBUF = "application/vnd.kubernetes.protobuf"
_YAML = "application/yaml"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

#: Whole messages of 5xx that are right, each with its reason.
FAULTS: dict[int, tuple[re.Pattern[str], ...]] = {
    500: (
        # A webhook whose failure its author wants to be a refusal: the contract of failurePolicy Fail.
        re.compile(r'Internal error occurred: failed calling webhook "[^"]*": .*', re.DOTALL),
        # Nobody converts what is stored, so nobody can show it: the contract of webhook conversion.
        re.compile(r"conversion webhook for .* failed: nobody is there", re.DOTALL),
        # No address or port is left, or no ServiceCIDR is ready: the original says so with a 500.
        re.compile(r"Internal error occurred: failed to allocate a (serviceIP|nodePort): range is full"),
        # The documented answer to an eviction with a budget too many: no request can do better.
        re.compile(r"This pod has more than one PodDisruptionBudget, which the eviction subresource "
                   r"does not support\."),
    ),
    503: (
        # Proxied to where nothing is.
        re.compile(r'no endpoints available for service ".*"', re.DOTALL),
        re.compile(r'no service port .* found for service ".*"', re.DOTALL),
        re.compile(r"no preferred addresses found; known addresses: \[\] of node .*", re.DOTALL),
    ),
    504: (
        # From a future that this server may still learn of: the contract of resourceVersion.
        re.compile(r"Timeout: Too large resource version: [0-9]+, current: [0-9]+"),
    ),
}  # fmt: skip


class Broken(Exception):
    """A rule does not hold; the text says which."""


def is_right_fault(code: int, message: str) -> bool:
    """May the server answer so?"""
    return any(rule.fullmatch(message) for rule in FAULTS.get(code, ()))


def check_answer(answer: Response) -> int:
    """Return the code of an answer that keeps the rules; raises Broken."""
    if isinstance(answer, WatchAnswer):
        return 200
    if not isinstance(answer, Answer):
        return 299  # to be proxied
    body = answer.whole()
    for name, value in answer.headers:
        if "\n" in value or "\r" in value or "\n" in name:
            raise Broken(f"header {name} has a line break")
    if b"\n" in answer.head.replace(b"\r\n", b"") or b"\r\n\r\n" in answer.head:
        raise Broken("head can be split")
    if answer.code >= 400:
        message = _failure(answer, body)
        if answer.code >= 500 and not is_right_fault(answer.code, message):
            raise Broken(f"{answer.code}: {message[:300]}")
    elif answer.content_type == "application/json" and body:
        msgspec.json.decode(body)
    return answer.code


def _failure(answer: Answer, body: bytes) -> str:
    """Return the message of a Status, or a plain text; raises Broken."""
    if answer.content_type.startswith("text/plain") or not body:
        return body.decode()
    if answer.content_type == _PROTOBUF:
        _, kind, status = objects.decode(body)
    else:
        is_yaml = answer.content_type == _YAML
        status = yaml.load(body, yaml.CSafeLoader) if is_yaml else msgspec.json.decode(body)
        kind = status.get("kind")
    if kind != "Status" or status.get("status") != "Failure" or status.get("code") != answer.code:
        raise Broken(f"{answer.code} without a Status: {body[:200]!r}")
    message = status.get("message")
    if not isinstance(message, str):
        raise Broken(f"Status without a message: {body[:200]!r}")
    return message


async def check_stored(scene: Scene, record: Record) -> None:
    """What is stored is good: it decodes without complaint, in every version and every form, and
    can be written back as it is. Raises Broken."""
    metadata = record.object["metadata"]
    for kind in scene.api.registry.kinds():
        if keys.prefix_of(kind) != keys.topic_of(record.key) or "get" not in kind.verbs:
            continue
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        if keys.key_of(kind, namespace, name) != record.key:
            raise Broken(f"{record.key} holds {namespace}/{name}")
        try:
            node = scene.api.core.node(kind)
        except KeyError:
            continue  # its definition is being deleted
        value = shown(kind, record)
        if is_custom(kind):
            _, complaints = decode_custom(kind, node, value, "Warn")
        else:
            _, complaints = decode(node, value)
        if complaints:
            raise Broken(f"stored with {complaints[:3]}")
        # What is an Event of one group need not be one of the other, that asks for more.
        writable = "update" in kind.verbs and kind.storage_group is None
        if is_custom(kind):  # each version of a definition has rules of its own
            writable = writable and _writers(value) <= {kind.api_version}
        await _check_forms(scene, item(kind, name, namespace), record.revision, writable=writable)


def _writers(value: Any) -> set[str]:
    """Return the versions in which an object was written."""
    return {entry["apiVersion"] for entry in value["metadata"].get("managedFields") or ()}


async def _check_forms(scene: Scene, path: str, revision: int, *, writable: bool) -> None:
    plain = await scene.ask("GET", path)
    if plain.code != 200:
        raise Broken(f"GET {path}: {plain.code} {plain.whole()[:300]!r}")
    # Each form costs as much as a request: by turns, and the revision says whose turn it is.
    forms = (_TABLE, f"{_PROTOBUF},*/*") if revision % 8 else (_YAML,)
    for accept in forms:
        form = await scene.ask("GET", path, accept=accept)
        if form.code != 200:
            raise Broken(f"GET {path} as {accept}: {form.code} {form.whole()[:300]!r}")
        if form.content_type == _PROTOBUF:
            objects.decode(form.whole())
    if not writable:
        return
    value: Any = msgspec.json.decode(plain.whole())
    again = await scene.ask("PUT", path, value, "dryRun=All&fieldValidation=Strict")
    fault = again.code >= 500 and not is_right_fault(again.code, _failure(again, again.whole()))
    if fault or again.code in {400, 422}:
        raise Broken(f"PUT {path} as it is: {again.code} {again.whole()[:600]!r}")


async def check_lists(scene: Scene) -> None:
    """Every kind can be listed, also as a table and in protobuf. Raises Broken."""
    for kind in list(scene.api.registry.kinds()):
        if "list" not in kind.verbs:
            continue
        path = collection(kind)
        for accept in ("application/json", _TABLE, f"{_PROTOBUF},*/*"):
            answer = await scene.ask("GET", path, accept=accept)
            if answer.code != 200:
                raise Broken(f"GET {path} as {accept}: {answer.code} {answer.whole()[:300]!r}")


def described(request: Request) -> str:
    """Return a request as a call of curl that may be tried again."""
    headers = " ".join(f"-H {f'{name}: {value}'!r}" for name, value in request.headers.items())
    query = f"?{request.query}" if request.query else ""
    body = request.body if len(request.body) < 4000 else request.body[:4000] + b"..."
    return (
        f"curl -X {request.method} {headers} '$URL{request.raw_path}{query}' --data-binary {body!r}"
    )
