"""Admission of devices with admin access: by a label of the namespace."""

from __future__ import annotations

import pytest

from roost.api.errors import Invalid
from roost.apiserver.admission.adminaccess import DeviceAdminAccess

REQUESTS = [{"name": "a"}, {"name": "b", "exactly": {"deviceClassName": "c", "adminAccess": True}}]
SPEC = {"devices": {"requests": REQUESTS}}
RESULTS = {"allocation": {"devices": {"results": [{"adminAccess": True}]}}}


def claim(**more) -> dict:
    return {"metadata": {"name": "x", "namespace": "ns"}, **more}


@pytest.mark.parametrize(
    ("plural", "value", "more", "path"),
    [
        ("resourceclaims", claim(spec=SPEC), {}, "spec.devices.requests[1].adminAccess"),
        (
            "resourceclaimtemplates",
            claim(spec={"spec": SPEC}),
            {},
            "spec.devices.requests[1].adminAccess",
        ),
        (
            "resourceclaims",
            claim(status=RESULTS),
            {"operation": "UPDATE", "subresource": "status", "old": claim()},
            "status.allocation.devices.results[0].adminAccess",
        ),
    ],
)
def test_admin_access_needs_a_label(run, asked, objects, plural, value, more, path):
    labels: dict[str, str] = {}
    objects.put("namespaces", {"metadata": {"name": "ns", "labels": labels}})
    with pytest.raises(Invalid) as refused:
        run(DeviceAdminAccess(), asked(f"resource.k8s.io/{plural}", value, **more))
    [cause] = refused.value.details["causes"]
    assert cause["field"] == path
    assert cause["reason"] == "FieldValueForbidden"
    labels["resource.kubernetes.io/admin-access"] = "true"
    run(DeviceAdminAccess(), asked(f"resource.k8s.io/{plural}", value, **more))


def test_what_was_granted_stays(run, asked):
    more = {"operation": "UPDATE", "subresource": "status", "old": claim(status=RESULTS)}
    run(DeviceAdminAccess(), asked("resource.k8s.io/resourceclaims", claim(status=RESULTS), **more))
    run(DeviceAdminAccess(), asked("resource.k8s.io/resourceclaims", claim(spec={"devices": {}})))
