"""Selectors say which objects are meant, and complain as the real server does."""

import pytest

from roost.api.selectors import (
    EVERYTHING,
    NOTHING,
    label_selector,
    labels_equal,
    parse_fields,
    parse_labels,
)

LABELS = {"app": "web", "tier": "front", "n": "7"}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app=db", False),
        ("app!=db", True),
        ("absent!=x", True),
        ("app in (db, web)", True),
        ("app notin (db,web)", False),
        ("absent notin (a)", True),
        ("absent in ()", False),
        ("app", True),
        ("!app", False),
        ("!absent", True),
        ("n>6,n<8", True),
        ("n>7", False),
        ("app>1", False),
        ("in=x", False),
        ("app in (in,web)", True),
    ],
)
def test_label_selectors_from_text(text: str, selected: bool) -> None:
    assert parse_labels(text).matches(LABELS) is selected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        (
            "a b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        (
            "a>x",
            (
                'unable to parse requirement: values[0]: Invalid value: "x": '
                "for 'Gt', 'Lt' operators, the value must be an integer"
            ),
        ),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!a in (b)", "found 'in', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
    ],
)
def test_complaints_about_label_selectors(text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_labels(text)
    assert str(caught.value) == complaint


def test_canonical_text_is_sorted_by_key() -> None:
    assert str(parse_labels("z=1, b in (y, x), !c, d")) == "b in (x,y),!c,d,z=1"


def test_selector_objects() -> None:
    selector = label_selector(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "Exists"}],
        }
    )
    assert selector.matches(LABELS)
    assert str(selector) == "app=web,tier"
    assert selector.exact("app") == "web"
    assert label_selector(None) is NOTHING
    assert label_selector({}) is EVERYTHING
    assert not NOTHING.matches({})
    assert EVERYTHING.empty
    with pytest.raises(ValueError, match='"Near" is not a valid label selector operator'):
        label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})


def test_plain_maps_select_what_has_all_labels() -> None:
    assert labels_equal({"app": "web"}).matches(LABELS)
    assert not labels_equal({"app": "web", "x": ""}).matches(LABELS)


def test_field_selectors() -> None:
    selector = parse_fields("spec.nodeName=a,metadata.name!=p1,status.podIP==")
    fields = {"spec.nodeName": "a", "metadata.name": "p2"}
    assert selector.matches(fields.get)
    assert not selector.matches({**fields, "metadata.name": "p1"}.get)
    assert not selector.matches({**fields, "status.podIP": "1.2.3.4"}.get)
    assert selector.exact("spec.nodeName") == "a"
    assert selector.exact("metadata.name") is None
    assert str(parse_fields(r"a=x\,y\=z")) == r"a=x\,y\=z"
    assert parse_fields(r"a=x\,y").exact("a") == "x,y"
    assert parse_fields("").empty


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("status", "invalid selector: 'status'; can't understand 'status'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
    ],
)
def test_complaints_about_field_selectors(text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_fields(text)
    assert str(caught.value) == complaint
