"""test/e2e/apimachinery/crd_publish_openapi.go."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import crdfixture as fixture
from bare_server import surroundings
from conformance_names import unique
from goclient import JSON_PATCH, GoClient, poll

pytestmark = pytest.mark.slow
LEVEL = "privileged"
Object = dict[str, Any]

TEXT: Object = {"type": "string"}


def described(description: str, of: Object) -> Object:
    return {"description": description, **of}


def fields(**properties: Object) -> Object:
    return {"type": "object", "properties": properties}


def items(of: Object) -> Object:
    return {"type": "array", "items": of}


FOO = described(
    "Foo CRD for Testing",
    fields(
        spec=described(
            "Specification of Foo",
            fields(
                bars=described(
                    "List of Bars and their specs.",
                    items(
                        {
                            **fields(
                                name=described("Name of Bar.", TEXT),
                                age=described("Age of Bar.", TEXT),
                                feeling=described(
                                    "Whether Bar is feeling great.",
                                    {**TEXT, "enum": ["Great", "Down"]},
                                ),
                                bazs=described("List of Bazs.", items(TEXT)),
                            ),
                            "required": ["name"],
                        }
                    ),
                )
            ),
        ),
        status=described(
            "Status of Foo",
            fields(
                bars=described(
                    "List of Bars and their statuses.",
                    items(
                        fields(
                            name=described("Name of Bar.", TEXT),
                            available=described(
                                "Whether the Bar is installed.", {"type": "boolean"}
                            ),
                            quxType=described(
                                "Indicates to external qux type.",
                                {**TEXT, "pattern": "in-tree|out-of-tree"},
                            ),
                        )
                    ),
                )
            ),
        ),
    ),
)
WALDO_SPEC = described(
    "Specification of Waldo", fields(dummy=described("Dummy property.", {"type": "object"}))
)
WALDO_STATUS = described(
    "Status of Waldo",
    fields(bars=described("List of Bars and their statuses.", items({"type": "object"}))),
)
WALDO = described("Waldo CRD for Testing", fields(spec=WALDO_SPEC, status=WALDO_STATUS))
KEEP = {"x-kubernetes-preserve-unknown-fields": True}
AT_ROOT = {
    **described(
        "preserve-unknown-properties at root for Testing",
        fields(spec=WALDO_SPEC, status=WALDO_STATUS),
    ),
    **KEEP,
}
NESTED = described(
    "preserve-unknown-properties in nested field for Testing",
    fields(spec={**WALDO_SPEC, **KEEP}, status=WALDO_STATUS),
)


class Spec:
    """/openapi/v2 as the tests fetch it: a new connection each time, gzip, and the last ETag."""

    def __init__(self, api: GoClient) -> None:
        self._api = api
        self._tag = ""
        self._definitions: dict[str, Object] = {}

    def definitions(self) -> dict[str, Object]:
        headers = {"accept_encoding": "gzip", "connection": "close"}
        if self._tag:
            headers["if_none_match"] = f'"{self._tag}"'
        reply = self._api.send("GET", "/openapi/v2", **headers)
        if reply.code != 304:
            assert (reply.code, reply.media) == (200, "application/json")
            zipped = reply.headers.get("content-encoding") == "gzip"
            body = gzip.decompress(reply.body) if zipped else reply.body
            self._definitions = json.loads(body)["definitions"]
            self._tag = reply.headers["etag"].strip('"')
        return self._definitions

    def shows(self, name: str, schema: Object | None) -> None:
        """Wait until a definition is that of the schema, ten times running."""

        def right() -> bool:
            found = self.definitions().get(name)
            if found is None or schema is None:
                return found is not None
            bare = {k: v for k, v in found.items() if k != "x-kubernetes-group-version-kind"}
            kept = {
                key: value
                for key, value in bare.get("properties", {}).items()
                if key not in ("apiVersion", "kind", "metadata")
            }
            return {**bare, "properties": kept} == {"properties": {}, **schema}

        poll(lambda: all(right() for _ in range(10)), 20, name)

    def hides(self, name: str) -> None:
        poll(lambda: all(name not in self.definitions() for _ in range(10)), 20, name)


def definition_name(crd: Object, version: str) -> str:
    group = ".".join(reversed(crd["spec"]["group"].split(".")))
    return f"{group}.{version}.{crd['spec']['names']['kind']}"


@contextmanager
def published(
    api: GoClient, spec: Spec, schema: Object | None, suffix: str, *versions: str,
    expect: Object | None = None,
) -> Iterator[Object]:  # fmt: skip
    """Yield a namespaced definition that /openapi/v2 shows; without a schema all is allowed."""
    wanted = fixture.ANYTHING if schema is None else schema
    name = unique("e2e-test-crd-publish-openapi-")
    made = fixture.create(
        api,
        fixture.definition(
            name, f"crd-publish-openapi-test-{suffix}.example.com",
            [fixture.version(it, storage=it == versions[0], schema=wanted) for it in versions],
            "Namespaced", kind=f"{name}-crd",
        ),
    )  # fmt: skip
    for version in versions:
        spec.shows(definition_name(made, version), expect)
    yield made
    last = fixture.definitions(api).get("", made["metadata"]["name"])
    fixture.delete(api, last)
    for version in fixture.served(last):
        spec.hides(definition_name(last, version))


@pytest.fixture
def spec(api: GoClient) -> Spec:
    return Spec(api)


class Kubectl:
    """kubectl in the test's namespace."""

    def __init__(self, api: GoClient, space: str, folder: Path) -> None:
        self._environment = surroundings(folder, Path(api.kubeconfig), folder, space)

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *arguments], env=self._environment, input=given, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def works(self, *arguments: str, given: str = "") -> str:
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def accepts(self, crd: Object, version: str, rest: str) -> None:
        """Create and apply an object, and delete it each time."""
        spec = crd["spec"]
        head = {"kind": spec["names"]["kind"], "apiVersion": f"{spec['group']}/{version}"}
        document = json.dumps({**head, "metadata": {"name": "test-cr"}})[:-1] + f", {rest}}}"
        for command in ("create", "apply"):
            self.works(command, "-f", "-", given=document)
            self.works("delete", spec["names"]["plural"], "test-cr")

    def explains(self, what: str, pattern: str) -> None:
        found = self.works("explain", what)
        assert re.search(pattern, found, re.DOTALL), found


