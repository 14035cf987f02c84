"""What requests may ask for, and all that is wrong with what they ask for, in the real order."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from roost.api.errors import BadRequest, Invalid
from roost.apiserver.deletion import delete_request
from roost.apiserver.messages import Request
from roost.apiserver.options import list_options, parse_query, write_options
from roost.apiserver.reading import decode_token, encode_token

MATCH = "resourceVersionMatch"


def causes_of(refused: pytest.ExceptionInfo[Invalid]) -> list[str]:
    details: Any = refused.value.details
    return [f"{each['field']}: {each['message']}" for each in details["causes"]]


@pytest.mark.parametrize(
    ("query", "watch", "expected"),
    [
        (
            {MATCH: "Odd", "continue": "c", "sendInitialEvents": "1"},
            False,
            [
                f"{MATCH}: Forbidden: {MATCH} is forbidden unless resourceVersion is provided",
                f"{MATCH}: Forbidden: {MATCH} is forbidden when continue is provided",
                f'{MATCH}: Unsupported value: "Odd": supported values: "Exact", "NotOlderThan", ""',
                "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
            ],
        ),
        (
            {MATCH: "Exact", "sendInitialEvents": "true"},
            True,
            [
                f"{MATCH}: Forbidden: sendInitialEvents requires setting {MATCH} to NotOlderThan",
                f'{MATCH}: Unsupported value: "Exact": supported values: "NotOlderThan"',
            ],
        ),
        (
            {MATCH: "Exact", "resourceVersion": "1"},
            True,
            [
                (
                    f"{MATCH}: Forbidden: {MATCH} is forbidden for watch unless sendInitialEvents "
                    "is provided"
                ),
                f'{MATCH}: Unsupported value: "Exact": supported values: "NotOlderThan"',
            ],
        ),
    ],
)
def test_lists_and_watches(query, watch, expected):
    with pytest.raises(Invalid) as refused:
        list_options(query, watch=watch)
    assert causes_of(refused) == expected


def test_writes():
    query = {"fieldManager": "a\nb", "dryRun": "", "fieldValidation": "strict", "force": "1"}
    with pytest.raises(Invalid) as refused:
        write_options(query, "PatchOptions", "x/1")
    assert causes_of(refused) == [
        "force: Forbidden: may not be specified for non-apply patch",
        'fieldManager: Invalid value: "a\\nb": invalid character U+000A (at position 1)',
        'dryRun: Unsupported value: [""]: supported values: "All"',
        (
            'fieldValidation: Unsupported value: "strict": supported values: '
            '"", "Ignore", "Strict", "Warn"'
        ),
    ]


def test_an_apply_names_its_manager():
    with pytest.raises(Invalid) as refused:
        write_options({}, "PatchOptions", "x/1", applies=True)
    assert causes_of(refused) == ["fieldManager: Required value: is required for apply patch"]
    options = write_options(
        {"fieldManager": "m", "force": "true"}, "PatchOptions", "x/1", applies=True
    )
    assert (options.field_manager, options.force) == ("m", True)


def deletion(body: bytes = b"", **query: str):
    return delete_request(Request("DELETE", "/x", "", {}, body), query)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b'{"preconditions":{"uid":5}}',
            (
                "json: cannot unmarshal number into Go struct field Preconditions.preconditions.uid "
                "of type types.UID"
            ),
        ),
        (
            b'{"gracePeriodSeconds":1.5}',
            (
                "json: cannot unmarshal number 1.5 into Go struct field "
                "DeleteOptions.gracePeriodSeconds of type int64"
            ),
        ),
        (
            b'{"dryRun":"All"}',
            (
                "json: cannot unmarshal string into Go struct field DeleteOptions.dryRun "
                "of type []string"
            ),
        ),
        (
            b"[]",
            (
                "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go "
                'value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
                'Kind string "json:\\"kind,omitempty\\"" }'
            ),
        ),
    ],
)
def test_bodies_of_deletions(body, words):
    with pytest.raises(BadRequest) as refused:
        deletion(body)
    assert refused.value.message == words


def test_all_that_is_wrong_with_a_deletion_is_said():
    body = b'{"propagationPolicy":"Odd","orphanDependents":true,"dryRun":["x"]}'
    with pytest.raises(Invalid) as refused:
        deletion(body)
    path = "propagationPolicy"
    assert causes_of(refused) == [
        f'{path}: Invalid value: "Odd": orphanDependents and deletionPropagation cannot be both set',
        (
            f'{path}: Unsupported value: "Odd": supported values: '
            '"Foreground", "Background", "Orphan", "nil"'
        ),
        'dryRun: Unsupported value: ["x"]: supported values: "All"',
    ]
    with pytest.raises(Invalid):
        deletion(dryRun="")
    assert deletion(dryRun="All").dry_run


def test_what_a_deletion_asks_for():
    options = deletion(
        b'{"kind":"DeleteOptions","apiVersion":"apps/v1","gracePeriodSeconds":0,"extra":1,'
        b'"preconditions":{"uid":"u","resourceVersion":"5"},"orphanDependents":false}'
    )
    assert options.grace_period_s == 0
    assert (options.uid, options.resource_version) == ("u", "5")
    assert options.orphan_dependents is False
    assert not options.dry_run


def test_of_a_deletion_with_a_body_the_query_does_not_count():
    options = deletion(b'{"gracePeriodSeconds":0}', dryRun="All", propagationPolicy="Odd", uid="u")
    assert (options.dry_run, options.propagation, options.uid) == (False, None, None)


def test_a_query_can_say_which_object_is_to_be_deleted():
    options = deletion(uid="u", resourceVersion="5")
    assert (options.uid, options.resource_version) == ("u", "5")
    options = deletion(uid="", resourceVersion="")
    assert (options.uid, options.resource_version) == (None, None)


def test_the_first_value_of_a_parameter_counts_and_every_dry_run():
    query = parse_query("limit=1&limit=x&dryRun=All&dryRun=no&fieldManager=%41+b")
    assert query == {"limit": "1", "dryRun": "All", "fieldManager": "A b"}
    for refused in (
        lambda: write_options(query, "CreateOptions", "x/1"),
        lambda: delete_request(Request("DELETE", "/x", "", {}, b""), query),
    ):
        with pytest.raises(Invalid) as caught:
            refused()
        assert causes_of(caught) == [
            'dryRun: Unsupported value: ["All","no"]: supported values: "All"'
        ]
    twice = parse_query("dryRun=All&dryRun=All")
    assert write_options(twice, "CreateOptions", "x/1").dry_run


def test_what_cannot_be_decoded_in_a_query_is_passed_over():
    assert parse_query("a=%zz&b=1;c=2&%=3&d=%&&e=5&f") == {"e": "5", "f": ""}


def token_of(said: str) -> str:
    return base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("!!", ": illegal base64 data at input byte 0"),
        ("YWJj=", ": illegal base64 data at input byte 4"),
        ("YWJjZ", ": illegal base64 data at input byte 4"),
        ("YQ", ": invalid character 'a' looking for beginning of value"),
        (
            token_of("[]"),
            ": json: cannot unmarshal array into Go value of type storage.continueToken",
        ),
        (
            token_of('{"v":"meta.k8s.io/v1","rv":"1"}'),
            ": json: cannot unmarshal string into Go struct field continueToken.rv of type int64",
        ),
        (token_of("null"), ": server does not recognize this encoded version "),
        (token_of('{"v":"v1"}'), ": server does not recognize this encoded version v1"),
        (
            token_of('{"v":"meta.k8s.io/v1","start":"a"}'),
            ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        (
            token_of('{"v":"meta.k8s.io/v1","rv":1}'),
            ": encoded start key empty (version meta.k8s.io/v1)",
        ),
        (token_of('{"v":"meta.k8s.io/v1","rv":1,"start":"../a"}'), ": ../a"),
        (token_of('{"v":"meta.k8s.io/v1","rv":1,"start":"//a"}'), ": //a"),
    ],
)
def test_continue_tokens_that_are_none(token, why):
    with pytest.raises(BadRequest) as refused:
        decode_token(token)
    assert refused.value.message == f"invalid continue token: continue key is not valid{why}"


def test_continue_tokens_are_read_as_they_were_written():
    assert decode_token(encode_token(7, "n/a")) == (7, "n/a")
    assert decode_token(encode_token(-1, "/n/a")) == (-1, "n/a")
