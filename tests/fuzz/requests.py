"""Requests, odd and malformed ones, from a seeded generator."""

from __future__ import annotations

import copy
import json
import random
from typing import Any
from urllib.parse import quote

import yaml
from multidict import CIMultiDict

from fuzz.oddities import Maker, disturb, junk, text
from fuzz.scene import ADMIN
from fuzz.seeds import SEEDS
from roost.api.kind import Kind
from roost.api.protobuf import objects
from roost.apiserver.messages import Request
from roost.apiserver.server import ApiServer

_PROTOBUF = "application/vnd.kubernetes.protobuf"
_ACCEPTS = (
    "application/json", _PROTOBUF, "application/yaml", "*/*", "text/html", "", ",", ";;", "a/b;q=x",
    "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;q=NaN, */*;q=-1",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    f"{_PROTOBUF};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    f"{_PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=Table;v=v9;g=meta.k8s.io", "application/cbor", "application/*",
    "application/json;stream=watch", f"{_PROTOBUF};stream=watch", "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io",
)  # fmt: skip
_CONTENTS = (
    "application/json", _PROTOBUF, "application/yaml", "text/plain", "", "application/json; charset=x",
    "application/json-patch+json", "application/merge-patch+json", "application/cbor", ";", "\u00ff",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml",
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
    "sinceTime", "sinceSeconds", "limitBytes", "ports", "path", "ignoreStoreReadErrorWithClusterBreakingPotential",
)  # fmt: skip
_SETTINGS = (
    "", "true", "false", "1", "0", "-1", "All", "Exact", "NotOlderThan", "Strict", "Warn", "Ignore",
    "Object", "None", "Metadata", "Foreground", "Background", "Orphan", "a=b", "a in (b,c)", "!a",
    "metadata.name=a", "metadata.namespace!=x", "spec.nodeName=", "status.phase=Running", "a==b,,",
    "metadata.name=a,metadata.name=b", "(", "a in (", "9" * 30, "9" * 5000, "x" * 200, "%00", "%ff%fe", "%",
    "%zz", "1.5", "١", "+5", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJhXHUwMDAwIn0",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiYSJ9", "e30", "W10", "bnVsbA", "====",
    "eyJ2IjoxLCJydiI6W10sInN0YXJ0Ijp7fX0", "2025-01-01T00:00:00Z",
)  # fmt: skip
_NAMES = ("a", "a", "a", "b", "b", "c.example", "default", "a.example")
_PATHS = (
    "/", "", "//", "/api", "/api/", "/apis", "/apis/apps", "/apis/apps/v1", "/api/v1", "/api/v2/pods",
    "/apis/x/y/z", "/version", "/healthz", "/livez/x", "/readyz?verbose", "/metrics", "/openapi/v2",
    "/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/../..", "/logs", "/debug/pprof", "/openid/v1/jwks",
    "/api/v1/watch/pods", "/api/v1/watch/namespaces/default/pods/a", "/api/v1/proxy/nodes/x", "*",
    "/api/v1/namespaces//pods", "/api/v1//pods", "/api/v1/namespaces/default/pods/a/b/c/d",
    "/api/v1/nodes/a:10250/proxy/x/../y", "/api/v1/namespaces/default/services/https:a:http/proxy/",
    "/apis/metrics.k8s.io/v1beta1/nodes", "/api/v1/namespaces/default/finalize", "x", "/\x00", "/api/\udcff/x",
)  # fmt: skip


class Requests:
    """An endless row of requests to `api`, the same for the same seed."""

    def __init__(self, api: ApiServer, seed: int) -> None:
        self._rng = random.Random(seed)
        self._api = api
        self._kinds = sorted(
            api.registry.kinds(), key=lambda kind: (kind.group, kind.version, kind.plural)
        )
        self._seeded = [kind for kind in self._kinds if (kind.group, kind.plural) in SEEDS]

    def next(self) -> Request:
        """Return the next request."""
        rng = self._rng
        headers: CIMultiDict[str] = CIMultiDict()
        if rng.random() < 0.5:
            headers["accept"] = rng.choice(_ACCEPTS)
        if rng.random() < 0.03:
            headers["impersonate-user"] = rng.choice(
                ("system:node:a", "x", "", "system:serviceaccount:a")
            )
        if rng.random() < 0.05:
            headers["user-agent"] = text(rng)
        if rng.random() < 0.02:
            headers["audit-id"] = text(rng)
        if rng.random() < 0.05:
            path, method = (
                rng.choice(_PATHS),
                rng.choice(("GET", "GET", "POST", "OPTIONS", "HEAD", "X")),
            )
            return Request(
                method,
                path,
                self._query(),
                headers,
                user=ADMIN,
                raw_path=quote(path, errors="replace"),
            )
        kind = rng.choice(self._seeded if rng.random() < 0.6 else self._kinds)
        name = rng.choice(_NAMES) if rng.random() < 0.95 else text(rng)
        subresource = ""
        if kind.subresources and rng.random() < 0.2:
            subresource = rng.choice(sorted(kind.subresources))
        elif rng.random() < 0.01:
            subresource = text(rng)
        pick = rng.random()
        if subresource:
            verb = rng.choice(("GET", "PUT", "PATCH", "POST", "PUT", "PATCH"))
        else:
            verb = ("POST" if pick < 0.45 else "PUT" if pick < 0.58 else "PATCH" if pick < 0.78 else
                    "GET" if pick < 0.92 else "DELETE" if pick < 0.99 else rng.choice(("HEAD", "OPTIONS", "FOO", "")))  # fmt: skip
        collection = not subresource and (verb == "POST" or rng.random() < 0.15)
        path = self._path(kind, "" if collection else name, subresource)
        body = self._body(kind, name, verb, subresource, headers)
        return Request(
            verb, path, self._query(), headers, body, ADMIN, quote(path, errors="replace")
        )

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
        if rng.random() < 0.6:
            return ""
        pairs = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            value = rng.choice(_SETTINGS) if rng.random() < 0.9 else quote(text(rng))
            pairs.append(f"{rng.choice(_OPTIONS)}={value}")
        return rng.choice(("&", "&", "&", ";")).join(pairs)

    # -- bodies

    def _object(self, kind: Kind, name: str) -> Any:
        rng = self._rng
        seed = SEEDS.get((kind.group, kind.plural))
        if seed is not None and rng.random() < 0.7:
            value = copy.deepcopy(seed)
            for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
                disturb(rng, value)
        else:
            maker = Maker(rng, rng.choice((0.0, 0.0, 0.003, 0.05)), rng.choice((0.05, 0.2, 0.5)))
            value = maker.value(self._api.core.node(kind))
        if not isinstance(value, dict):
            return value
        if rng.random() < 0.15:
            fields = self._api.core.node(kind).resolve().fields
            if "status" in fields:
                value["status"] = Maker(rng, 0.003, 0.3).value(fields["status"], 1)
        value["apiVersion"], value["kind"] = kind.api_version, kind.name
        metadata: Any = {"name": name}
        if rng.random() < 0.15:
            fields = self._api.core.node(kind).resolve().fields
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
        return self._written(value, verb, headers)

    def _patch(self, kind: Kind, name: str, media: str) -> Any:
        rng = self._rng
        if media.startswith("application/json-patch"):
            spots = ["/metadata/labels", "/metadata/labels/a", "/metadata/name", "/spec", "/spec/replicas", "",
                     "/spec/containers/-", "/spec/containers/0/image", "/spec/containers/1", "/~1/~2",
                     "/metadata/annotations", "spec", "/spec/containers/99999999999999999999", "/spec/ports/-1",
                     "/spec/template/spec/containers/0", "/data/a", "/metadata/finalizers", "/metadata/managedFields"]  # fmt: skip
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
                rng.choice(("delete", "replace", "merge", [], [{"name": "main"}], ["a"], 5, None)))  # fmt: skip
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
                     "spec": {"audiences": [text(rng)], "expirationSeconds": rng.choice((600, 0, 2**40))}}  # fmt: skip
        if value is None:
            return self._object(kind, name)
        if rng.random() < 0.5:
            disturb(rng, value)
        return value

    def _written(self, value: Any, verb: str, headers: CIMultiDict[str]) -> bytes:
        rng = self._rng
        if rng.random() < 0.02:
            value = junk(rng)
        raw = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        pick = rng.random()
        if verb != "PATCH" and pick < 0.12:
            headers["content-type"] = _PROTOBUF
            return self._mangled(self._protobuf(value, raw), 0.5)
        if (
            verb != "PATCH"
            and pick < 0.2
            or (verb == "PATCH" and "yaml" in headers["content-type"])
        ):
            if verb != "PATCH":
                headers["content-type"] = "application/yaml"
            if rng.random() < 0.3:
                return self._yaml(raw)
            return self._mangled(raw, 0.1)
        if pick < 0.24:
            headers["content-type"] = rng.choice(_CONTENTS)
        elif verb != "PATCH" and pick < 0.9:
            headers["content-type"] = "application/json"
        return self._mangled(self._spoiled(raw), 0.04)

    def _protobuf(self, value: Any, raw: bytes) -> bytes:
        try:
            # Only what decodes by its schema can be written at all; the rest is sent as it is.
            return objects.encode(value)
        except Exception:  # noqa: BLE001 - any value is tried
            return b"k8s\x00" + raw

    def _yaml(self, raw: bytes) -> bytes:
        rng = self._rng
        pick = rng.random()
        if pick < 0.4:
            try:
                return yaml.safe_dump(json.loads(raw)).encode("utf-8", "replace")
            except (yaml.YAMLError, ValueError):
                return raw
        return rng.choice((
            b"a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n",
            b"&a [*a]", b"a: &x {b: *x}", b"? {a: b}\n: c", b"!!python/object:os.system x", b"--- \n---\n",
            b"\t", b"a: b: c", b"<<: {a: b}\nkind: Pod", b"1: 2\ntrue: x\nnull: y", b"a: .nan\nb: .inf",
            b"a: 0o17\nb: 0x1f\nc: 1_000\nd: 190:20:30\ne: 2001-01-01", b"%YAML 9.9\n---\na", b"a: |\n  \xff",
            b"[" * 5000, b"{" * 5000, b"- " * 5000, b"a: !!binary x", b"!!set {a}", b"? a\n? b", b"a: !!int x",
            b"\xff\xfea\x00", b"!!timestamp 2001-99-99", b"a: 2001-99-99", b"!!int ''", b"!!float x", b"'\\", b"\x00",
            b"&a", b"*a", b"!", b"a: 9999-99-99T99:99:99Z", b"=: =", b"[a, b]: c",
            b"a: &a\n" + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)),
        ))  # fmt: skip

    def _spoiled(self, raw: bytes) -> bytes:
        rng, pick = self._rng, self._rng.random()
        if pick < 0.92:
            return raw
        deep = rng.choice((50, 500, 5000, 100000))
        return rng.choice((
            raw.replace(b'"', b"'"), raw.replace(b"1", b"NaN"), raw.replace(b"1", b"-Infinity"),
            raw.replace(b"80", b"8" * 5000), raw[:-1] + b',"kind":"X","metadata":{},"spec":{}}',
            raw.replace(b"{", b'{"a":1,"a":2,', 3), raw.replace(b"a", b"\xff"), raw.replace(b"a", b"\\ud800"),
            raw.replace(b"a", b"\xed\xa0\x80"), raw + b"x", b"\xef\xbb\xbf" + raw, b"[" * deep, b'{"a":' * deep,
            b"[" * deep + b"]" * deep, b'{"spec":' * deep + b"1" + b"}" * deep, b"", b" ", b"null", b"\x00",
            raw.replace(b"}", b',"deep":' + b'{"a":' * 3000 + b"1" + b"}" * 3001, 1), b"1e999999", b"-",
            raw.replace(b'"name"', b'"Name"'), raw.decode("utf-8", "replace").encode("utf-16"),
            b"k8s\x00" + raw, b"9" * 100000, b'"' + b"x" * 100000,
        ))  # fmt: skip

    def _mangled(self, raw: bytes, likely: float) -> bytes:
        rng = self._rng
        if not raw or rng.random() >= likely:
            return raw
        changed = bytearray(raw)
        pick = rng.random()
        if pick < 0.3:
            return raw[: rng.randrange(len(raw))]
        for _ in range(rng.choice((1, 1, 3, 10))):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        if pick < 0.5:
            at = rng.randrange(len(changed))
            changed[at:at] = rng.randbytes(rng.randrange(1, 20))
        return bytes(changed)


__all__ = ["Requests"]
