"""Which fields each kind may be selected by, and what is said of others."""

from __future__ import annotations

import pytest

from roost.api.errors import BadRequest
from roost.api.groups import ALL_KINDS
from roost.apiserver.selection import parse_selection

KINDS = {(kind.group, kind.plural): kind for kind in ALL_KINDS}
ONLY_NAMES = '"{}" is not a known field selector: only "metadata.name", "metadata.namespace"'
NOT_SUPPORTED = "field label not supported: {}"


@pytest.mark.parametrize(
    ("group", "plural", "field", "words"),
    [
        ("", "nodes", "metadata.namespace", NOT_SUPPORTED),
        ("", "namespaces", "metadata.namespace", NOT_SUPPORTED),
        ("certificates.k8s.io", "certificatesigningrequests", "metadata.namespace", NOT_SUPPORTED),
        ("", "pods", "spec.image", NOT_SUPPORTED),
        ("", "persistentvolumes", "name", ONLY_NAMES),
        ("apps", "replicasets", "status.replicas", ONLY_NAMES),
        ("batch", "jobs", "spec.x", 'field label "{}" not supported for Job'),
    ],
)
def test_what_may_not_be_selected_by(group, plural, field, words):
    with pytest.raises(BadRequest) as refused:
        parse_selection(KINDS[group, plural], "", f"{field}=1")
    assert refused.value.message == words.format(field)


@pytest.mark.parametrize(
    ("group", "plural", "field"),
    [
        ("", "pods", "metadata.namespace"),
        ("", "pods", "spec.host"),
        ("", "persistentvolumes", "metadata.namespace"),
        ("batch", "jobs", "status.successful"),
    ],
)
def test_what_may_be_selected_by(group, plural, field):
    assert not parse_selection(KINDS[group, plural], "", f"{field}=1").empty