@pytest.fixture
def kubectl(api: GoClient, space: str, tmp_path: Path) -> Kubectl:
    return Kubectl(api, space, tmp_path)


@pytest.mark.kubectl
def test_with_a_schema(api: GoClient, spec: Spec, kubectl: Kubectl):
    """CustomResourcePublishOpenAPI works for CRD with validation schema"""
    with published(api, spec, FOO, "foo", "v1", expect=FOO) as crd:
        plural = crd["spec"]["names"]["plural"]
        kubectl.accepts(crd, "v1", '"spec":{"bars":[{"name":"test-bar"}]}')
        kubectl.explains(
            plural,
            "DESCRIPTION:.*Foo CRD for Testing.*FIELDS:.*apiVersion.*<string>.*APIVersion defines"
            ".*spec.*<Object>.*Specification of Foo",
        )
        kubectl.explains(
            f"{plural}.metadata",
            "DESCRIPTION:.*Standard object's metadata.*FIELDS:.*creationTimestamp.*<string>"
            ".*CreationTimestamp is a timestamp",
        )
        kubectl.explains(
            f"{plural}.spec",
            r"DESCRIPTION:.*Specification of Foo.*FIELDS:.*bars.*<\[\]Object>"
            ".*List of Bars and their specs",
        )
        kubectl.explains(
            f"{plural}.spec.bars",
            r"(RESOURCE|FIELD):.*bars.*<\[\]Object>.*DESCRIPTION:.*List of Bars and their specs"
            r".*FIELDS:.*bazs.*<\[\]string>.*List of Bazs.*name.*<string>.*Name of Bar",
        )
        missing = kubectl.run("explain", f"{plural}.spec.bars2")
        assert missing.returncode != 0
        assert 'field "bars2" does not exist' in missing.stderr


