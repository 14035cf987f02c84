"""JSON patches, with the real server's leniencies and complaints."""

from typing import Any

import msgspec
import pytest

from roost.api.errors import BadRequest, Invalid, RequestEntityTooLarge
from roost.api.patches.json_patch import (
    FailedTest,
    Inapplicable,
    apply_json_patch,
    patch_document,
    with_texts,
)
from roost.api.values import copy_of

DOCUMENT = {"data": {"a": "1", "x/y": "s", "t~": "u"}, "list": [1, 2, {"k": "v"}]}


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ({"op": "add", "path": "/data/b", "value": "2"}, {"b": "2"}),
        ({"op": "add", "path": "/data/a", "value": None}, {"a": None}),
        ({"op": "replace", "path": "/data/x~1y", "value": "q"}, {"x/y": "q"}),
        ({"op": "replace", "path": "/data/t~0", "value": "q"}, {"t~": "q"}),
        ({"op": "replace", "path": "/data/absent", "value": "q"}, {"absent": "q"}),
        ({"op": "copy", "from": "/data/a", "path": "/data/c"}, {"c": "1"}),
        ({"op": "test", "path": "/data/a", "value": "1"}, {}),
        ({"op": "test", "path": "/data/absent", "value": None}, {}),
    ],
)
def test_operations_on_members(operation: dict[str, Any], changed: dict[str, Any]) -> None:
    before = copy_of(DOCUMENT)
    after = apply_json_patch(DOCUMENT, [operation])
    assert after["data"] == {**DOCUMENT["data"], **changed}
    assert before == DOCUMENT


@pytest.mark.parametrize(
    ("operation", "items"),
    [
        ({"op": "add", "path": "/list/-", "value": 9}, [1, 2, {"k": "v"}, 9]),
        ({"op": "add", "path": "/list/0", "value": 9}, [9, 1, 2, {"k": "v"}]),
        ({"op": "add", "path": "/list/3", "value": 9}, [1, 2, {"k": "v"}, 9]),
        ({"op": "remove", "path": "/list/-1"}, [1, 2]),
        ({"op": "replace", "path": "/list/2/k", "value": "w"}, [1, 2, {"k": "w"}]),
        ({"op": "move", "from": "/list/0", "path": "/list/-"}, [2, {"k": "v"}, 1]),
    ],
)
def test_operations_on_items(operation: dict[str, Any], items: list[Any]) -> None:
    before = copy_of(DOCUMENT)
    assert apply_json_patch(DOCUMENT, [operation])["list"] == items
    assert before == DOCUMENT


def test_a_copy_does_not_change_with_its_source() -> None:
    after = apply_json_patch(
        DOCUMENT,
        [
            {"op": "add", "path": "/data/n", "value": {"deep": {"v": 1}}},
            {"op": "copy", "from": "/data/n", "path": "/data/m"},
            {"op": "replace", "path": "/data/n/deep/v", "value": 2},
        ],
    )
    assert after["data"]["n"] == {"deep": {"v": 2}}
    assert after["data"]["m"] == {"deep": {"v": 1}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/a", "value": "2"},
        {"op": "test", "path": "/list/0", "value": True},
        {"op": "remove", "path": "/data/absent"},
        {"op": "remove", "path": "/list/3"},
        {"op": "replace", "path": "/list/3", "value": 1},
        {"op": "add", "path": "/list/4", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/absent/deep", "value": 1},
        {"op": "add", "path": "/data/a/b", "value": 1},
        {"op": "add", "path": "data", "value": 1},
        {"op": "copy", "from": "/absent/deep", "path": "/data/b"},
        {"op": "move", "from": "/data/absent", "path": "/data/b"},
        {"op": "jump", "path": "/data"},
        {"path": "/data"},
        {"op": "remove"},
        {"op": "add", "path": "", "value": {}},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "", "value": 1},
        {"op": "replace", "path": ""},
        None,
        {"op": "test", "path": "", "value": {}},
        {"op": "copy", "from": "", "path": "/data/b"},
    ],
)
def test_what_cannot_be_applied_is_invalid(operation: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        apply_json_patch(DOCUMENT, [operation])
    assert caught.value.message == (
        "the server rejected our request due to an error in our request"
    )
    assert caught.value.details == {}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/data/b"},
        {"op": "replace", "path": "/data/b"},
        {"op": "copy", "from": "/data/absent", "path": "/data/b"},
        {"op": "add", "path": "ignored/data/b", "value": None},
    ],
)
def test_what_is_not_given_is_null(operation: dict[str, Any]) -> None:
    assert apply_json_patch(DOCUMENT, [operation])["data"]["b"] is None


