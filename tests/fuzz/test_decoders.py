"""The pure decoders and patchers by themselves: any input ends in a value or in their own error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from fuzz.oddities import HOSTILE, TEXTS
from roost.api import quantity
from roost.api.cel.environment import CompileError, Environment, build
from roost.api.cel.types import DYN
from roost.api.cel.values import EvaluationError
from roost.api.columns.custom import compile_path
from roost.api.errors import StatusError
from roost.api.kind import Kind
from roost.api.names import check_qualified_name
from roost.api.patches.fields import FieldSet
from roost.api.patches.json_patch import apply_json_patch
from roost.api.patches.managed import track_update
from roost.api.patches.merge_patch import apply_merge_patch
from roost.api.patches.strategic import apply_strategic_patch
from roost.api.protobuf import envelope, objects, wire
from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import compiled
from roost.api.registry import builtin
from roost.api.requirements import parse_requirements
from roost.api.schema import body, yaml
from roost.api.schema.body import decode_body, expected
from roost.api.schema.nodes import node
from roost.api.selectors import parse_fields, parse_labels
from roost.api.values import copy_of
from roost.apiserver.negotiation import body_type, negotiate
from roost.apiserver.options import list_options, parse_query, write_options
from roost.apiserver.reading import decode_token
from roost.apiserver.requestinfo import parse_path
from roost.apiserver.selection import parse_selection

EXAMPLES = int(os.environ.get("ROOST_FUZZ_EXAMPLES", "300"))
SEED = int(os.environ.get("ROOST_FUZZ_SEED", "1"))


def fuzzed(*strategies: Any) -> Callable[[Any], Any]:
    """Run a test on many inputs, the same ones every time."""

    def wrap(test: Any) -> Any:
        test = given(*strategies)(test)
        settled = settings(
            max_examples=EXAMPLES, deadline=None, database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )(test)  # fmt: skip
        return seed(SEED)(settled)

    return wrap


texts = st.sampled_from(TEXTS) | st.text(max_size=40)
numbers = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63) - 1, 10**400])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
directives = st.sampled_from(
    ["$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/args",
     "$setElementOrder/ports", "$setElementOrder", "name", "spec", "metadata", "containers", "ports",
     "env", "template", "finalizers", "volumes", "labels", "tolerations"]
)  # fmt: skip
patches = st.recursive(
    scalars | st.sampled_from(["delete", "replace", "merge", "a", "main"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(directives, inner, max_size=4),
    max_leaves=14,
)
POD: dict[str, Any] = {
    "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "labels": {"a": "b"},
    "finalizers": ["x/y"]},
    "spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1}], "args": ["x"]},
                            {"name": "main", "env": [{"name": "e", "value": "f"}]}],
             "volumes": [{"name": "a", "emptyDir": {}}], "tolerations": [{"key": "a"}]},
}  # fmt: skip
POD_NODE = node("io.k8s.api.core.v1.Pod")
PODS: Kind = next(kind for kind in builtin().kinds() if kind.plural == "pods")
pointers = st.sampled_from(
    ["", "/", "/spec", "/spec/containers", "/spec/containers/0", "/spec/containers/-",
    "/metadata/labels/a",
     "/spec/containers/1/env/0/value", "/~0/~1", "/spec/containers/" + "9" * 30, "x", "/metadata"]
) | texts  # fmt: skip
operations = st.lists(
    st.fixed_dictionaries(
        {}, optional={"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test",
        "x"]) | scalars,
                      "path": pointers | scalars, "from": pointers | scalars, "value": values},
    ) | scalars, max_size=5,
)  # fmt: skip


def refused(work: Callable[[], Any], *errors: type[Exception]) -> Any:
    """Return the result of some work, None if it is refused."""
    try:
        return work()
    except errors:
        return None


@fuzzed(st.binary(max_size=200) | texts.map(lambda t: t.encode("utf-8", "replace")))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"\xff\xfe{\x00}\x00")
@example(b'{"a":1e999999999}')
@example(b'"\\ud800"')
def test_json(raw: bytes) -> None:
    refused(lambda: body.read_with_duplicates(raw), body.Malformed)


@fuzzed(st.binary(max_size=200) | texts.map(lambda t: t.encode("utf-8", "replace")))
@example(b"[" * 20_000)
@example(b"a: &a [*a]")
@example(b"- " * 20_000)
@example(b"!!binary x")
@example(b"a: &a {<<: *a}")
@example(b"0x" + b"f" * 100_000)
def test_yaml(raw: bytes) -> None:
    refused(lambda: yaml.parse(raw), yaml.MalformedYAML)


@fuzzed(st.binary(max_size=300))
def test_protobuf_envelope(raw: bytes) -> None:
    refused(lambda: envelope.unwrap(b"k8s\x00" + raw), wire.Malformed)


@fuzzed(st.integers(0, 10_000), st.binary(min_size=1, max_size=4), st.booleans())
def test_damaged_protobuf(place: int, put: bytes, cut: bool) -> None:
    good = bytearray(objects.encode(POD))
    at = place % len(good)
    good[at : at + len(put)] = put
    raw = bytes(good[:at] if cut else good)
    want = expected("", "v1", "Pod")
    refused(lambda: decode_body(raw, "application/vnd.kubernetes.protobuf", want), StatusError)


@fuzzed(values, st.sampled_from(["Strict", "Warn", "Ignore"]))
def test_bodies(value: Any, validation: str) -> None:
    raw = json.dumps({"spec": value, "metadata": value} if validation == "Warn" else value).encode()
    for kind in ("Pod", "Service", "Secret", "Event"):
        want = expected("", "v1", kind)
        refused(lambda w=want: decode_body(raw, "application/json", w, validation), StatusError)


@fuzzed(patches)
def test_strategic_merge(patch: Any) -> None:
    document = copy_of(POD)
    refused(lambda: apply_strategic_patch(document, patch, POD_NODE), StatusError)
    assert document == POD


@fuzzed(patches)
def test_merge(patch: Any) -> None:
    document = copy_of(POD)
    refused(lambda: apply_merge_patch(document, patch), StatusError)
    assert document == POD


@fuzzed(operations | values)
def test_json_patch(patch: Any) -> None:
    document = copy_of(POD)
    refused(lambda: apply_json_patch(document, patch), StatusError)
    assert document == POD


managed = st.recursive(
    st.just({}) | values,
    lambda inner: st.dictionaries(
        st.sampled_from(["f:spec", "f:containers", 'k:{"name":"a"}', ".", "f:", "k:", "k:[]",
        "v:1", "v:", "i:0",
                         "i:x", "x", "f:name", 'k:{"name":null}', "v:{", "k:{"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@fuzzed(managed, scalars, scalars)
def test_field_sets_of_clients(tree: Any, manager: Any, time: Any) -> None:
    entry = {"manager": manager, "operation": "Apply", "apiVersion": "v1", "time": time,
    "fieldsType": "FieldsV1",
             "fieldsV1": tree}  # fmt: skip
    raw = json.dumps({**POD, "metadata": {**POD["metadata"], "managedFields": [entry]}}).encode()
    got = refused(
        lambda: decode_body(raw, "application/json", expected("", "v1", "Pod")), StatusError
    )
    if got is not None:
        new = got[0]
        refused(lambda: FieldSet.from_json(tree), ValueError)
        track_update(
            POD_NODE,
            copy_of(POD),
            new,
            manager="me",
            api_version="v1",
            now="2025-01-01T00:00:00Z",
        )


@fuzzed(texts, texts)
def test_selectors(labels: str, fields: str) -> None:
    for work in (
        lambda: parse_requirements(labels), lambda: parse_labels(labels), lambda: parse_fields(fields),
        lambda: parse_selection(PODS, labels, fields),
    ):  # fmt: skip
        refused(work, StatusError, ValueError)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_long_texts(text: str) -> None:
    """Each is read in a moment, or this takes minutes."""
    want = expected("", "v1", "Pod")
    for work in (
        lambda: parse_requirements(text),
        lambda: parse_labels(text),
        lambda: parse_fields(text),
        lambda: quantity.parse(text),
        lambda: compile_path(text),
        lambda: compiled(text),
        lambda: build(text, CEL),
        lambda: body.read(text.encode()),
        lambda: yaml.parse(text.encode()),
        lambda: decode_body(json.dumps({"spec": text}).encode(), "application/json", want),
        lambda: parse_query(f"limit={text}"),
        lambda: negotiate(text),
        lambda: check_qualified_name(text),
    ):
        refused(
            work,
            StatusError,
            ValueError,
            CompileError,
            BadPattern,
            body.Malformed,
            yaml.MalformedYAML,
        )


@fuzzed(texts, texts)
def test_queries(name: str, value: str) -> None:
    for key in (name, "limit", "continue", "timeoutSeconds", "resourceVersion", "watch", "dryRun",
                "fieldManager", "fieldValidation", "sendInitialEvents",
                "resourceVersionMatch"):  # fmt: skip
        query = refused(lambda k=key: parse_query(f"{k}={value}"), StatusError)
        if query is not None:
            refused(lambda q=query: list_options(q, watch=True), StatusError)
            refused(lambda q=query: list_options(q, watch=False), StatusError)
            refused(lambda q=query: write_options(q, "PatchOptions", value), StatusError)
    refused(lambda: decode_token(value), StatusError)


@fuzzed(texts, texts)
def test_heads(method: str, text: str) -> None:
    parse_path(method, text)
    parse_path("GET", f"/api/v1/namespaces/{text}")
    refused(lambda: negotiate(text), StatusError)
    refused(lambda: body_type(text), StatusError)


@fuzzed(texts)
def test_texts_with_a_grammar(text: str) -> None:
    refused(lambda: quantity.parse(text), ValueError)
    refused(lambda: compile_path(text), ValueError)
    check_qualified_name(text)
    pattern = refused(lambda: compiled(text), BadPattern)
    if pattern is not None:
        pattern.search("a" * 1000 + "!")


CEL = Environment({"self": DYN})
cel_parts = st.lists(
    st.sampled_from(["self", ".", "x", "(", ")", "[", "]", "1", "'a'", "+", "-", "*", "/", "%",
    "<", "==", "&&",
                     "?", ":", ".all(x, x)", ".map(y, y)", ".matches('(a+)+b')", "9" * 30,
                     "1e999", "0x" + "f" * 30,
                     "int('x')", ".find('[')", ".format([1])", "'%.999999999f'",
                     "duration('9999999h')", "b'\\xff'",
                     "timestamp('x')", "{", "}", ",", "has(self.x)", "dyn(1)", "1u", "in",
                     "quantity('1e99')",
                     "semver('1.2.3')", "url('x')", "ip('1')", ".split('')", ".replace('', 'b')",
                     ".substring(-1)",
                     ".indexOf('', 99)", "optional.of(1)", ".sum()", ".min()", "'a' * 3",
                     "\u00df", "\\"]),
    max_size=9,
).map(" ".join)  # fmt: skip


@fuzzed(cel_parts | texts, values)
def test_cel(source: str, value: Any) -> None:
    program = refused(lambda: build(source, CEL), CompileError)
    if program is not None:
        refused(lambda: program.evaluate({"self": value}), EvaluationError)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(.*)*x", "(a?){30}a{30}", "^(([a-z])+.)+[A-Z]$"]
)
def test_no_pattern_hangs(pattern: str) -> None:
    """Were it a backtracking engine, this test would not end."""
    source = f"self.matches('{pattern}') || self.find('{pattern}') == ''"
    build(source, CEL).evaluate({"self": "a" * 3_000})