@pytest.mark.kubectl
def test_without_a_schema(api: GoClient, spec: Spec, kubectl: Kubectl):
    """CustomResourcePublishOpenAPI works for CRD without validation schema"""
    # What allows everything is published as an object of which nothing is known.
    with published(api, spec, None, "empty", "v1", expect={"type": "object"}) as crd:
        kubectl.accepts(crd, "v1", '"a":{"b":[{"c":"d"}]}')
        kubectl.explains(crd["spec"]["names"]["plural"], "DESCRIPTION:.*<empty>")


@pytest.mark.kubectl
def test_unknown_fields_at_the_root(api: GoClient, spec: Spec, kubectl: Kubectl):
    """CustomResourcePublishOpenAPI works for CRD preserving unknown fields at the schema root"""
    with published(api, spec, AT_ROOT, "unknown-at-root", "v1") as crd:
        kubectl.accepts(crd, "v1", '"a":{"b":[{"c":"d"}]}')
        kind = crd["spec"]["names"]["kind"]
        kubectl.explains(crd["spec"]["names"]["plural"], f"KIND:.*{kind}")


@pytest.mark.kubectl
def test_unknown_fields_inside(api: GoClient, spec: Spec, kubectl: Kubectl):
    """CustomResourcePublishOpenAPI works for CRD preserving unknown fields in an embedded object"""
    with published(api, spec, NESTED, "unknown-in-nested", "v1") as crd:
        kubectl.accepts(crd, "v1", '"spec":{"a":null,"b":[{"c":"d"}]}')
        kubectl.explains(
            crd["spec"]["names"]["plural"],
            "DESCRIPTION:.*preserve-unknown-properties in nested field for Testing",
        )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("foo", "v1"), ("waldo", "v1beta1")),
        (("common-group", "v4"), ("common-group", "v5")),
        (("common-group", "v6"), ("common-group", "v6")),
    ],
    ids=["groups", "versions", "kinds"],
)
def test_two_definitions(
    api: GoClient, space: str, spec: Spec, first: tuple[str, str], second: tuple[str, str]
):
    """CustomResourcePublishOpenAPI works for multiple CRDs of different groups; of same group but
    different versions; of same group and version but different kinds"""
    with ExitStack() as stack:
        for schema, (suffix, version) in ((FOO, first), (WALDO, second)):
            opened = published(api, spec, schema, suffix, version, expect=schema)
            stack.enter_context(opened)


def test_two_versions(api: GoClient, space: str, spec: Spec):
    """CustomResourcePublishOpenAPI works for multiple CRDs of same group but different versions;
    updates the published spec when one version gets renamed"""
    with published(api, spec, FOO, "multi-ver", "v2", "v3", expect=FOO) as crd:
        path = "/spec/versions/1/name"
        rename = [
            {"op": "test", "path": path, "value": "v3"},
            {"op": "replace", "path": path, "value": "v4"},
        ]
        fixture.definitions(api).patch("", crd["metadata"]["name"], rename, JSON_PATCH)
        spec.shows(definition_name(crd, "v4"), FOO)
        spec.hides(definition_name(crd, "v3"))
        spec.shows(definition_name(crd, "v2"), FOO)


def test_a_version_is_no_longer_served(api: GoClient, space: str, spec: Spec):
    """CustomResourcePublishOpenAPI removes definition from spec when one version gets changed to
    not be served"""
    with published(api, spec, FOO, "multi-to-single-ver", "v5", "v6alpha1", expect=FOO) as crd:

        def stop(found: Object) -> None:
            found["spec"]["versions"][1]["served"] = False

        fixture.definitions(api).changed("", crd["metadata"]["name"], stop)
        spec.hides(definition_name(crd, "v6alpha1"))
        spec.shows(definition_name(crd, "v5"), FOO)
