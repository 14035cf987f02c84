"""Values as attackers and clumsy clients send them: by the schema of a kind, or against it."""

from __future__ import annotations

import random
from typing import Any

from roost.api.schema.node import Node

TEXTS = (
    "", " ", "a", "main", "default", "x" * 70, "y" * 300, "z" * 5000, "UPPER", "-a", "a-", "a.b", "a/b",
    "..", ".", "../../etc/passwd", "\x00", "\n", "\u202e", "ß", "ﬀ", "\U0001f600", "é" * 64, "%",
    "%s%n",
    "{{.}}", "$(VAR)", "$$(VAR)", "NaN", "Infinity", "-0", "1e400", "1", "0", "-1", "100%", "101%",
    "50%", "٣", "0x10", "1_000", "100m", "1Gi", "1.5Gi", "1e3", "1E", "1n", "0.1n", "9" * 400, "1e9999",
    "1e-9999", "9223372036854775808", "-9223372036854775809Ei", "2025-01-01T00:00:00Z",
    "2025-01-01T00:00:00.000001Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59+23:59",
    "2025-02-30T00:00:00Z", "* * * * *", "*/0 * * * *", "@every 1s", "60 24 32 13 8",
    "0-59/7 * * * *", "²", "5²", "9" * 5000, "1e" + "9" * 30, "0." + "3" * 300, "1-2-3", "a,,b", "{.x}",
    ".spec.replicas", "$.a", "..a", "a[", "@every 1h", "%.99999999f",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "TZ=UTC * * * * *", "0 0 31 2 *", "10.96.0.1", "10.0.0.0/8", "::1", "::ffff:1.2.3.4",
    "fe80::1%eth0",
    "256.1.1.1", "010.1.1.1", "2001:db8::/129", "https://a.example/x", "http://[::1", "nginx:latest",
    "a@sha256:" + "0" * 64, "kubernetes.io/x", "a/b/c", "example.com/" + "q" * 70, "a in (b,c)",
    "a=b,c!=d", "!a", "a notin ()", "((((", "(a+)+$", "[", "^(a|a)*$", "self.x > 1",
    "object.spec.replicas <= 5", "self.all(x, x.all(y, y == x))", "1/0", "'a'.matches('(a+)+b')",
    "has(", "request.userInfo.username", "Always", "Never", "IfNotPresent", "ClusterIP", "None",
    "NodePort", "ExternalName", "LoadBalancer", "TCP", "UDP", "SCTP", "http", "Exists", "In", "NotIn",
    "Gt", "NoSchedule", "NoExecute", "RollingUpdate", "Recreate", "OnDelete", "Delete", "Retain",
    "ReadWriteOnce", "Filesystem", "Immediate", "WaitForFirstConsumer", "Namespaced", "Cluster",
    "Fail", "Ignore", "Deny", "CREATE", "*", "v1", "apps/v1", "Pod", "pods",
    "kubernetes.io/metadata.name",
    "Opaque", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson", "e30=", "====", "IPv4", "IPv6",
    "SingleStack", "PreferDualStack", "RequireDualStack", "Utilization", "Resource", "True",
    "Foreground",
    "Orphan", "Localhost", "RuntimeDefault", "spec.nodeName", "metadata.labels['a']", "limits.cpu",
    "foregroundDeletion", "orphan", "kubernetes.io/arch", "hugepages-2Mi", "pods/status",
)  # fmt: skip
#: Texts on which a careless pattern, parser or sum takes very long.
HOSTILE = (
    "a" * 100_000 + "!", "a." * 30_000 + "!", "-" * 60_000, " " * 100_000, "(" * 50_000, "[" * 50_000,
    "-----BEGIN A-----\n" * 5_000, "a=b," * 20_000, "0" * 60_000, "1" * 60_000, "1e" * 20_000,
    "\\" * 50_000,
    ".spec" * 20_000, ".a[?(@.b==" + " " * 20_000, "!" * 50_000, "a-" * 40_000 + ".", "self." * 10_000,
    "(" * 5_000 + "1" + ")" * 5_000, "[1].map(x, " * 50 + "1" + ")" * 50, "size(" * 500,
    "1+" * 20_000 + "1",
    "/" * 50_000, "::" * 20_000, "1," * 30_000, "* " * 20_000, "a@" * 20_000, "e30=" * 30_000,
    "\u00e9" * 50_000,
    "(a+)+$", "$(" * 30_000, "%" * 50_000, "{" * 30_000, "a:" * 30_000, "T" * 50_000, "1h" * 20_000,
    "x in (" + "a," * 20_000 + ")", "1-" * 20_000, "&amp" * 10_000, "\n" * 50_000, "9" * 5_000 + "Gi",
)  # fmt: skip
NUMBERS = (
    0, 1, 2, 3, 80, -1, 65535, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63,
    -(2**63) - 1, 2**64, 10**40, 10**400, 0.5, -0.0, 1.0, 1e308, 5e-324, 1e18, 8080, 443, 30000,
)  # fmt: skip


