"""Bodies as bytes: in every format, and then damaged."""

from __future__ import annotations

import json
import random
from typing import Any

import yaml
from multidict import CIMultiDict

from fuzz.oddities import junk
from roost.api.protobuf import objects

PROTOBUF = "application/vnd.kubernetes.protobuf"
CONTENTS = (
    "application/json", PROTOBUF, "application/yaml", "text/plain", "", "application/json; charset=x",
    "application/json-patch+json", "application/merge-patch+json", "application/cbor", ";", "\u00ff",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml",
    "application/apply-patch+cbor", "application/cbor-seq",
)  # fmt: skip


class Writer:
    """Writes values as bodies and sets their content type."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def written(self, value: Any, verb: str, headers: CIMultiDict[str]) -> bytes:
        rng = self._rng
        if rng.random() < 0.02:
            value = junk(rng)
        raw = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        pick = rng.random()
        if verb != "PATCH" and pick < 0.12:
            headers["content-type"] = PROTOBUF
            return self._mangled(self._protobuf(value, raw), 0.5)
        if (verb != "PATCH" and pick < 0.2) or (
            verb == "PATCH" and "yaml" in headers["content-type"]
        ):
            if verb != "PATCH":
                headers["content-type"] = "application/yaml"
            if rng.random() < 0.3:
                return self._yaml(raw)
            return self._mangled(raw, 0.1)
        if pick < 0.24:
            headers["content-type"] = rng.choice(CONTENTS)
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
            b"&a [*a]", b"a: &x {b: *x}", b"? {a: b}\n: c", b"!!python/object:os.system x",
            b"--- \n---\n",
            b"\t", b"a: b: c", b"<<: {a: b}\nkind: Pod", b"1: 2\ntrue: x\nnull: y", b"a: .nan\nb: .inf",
            b"a: 0o17\nb: 0x1f\nc: 1_000\nd: 190:20:30\ne: 2001-01-01", b"%YAML 9.9\n---\na",
            b"a: |\n  \xff",
            b"[" * 5000, b"{" * 5000, b"- " * 5000, b"a: !!binary x", b"!!set {a}", b"? a\n? b",
            b"a: !!int x",
            b"\xff\xfea\x00", b"!!timestamp 2001-99-99", b"a: 2001-99-99", b"!!int ''",
            b"!!float x", b"'\\", b"\x00",
            b"&a", b"*a", b"!", b"a: 9999-99-99T99:99:99Z", b"=: =", b"[a, b]: c",
            b"a: &a\n" + b"".join(b"a%d: &a%d [%s]\n" % (n, n,
            b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)),
        ))  # fmt: skip

    def _spoiled(self, raw: bytes) -> bytes:
        rng, pick = self._rng, self._rng.random()
        if pick < 0.92:
            return raw
        deep = rng.choice((50, 500, 5000, 100000))
        return rng.choice((
            raw.replace(b'"', b"'"), raw.replace(b"1", b"NaN"), raw.replace(b"1", b"-Infinity"),
            raw.replace(b"80", b"8" * 5000), raw[:-1] + b',"kind":"X","metadata":{},"spec":{}}',
            raw.replace(b"{", b'{"a":1,"a":2,', 3), raw.replace(b"a", b"\xff"), raw.replace(b"a",
            b"\\ud800"),
            raw.replace(b"a", b"\xed\xa0\x80"), raw + b"x", b"\xef\xbb\xbf" + raw, b"[" * deep,
            b'{"a":' * deep,
            b"[" * deep + b"]" * deep, b'{"spec":' * deep + b"1" + b"}" * deep, b"", b" ",
            b"null", b"\x00",
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
