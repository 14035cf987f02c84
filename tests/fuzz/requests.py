"""Requests, odd and malformed ones, from a seeded generator."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

from multidict import CIMultiDict

from fuzz.oddities import Maker, disturb, junk, text
from fuzz.scene import ADMIN, Scene
from fuzz.seeds import name_of, seed_of
from fuzz.writing import PROTOBUF, Writer
from roost.api.kind import Kind
from roost.apiserver.messages import Request

_ACCEPTS = (
    "application/json", PROTOBUF, "application/yaml", "*/*", "text/html", "", ",", ";;", "a/b;q=x",
    "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;q=NaN, */*;q=-1",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    f"{PROTOBUF};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    f"{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=Table;v=v9;g=meta.k8s.io", "application/cbor", "application/*",
    "application/json;stream=watch", f"{PROTOBUF};stream=watch",
    "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io",
)  # fmt: skip
_PATCHES = (
    "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml",
)  # fmt: skip
_OPTIONS = (
    "watch", "limit", "continue", "labelSelector", "fieldSelector", "resourceVersion",
    "resourceVersionMatch", "timeoutSeconds", "allowWatchBookmarks", "sendInitialEvents", "pretty",
    "includeObject", "dryRun", "fieldManager", "fieldValidation", "force", "gracePeriodSeconds",
    "propagationPolicy", "orphanDependents", "command", "container", "stdin", "tailLines", "follow",
    "sinceTime", "sinceSeconds", "limitBytes", "ports", "path",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
)  # fmt: skip
_SETTINGS = (
    "", "true", "false", "1", "0", "-1", "All", "Exact", "NotOlderThan", "Strict", "Warn", "Ignore",
    "Object", "None", "Metadata", "Foreground", "Background", "Orphan", "a=b", "a in (b,c)", "!a",
    "metadata.name=a", "metadata.namespace!=x", "spec.nodeName=", "status.phase=Running", "a==b,,",
    "metadata.name=a,metadata.name=b", "(", "a in (", "9" * 30, "9" * 5000, "x" * 200, "%00",
    "%ff%fe", "%",
    "%zz", "1.5", "\u0661", "+5", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJhXHUwMDAwIn0",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiYSJ9", "e30", "W10", "bnVsbA", "====",
    "eyJ2IjoxLCJydiI6W10sInN0YXJ0Ijp7fX0", "2025-01-01T00:00:00Z",
)  # fmt: skip
_NAMES = ("a", "a", "a", "b", "b", "c.example", "default", "a.example")
_PATHS = (
    "/", "", "//", "/api", "/api/", "/apis", "/apis/apps", "/apis/apps/v1", "/api/v1", "/api/v2/pods",
    "/apis/x/y/z", "/version", "/healthz", "/livez/x", "/readyz?verbose", "/metrics", "/openapi/v2",
    "/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/../..", "/logs", "/debug/pprof",
    "/openid/v1/jwks",
    "/api/v1/watch/pods", "/api/v1/watch/namespaces/default/pods/a", "/api/v1/proxy/nodes/x", "*",
    "/api/v1/namespaces//pods", "/api/v1//pods", "/api/v1/namespaces/default/pods/a/b/c/d",
    "/api/v1/nodes/a:10250/proxy/x/../y", "/api/v1/namespaces/default/services/https:a:http/proxy/",
    "/apis/metrics.k8s.io/v1beta1/nodes", "/api/v1/namespaces/default/finalize", "x", "/\x00",
    "/api/\udcff/x",
)  # fmt: skip


_METHODS = {"create": ("POST", 40), "update": ("PUT", 22), "patch": ("PATCH", 30), "get": ("GET", 4),
            "list": ("GET", 4), "watch": ("GET", 2), "delete": ("DELETE", 3),
            "deletecollection": ("DELETE", 1)}  # fmt: skip


class Requests:
    """An endless row of requests to the server of `scene`, the same for the same seed."""

    def __init__(self, scene: Scene, rng: random.Random) -> None:
        self._rng = rng
        self._writer = Writer(rng)
        self._kinds = scene.kinds
        self._nodes = scene.nodes

    def next(self) -> Request:
        """Return the next request."""
        rng = self._rng
        headers = self._headers()
        if rng.random() < 0.04:
            path = rng.choice(_PATHS)
            method = rng.choice(("GET", "GET", "POST", "OPTIONS", "HEAD", "X"))
            return self._made(method, path, headers)
        kind = rng.choice(self._kinds)
        name = name_of(kind) if rng.random() < 0.8 else rng.choice(_NAMES)
        if rng.random() < 0.02:
            name = text(rng)
        subresource = ""
        if kind.subresources and rng.random() < 0.2:
            subresource = rng.choice(sorted(kind.subresources))
        verb = self._verb(kind, subresource)
        if rng.random() < 0.01:
            subresource = text(rng)
        together = not subresource and (verb == "POST" or rng.random() < 0.1)
        if verb == "DELETE" and kind.plural == "customresourcedefinitions":
            together = False  # one of them is what `widgets` come from, which others are about
        if verb == "POST" and together and rng.random() < 0.6:
            name = "b"
        path = self._path(kind, "" if together else name, subresource)
        body = self._body(kind, name, verb, subresource, headers)
        return self._made(verb, path, headers, body)

    def _made(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes = b""
    ) -> Request:
        return Request(
            method, path, self._query(), headers, body, ADMIN, quote(path, errors="replace")
        )

    def _verb(self, kind: Kind, subresource: str) -> str:
        rng = self._rng
        if rng.random() < 0.02:
            return rng.choice(
                ("GET", "PUT", "PATCH", "POST", "DELETE", "HEAD", "OPTIONS", "FOO", "")
            )
        verbs = kind.subresources[subresource].verbs if subresource else kind.verbs
        likely = [(verb, _METHODS[verb]) for verb in verbs if verb in _METHODS]
        if not likely:
            return "GET"
        weights = [weight for _, (_, weight) in likely]
        return rng.choices([method for _, (method, _) in likely], weights)[0]

    def _headers(self) -> CIMultiDict[str]:
        rng = self._rng
        headers: CIMultiDict[str] = CIMultiDict()
        pick = rng.random()
        if pick < 0.08:
            headers["accept"] = rng.choice(_ACCEPTS)
        elif pick < 0.2:
            headers["accept"] = rng.choice((f"{PROTOBUF}, */*", _ACCEPTS[9], "application/yaml"))
        if rng.random() < 0.02:
            headers["impersonate-user"] = rng.choice(
                (
                    "system:node:a",
                    "x",
                    "",
                    "system:serviceaccount:a",
                    "system:serviceaccount:a:b",
                    text(rng),
                )
            )
            if rng.random() < 0.5:
                headers["impersonate-group"] = text(rng)
            if rng.random() < 0.5:
                headers["impersonate-extra-" + text(rng)] = text(rng)
        if rng.random() < 0.03:
            headers[rng.choice(("user-agent", "audit-id", "upgrade", "connection", "expect",
                                "sec-websocket-protocol", "sec-websocket-key",
                                "x-stream-protocol-version",
                                "if-none-match", "accept-encoding"))] = text(rng)  # fmt: skip
        return headers

    def _path(self, kind: Kind, name: str, subresource: str) -> str:
        rng = self._rng
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        if rng.random() < 0.01:
            root += "/watch"
        if kind.namespaced and rng.random() < 0.97:
            root += f"/namespaces/{'default' if rng.random() < 0.97 else text(rng)}"
        path = f"{root}/{kind.plural}"
        if name:
            path += f"/{name}"
        if subresource:
            path += f"/{subresource}"
        return path + (f"/{text(rng)}" if rng.random() < 0.01 else "")

    def _query(self) -> str:
        rng = self._rng
        if rng.random() < 0.75:
            return ""
        pairs = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            value = rng.choice(_SETTINGS) if rng.random() < 0.9 else quote(text(rng))
            pairs.append(f"{rng.choice(_OPTIONS)}={value}")
        return rng.choice(("&", "&", "&", ";")).join(pairs)

    # -- bodies

    def _object(self, kind: Kind, name: str) -> Any:
        rng = self._rng
        seed = seed_of(kind)
        if seed is not None and rng.random() < 0.7:
            value = seed
            for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
                disturb(rng, value)
        else:
            maker = Maker(rng, rng.choice((0.0, 0.0, 0.003, 0.05)), rng.choice((0.05, 0.2, 0.5)))
            value = maker.value(self._nodes[kind.resource])
        if not isinstance(value, dict):
            return value
        if rng.random() < 0.15:
            fields = self._nodes[kind.resource].resolve().fields
            if "status" in fields:
                value["status"] = Maker(rng, 0.003, 0.3).value(fields["status"], 1)
        value["apiVersion"], value["kind"] = kind.api_version, kind.name
        metadata: Any = {"name": name}
        if rng.random() < 0.15:
            fields = self._nodes[kind.resource].resolve().fields
            if "metadata" in fields:
                made = Maker(rng, 0.01, 0.25).value(fields["metadata"], 1)
                metadata = {**made, **metadata} if isinstance(made, dict) else made
                if isinstance(metadata, dict) and rng.random() < 0.8:
                    for key in ("namespace", "uid", "resourceVersion", "generation"):
                        metadata.pop(key, None)
        value["metadata"] = metadata
        if rng.random() < 0.05:
            disturb(rng, value)
        return value

    def _body(
        self, kind: Kind, name: str, verb: str, subresource: str, headers: CIMultiDict[str]
    ) -> bytes:
        rng = self._rng
        if verb in {"GET", "HEAD"} or (verb == "DELETE" and rng.random() < 0.6):
            return b""
        if verb == "PATCH":
            headers["content-type"] = media = rng.choice(_PATCHES)
            value = self._patch(kind, name, media)
        elif verb == "DELETE":
            value = self._delete_options()
        else:
            value = self._of_subresource(kind, name, subresource)
        return self._writer.written(value, verb, headers)

    def _patch(self, kind: Kind, name: str, media: str) -> Any:
        rng = self._rng
        if media.startswith("application/json-patch"):
            spots = ["/metadata/labels", "/metadata/labels/a", "/metadata/name", "/spec",
            "/spec/replicas", "",
                     "/spec/containers/-", "/spec/containers/0/image", "/spec/containers/1", "/~1/~2",
                     "/metadata/annotations", "spec", "/spec/containers/99999999999999999999",
                     "/spec/ports/-1",
                     "/spec/template/spec/containers/0", "/data/a", "/metadata/finalizers",
                     "/metadata/managedFields"]  # fmt: skip
            ops = [{"op": rng.choice(("add", "remove", "replace", "move", "copy", "test", "x")),
                    "path": rng.choice(spots), "from": rng.choice(spots),
                    "value": junk(rng)} for _ in range(rng.choice((0, 1, 1, 2, 4)))]  # fmt: skip
            if rng.random() < 0.1:
                disturb(rng, ops)
            return ops
        value = self._object(kind, name)
        if isinstance(value, dict) and rng.random() < 0.6:
            kept = rng.sample(sorted(value), rng.randrange(len(value) + 1))
            value = {key: value[key] for key in value if key in kept or "apply" in media}
        if isinstance(value, dict) and rng.random() < 0.3:
            place = value.get("spec") if isinstance(value.get("spec"), dict) else value
            place[rng.choice(("$patch", "$retainKeys", "$setElementOrder/containers",
                              "$deleteFromPrimitiveList/finalizers", "$setElementOrder/ports"))] = (
                rng.choice(("delete", "replace", "merge", [], [{"name": "main"}], ["a"], 5,
                None)))  # fmt: skip
        return value

    def _delete_options(self) -> Any:
        rng = self._rng
        value: Any = {
            "kind": "DeleteOptions",
            "apiVersion": rng.choice(("v1", "meta.k8s.io/v1", "x")),
        }
        if rng.random() < 0.7:
            value["gracePeriodSeconds"] = rng.choice((0, 1, -1, 2**63, "5", None))
        if rng.random() < 0.5:
            value["propagationPolicy"] = rng.choice(("Foreground", "Orphan", "Background", "x", 5))
        if rng.random() < 0.3:
            value["preconditions"] = rng.choice(({"uid": "x"}, {"resourceVersion": "1"}, {}, [], 5))
        if rng.random() < 0.2:
            value["dryRun"] = rng.choice((["All"], [], ["x"], "All", [5]))
        if rng.random() < 0.2:
            disturb(rng, value)
        return value

    def _of_subresource(self, kind: Kind, name: str, subresource: str) -> Any:
        rng, value = self._rng, None
        metadata = {"name": name}
        if subresource == "scale":
            value = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
                     "spec": {"replicas": rng.choice((0, 1, -1, 2**31, "1", None))}}  # fmt: skip
        elif subresource == "eviction":
            value = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": metadata,
                     "deleteOptions": self._delete_options()}  # fmt: skip
        elif subresource == "binding":
            value = {"kind": "Binding", "apiVersion": "v1", "metadata": metadata,
                     "target": {"kind": "Node", "name": rng.choice(("a", "b", ""))}}  # fmt: skip
        elif subresource == "token":
            value = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                     "spec": {"audiences": [text(rng)], "expirationSeconds": rng.choice((600, 0,
                     2**40))}}  # fmt: skip
        if value is None:
            return self._object(kind, name)
        if rng.random() < 0.5:
            disturb(rng, value)
        return value