def text(rng: random.Random) -> str:
    """Return a text, mostly one with a meaning somewhere."""
    pick = rng.random()
    if pick < 0.003:
        return rng.choice(HOSTILE)
    if pick < 0.06:
        return "".join(chr(rng.choice((rng.randrange(1, 127), rng.randrange(0x80, 0xD7FF))))
                       for _ in range(rng.randrange(1, 30)))  # fmt: skip
    return rng.choice(TEXTS)


def junk(rng: random.Random, depth: int = 0) -> Any:
    """Return any JSON value."""
    pick = rng.random()
    if depth < 4 and pick < 0.15:
        return [junk(rng, depth + 1) for _ in range(rng.randrange(4))]
    if depth < 4 and pick < 0.3:
        return {text(rng): junk(rng, depth + 1) for _ in range(rng.randrange(4))}
    if pick < 0.6:
        return text(rng)
    if pick < 0.85:
        return rng.choice(NUMBERS)
    return rng.choice((None, True, False))


class Maker:
    """Makes values of schema nodes. `wrong` is how likely a field has a value of another type."""

    def __init__(self, rng: random.Random, wrong: float, fill: float) -> None:
        self._rng = rng
        self._wrong = wrong
        self._fill = fill
        self._left = 250  # fields that may still be made

    def value(self, node: Node, depth: int = 0, name: str = "") -> Any:
        rng, node = self._rng, node.resolve()
        self._left -= 1
        if rng.random() < self._wrong:
            return junk(rng)
        if node.int_or_string:
            return rng.choice((rng.choice(NUMBERS), text(rng), 80, "25%"))
        if node.quantity:
            return rng.choice(("1", "100m", "1Gi", 1, 0, "0", text(rng)))
        if node.time:
            return rng.choice(("2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000000Z", text(rng)))
        kind = node.type
        if node.fields or kind == "object" or node.values is not None:
            return self._object(node, depth)
        if kind == "array" and node.items is not None:
            if depth > 9 or self._left < 0:
                return []
            return [self.value(node.items, depth + 1) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        if kind == "string":
            return self._string(node, name)
        if kind in {"integer", "number"}:
            return rng.choice((0, 1, 2, 10, 80, 8080, rng.choice(NUMBERS)))
        if kind == "boolean":
            return rng.random() < 0.5
        return junk(rng)

    def _string(self, node: Node, name: str) -> str:
        rng = self._rng
        listed = node.rules.get("enum")
        if listed and rng.random() < 0.8:
            return rng.choice(listed)
        if name == "name" and rng.random() < 0.7:
            return rng.choice(("a", "b", "main", "default"))
        return text(rng)

    def _object(self, node: Node, depth: int) -> Any:
        rng = self._rng
        found: dict[str, Any] = {}
        if node.values is not None:
            for _ in range(rng.choice((0, 1, 2))):
                found[text(rng)] = self.value(node.values, depth + 1)
            return found
        if depth > 9 or self._left < 0:
            return found
        for name, child in node.fields.items():
            if name in {"metadata", "status", "apiVersion", "kind"} and depth == 0:
                continue
            if name in node.required or rng.random() < self._fill:
                found[name] = self.value(child, depth + 1, name)
        if rng.random() < self._wrong:
            found[text(rng)] = junk(rng)
        return found


def places(value: Any, found: list[tuple[Any, Any]] | None = None) -> list[tuple[Any, Any]]:
    """Return every (container, key) in a JSON value."""
    found = [] if found is None else found
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, item in pairs:
        found.append((value, key))
        places(item, found)
    return found


def disturb(rng: random.Random, value: Any) -> None:
    """Change one place of a JSON value, in place."""
    spots = places(value)
    if not spots:
        return
    container, key = rng.choice(spots)
    pick = rng.random()
    if pick < 0.6:
        container[key] = junk(rng)
    elif pick < 0.75:
        del container[key]
    elif isinstance(container, list):
        container.append(container[key])
    else:
        container[text(rng)] = container[key]
