"""What an Accept header gets, and what it cannot get."""

import pytest

from roost.api.errors import NotAcceptable, StatusError
from roost.api.groups import ALL_KINDS
from roost.apiserver.negotiation import Form, check_shape, negotiate
from roost.apiserver.patching import JSON_PATCH, STRATEGIC_PATCH, check_type

KINDS = {(kind.group, kind.name): kind for kind in ALL_KINDS}
META = "v=v1;g=meta.k8s.io"


def test_discovery_has_no_other_form() -> None:
    assert negotiate(f"application/json;as=Table;{META},application/json", "discovery") == Form()
    with pytest.raises(NotAcceptable, match="only the following media types are accepted"):
        negotiate(f"application/json;as=Table;{META}", "discovery")


@pytest.mark.parametrize(
    ("group", "name", "shape", "form", "message"),
    [
        ("", "Pod", "object", "PartialObjectMetadataList", "is not a list (*core.Pod)"),
        ("apps", "Deployment", "list", "PartialObjectMetadata", "is a list (*apps.DeploymentList)"),
        ("events.k8s.io", "Event", "list", "PartialObjectMetadata", "is a list (*core.EventList)"),
    ],
)
def test_forms_of_lists_are_for_lists(
    group: str, name: str, shape: str, form: str, message: str
) -> None:
    found = negotiate(f"application/json;as={form};{META},application/json", shape)
    with pytest.raises(NotAcceptable) as caught:
        check_shape(found, shape, KINDS[group, name])
    assert caught.value.message == f"you requested {form}, but the requested object {message}"


def test_a_patch_makes_no_other_kind() -> None:
    def refused(body: dict[str, object]) -> str:
        with pytest.raises(StatusError) as caught:
            check_type(JSON_PATCH, [], body, KINDS["", "ConfigMap"])
        return caught.value.message

    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "9"}}
    assert refused(secret).endswith(": illegal base64 data at input byte 0")
    assert refused({"apiVersion": "v1", "kind": "Secret"}).endswith(
        "converting (v1.Secret) to (core.ConfigMap): unknown conversion"
    )
    assert refused({"apiVersion": "v1", "kind": "Gadget"}).endswith(
        'no kind "Gadget" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"'
    )


def test_a_patched_object_without_a_kind_is_of_the_one_that_is_wanted() -> None:
    body: dict[str, object] = {"apiVersion": "v1", "kind": ""}
    check_type(JSON_PATCH, [], body, KINDS["", "ConfigMap"])
    assert body["kind"] == "ConfigMap"


def test_nobody_reads_what_kind_a_strategic_patch_makes() -> None:
    body: dict[str, object] = {"apiVersion": "v2", "kind": "Secret"}
    check_type(STRATEGIC_PATCH, {}, body, KINDS["", "ConfigMap"])
    assert body == {"apiVersion": "v1", "kind": "ConfigMap"}