def test_what_is_no_patch_is_a_bad_request() -> None:
    with pytest.raises(BadRequest) as caught:
        apply_json_patch(DOCUMENT, {"data": {}})
    assert caught.value.message == (
        "error decoding patch: json: cannot unmarshal object into Go value of type "
        "[]handlers.jsonPatchOp"
    )
    with pytest.raises(BadRequest):
        apply_json_patch(DOCUMENT, ["remove"])


def test_a_lenient_reader_has_other_words() -> None:
    for patch, what in (({}, "object into Go value of type jsonpatch.Patch"),
                        ([1], "number into Go value of type jsonpatch.Operation")):  # fmt: skip
        with pytest.raises(BadRequest) as caught:
            apply_json_patch(DOCUMENT, patch, lenient=True)
        assert caught.value.message == f"json: cannot unmarshal {what}"


WRITTEN = {
    "n": {"whole": 1, "half": 1.5, "big": 1e21, "small": 1e-7, "none": None},
    "text": "a<b", "list": [1, {"k": "v"}], "empty": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "text", "same"),
    [
        ("/n/whole", b"1", True),
        ("/n/whole", b"1.0", False),
        ("/n/whole", b"1e0", False),
        ("/n/half", b"1.5", True),
        ("/n/half", b"1.50", False),
        ("/n/big", b"1e+21", True),
        ("/n/big", b"1e21", False),
        ("/n/small", b"1e-7", True),
        ("/n/none", b"null", True),
        ("/n/none", b"0", False),
        ("/n/absent", b"null", True),
        ("/n", b'{"half":1.5,"whole":1,"big":1e+21,"small":1e-7,"none":null}', True),
        ("/n", b'{"half":1.5,"whole":1,"big":1e+21,"small":1e-7}', False),
        ("/text", b'"a<b"', False),
        ("/text", b'"a\\u003cb"', True),
        ("/list", b'[ 1, {"k" : "v"} ]', True),
        ("/list", b'[1.0, {"k": "v"}]', False),
        ("/list", b"{}", False),
        ("/empty", b"{}", True),
        ("/empty", b"[]", False),
        ("/empty", b"null", False),
    ],
)
def test_a_test_compares_how_values_are_written(path: str, text: bytes, same: bool) -> None:
    body = b'[{"op":"test","path":"%b","value":%b}]' % (path.encode(), text)
    operations = with_texts(body, msgspec.json.decode(body))
    if same:
        assert apply_json_patch(WRITTEN, operations) == WRITTEN
    else:
        with pytest.raises(Invalid):
            apply_json_patch(WRITTEN, operations)


@pytest.mark.parametrize(
    ("found", "wanted", "same"), [(1, 1, True), (1, 1.5, False), (1.0, 1, True), ("<", "<", True)]
)
def test_values_without_a_text_are_compared_as_they_would_be_written(
    found: object, wanted: object, same: bool
) -> None:
    test = [{"op": "test", "path": "/v", "value": {"k": [wanted]}}]
    if same:
        assert patch_document({"v": {"k": [found]}}, test)
    else:
        with pytest.raises(FailedTest):
            patch_document({"v": {"k": [found]}}, test)


def test_a_list_can_replace_the_whole_document() -> None:
    patch = [
        {"op": "replace", "path": "", "value": []},
        {"op": "add", "path": "/-", "value": 1},
        {"op": "test", "path": "", "value": [1]},
    ]
    assert apply_json_patch(DOCUMENT, patch) == [1]
    with pytest.raises(Inapplicable):
        patch_document(DOCUMENT, patch)


@pytest.mark.parametrize(("path", "left"), [("/list/00", 2), ("/list/+1", 2), ("/list/-3", 2)])
def test_indices_are_read_as_numbers(path: str, left: int) -> None:
    assert len(apply_json_patch(DOCUMENT, [{"op": "remove", "path": path}])["list"]) == left


def test_escapes_are_read_once() -> None:
    assert apply_json_patch({"~1": 1}, [{"op": "remove", "path": "/~01"}]) == {}


def test_too_many_operations() -> None:
    operation = {"op": "test", "path": "/data/a", "value": "1"}
    assert apply_json_patch(DOCUMENT, [operation] * 10_000) == DOCUMENT
    with pytest.raises(RequestEntityTooLarge, match="is 10000, got 10001"):
        apply_json_patch(DOCUMENT, [operation] * 10_001)


def test_the_whole_document_can_be_tested_and_replaced() -> None:
    whole = [
        {"op": "test", "path": "", "value": DOCUMENT},
        {"op": "replace", "path": "", "value": {"data": {}}},
        {"op": "add", "path": "/data/a", "value": "2"},
    ]
    assert apply_json_patch(DOCUMENT, whole) == {"data": {"a": "2"}}
    assert whole[1]["value"] == {"data": {}}


def test_copies_cannot_blow_up_a_document() -> None:
    doubling = [{"op": "copy", "from": "/data", "path": f"/data/{index}"} for index in range(64)]
    with pytest.raises(Invalid):
        apply_json_patch(DOCUMENT, doubling)
    long = {"data": {"a": "x" * 1024 * 1024}}
    copies = [{"op": "copy", "from": "/data/a", "path": f"/data/{index}"} for index in range(3)]
    assert len(apply_json_patch(long, copies[:2])["data"]) == 3
    with pytest.raises(Invalid):
        apply_json_patch(long, copies)


NONE = "missing value"
INDEX = "Unable to access invalid index: 9: invalid index referenced"
NO_NUMBER = 'strconv.Atoi: parsing "x": invalid syntax'


@pytest.mark.parametrize(
    ("name", "places", "text"),
    [
        ("add", "/no/x", f'add operation does not apply: doc is missing path: "/no/x": {NONE}'),
        ("add", "", f'add operation does not apply: doc is missing path: "": {NONE}'),
        ("add", "/data/a/b", f'add operation does not apply: doc is missing path: "/data/a/b": {NONE}'),
        ("add", "/list/9", f"error in add for path: '/list/9': {INDEX}"),
        (
            "add",
            "/list/x",
            f"error in add for path: '/list/x': value was not a proper array index: 'x': {NO_NUMBER}",
        ),
        (
            "remove",
            "/data/x",
            f"error in remove for path: '/data/x': Unable to remove nonexistent key: x: {NONE}",
        ),
        ("remove", "/list/x", f"error in remove for path: '/list/x': {NO_NUMBER}"),
        ("replace", "/no/x", f"replace operation does not apply: doc is missing path: /no/x: {NONE}"),
        ("replace", "/list/9", f"replace operation does not apply: doc is missing key: /list/9: {NONE}"),
        (
            "move",
            "/no/x /data/z",
            f"move operation does not apply: doc is missing from path: /no/x: {NONE}",
        ),
        (
            "move",
            "/data/no /data/z",
            f"error in move for path: 'no': Unable to remove nonexistent key: no: {NONE}",
        ),
        (
            "copy",
            "/data/a /no/x",
            f"copy operation does not apply: doc is missing destination path: /no/x: {NONE}",
        ),
        ("copy", "/data/a /list/9", f"error while adding value during copy: {INDEX}"),
        ("test", "/no/x", f"test operation does not apply: is missing path: /no/x: {NONE}"),
        ("test", "/list/9", f"error in test for path: '/list/9': {INDEX}"),
        ("odd", "/data", "Unexpected kind: odd"),
    ],
)  # fmt: skip
def test_why_an_operation_cannot_be_carried_out(name: str, places: str, text: str) -> None:
    source, _, path = places.rpartition(" ")
    with pytest.raises(Inapplicable) as error:
        patch_document(DOCUMENT, [{"op": name, "from": source, "path": path, "value": {"v": 1}}])
    assert (str(error.value), type(error.value)) == (text, Inapplicable)


def test_a_test_that_fails_is_told_from_one_that_cannot_be_made() -> None:
    with pytest.raises(FailedTest, match="testing value /data/a failed: test failed"):
        patch_document(DOCUMENT, [{"op": "test", "path": "/data/a", "value": "2"}])
