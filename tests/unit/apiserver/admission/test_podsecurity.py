"""The Pod Security Standards, with the words of a real server."""

from __future__ import annotations

import pytest

from roost.api.errors import Forbidden, Invalid
from roost.apiserver.admission.podsecurity import PodSecurity, policies_of
from roost.apiserver.admission.standards import violations

GOOD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
PLAIN = (
    'allowPrivilegeEscalation != false (container "c" must set'
    " securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container"
    ' "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or'
    ' container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container'
    ' "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
)


def told(level: str, pod: dict) -> str:
    return ", ".join(
        f"{violation.reason} ({violation.detail})" for violation in violations(level, pod)
    )


@pytest.mark.parametrize(
    ("context", "spec", "text"),
    [
        ({"privileged": True}, {},
         'privileged (container "c" must not set securityContext.privileged=true)'),
        (None, {"hostNetwork": True, "hostPID": True,
                "volumes": [{"name": "h", "hostPath": {"path": "/"}}]},
         'host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volume "h")'),
        ({"capabilities": {"add": ["SYS_ADMIN", "CHOWN"]}}, {},
         ('non-default capabilities (container "c" must not include "SYS_ADMIN" in'
         " securityContext.capabilities.add)")),
        ({"seLinuxOptions": {"type": "evil", "user": "u"}}, {},
         ('seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: type "evil";'
         " user may not be set)")),
        ({"seccompProfile": {"type": "Unconfined"}},
         {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
         ('seccompProfile (pod and container "c" must not set'
         ' securityContext.seccompProfile.type to "Unconfined")')),
        (None, {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
         "forbidden sysctls (kernel.msgmax)"),
        ({"procMount": "Unmasked"}, {},
         'procMount (container "c" must not set securityContext.procMount to "Unmasked")'),
        ({"procMount": "Unmasked"}, {"hostUsers": False}, ""),
        (GOOD, {}, ""),
    ],
)  # fmt: skip
def test_baseline(pod, context, spec, text):
    assert told("baseline", pod(context=context, **spec)) == text


def test_host_ports_are_listed(pod):
    given = pod()
    given["spec"]["containers"] = [
        {"name": "a", "ports": [{"hostPort": 80}, {"containerPort": 1}]},
        {"name": "b", "ports": [{"hostPort": 443}]},
    ]
    assert told("baseline", given) == 'hostPort (containers "a", "b" use hostPorts 443, 80)'


@pytest.mark.parametrize(
    ("context", "spec", "text"),
    [
        (None, {}, PLAIN),
        (GOOD, {}, ""),
        ({**GOOD, "runAsUser": 0}, {}, 'runAsUser=0 (container "c" must not set runAsUser=0)'),
        (GOOD, {"volumes": [{"name": "n", "nfs": {"server": "s"}}]},
         'restricted volume types (volume "n" uses restricted volume type "nfs")'),
        ({**GOOD, "runAsNonRoot": False}, {},
         'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)'),
        ({**GOOD, "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE"]}}, {},
         ('unrestricted capabilities (container "c" must not include "CHOWN" in'
         " securityContext.capabilities.add)")),
        ({"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
         {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "Localhost"}}}, ""),
    ],
)  # fmt: skip
def test_restricted(pod, context, spec, text):
    assert told("restricted", pod(context=context, **spec)) == text


def label(objects, **labels: str) -> None:
    metadata = objects.content["namespaces", "", "ns"]["metadata"]
    metadata["labels"] = {
        f"pod-security.kubernetes.io/{key.replace('_', '-')}": value
        for key, value in labels.items()
    }


def test_enforcing(run, asked, pod, objects):
    run(PodSecurity(), asked("pods", pod(context={"privileged": True})))
    label(objects, enforce="restricted")
    with pytest.raises(Forbidden) as error:
        run(PodSecurity(), asked("pods", pod()))
    assert error.value.message == (
        f'pods "p" is forbidden: violates PodSecurity "restricted:latest": {PLAIN}'
    )
    run(PodSecurity(), asked("pods", pod(context=GOOD)))


def test_ephemeral_containers_are_looked_at_too(run, asked, pod, objects):
    label(objects, enforce="baseline")
    old = pod()
    ephemeral = {"name": "e", "securityContext": {"privileged": True}}
    new = pod(ephemeralContainers=[ephemeral])
    request = asked("pods", new, operation="UPDATE", old=old, subresource="ephemeralcontainers")
    with pytest.raises(Forbidden, match='container "e" must not set'):
        run(PodSecurity(), request)


def test_a_pod_that_was_there_before_may_still_be_labelled(run, asked, pod, objects):
    label(objects, enforce="restricted")
    old, new = pod(), pod()
    new["metadata"]["labels"] = {"a": "b"}
    run(PodSecurity(), asked("pods", new, operation="UPDATE", old=old))


def test_what_makes_pods_is_warned_about(run, asked, pod, objects):
    label(objects, enforce="baseline")
    template = {"template": {"spec": pod(context={"privileged": True})["spec"]}}
    request = asked("apps/deployments", {"metadata": {"name": "d"}, "spec": template})
    run(PodSecurity(), request)
    assert request.warnings == [
        (
            'would violate PodSecurity "baseline:latest": privileged (container "c" must not set'
            " securityContext.privileged=true)"
        )
    ]
    job = {"metadata": {"name": "j"}, "spec": {"jobTemplate": {"spec": template}}}
    request = asked("batch/cronjobs", job)
    run(PodSecurity(), request)
    assert len(request.warnings) == 1


def test_tightening_a_namespace_names_the_pods_that_offend(run, asked, pod, objects):
    objects.put("pods", pod("w"))
    objects.put("pods", pod("x"))
    objects.put("pods", pod("good", context=GOOD))
    old = {"metadata": {"name": "ns"}}
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    new = {"metadata": {"name": "ns", "labels": labels}}
    request = asked("namespaces", new, operation="UPDATE", old=old)
    run(PodSecurity(), request)
    assert request.warnings == [
        (
            'existing pods in namespace "ns" violate the new PodSecurity enforce level'
            ' "restricted:latest"'
        ),
        (
            "w (and 1 other pod): allowPrivilegeEscalation != false, unrestricted capabilities,"
            " runAsNonRoot != true, seccompProfile"
        ),
    ]


def test_bad_labels(run, asked):
    labels = {
        "pod-security.kubernetes.io/enforce": "strict",
        "pod-security.kubernetes.io/warn-version": "v9",
    }
    new = {"metadata": {"name": "ns", "labels": labels}}
    with pytest.raises(Invalid) as error:
        run(PodSecurity(), asked("namespaces", new))
    assert error.value.message == (
        'Namespace "ns" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid'
        ' value: "strict": must be one of privileged, baseline, restricted,'
        " metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value:"
        ' "v9": must be "latest" or "v1.x"]'
    )


def test_a_level_that_cannot_be_read_enforces_the_strictest():
    policies = policies_of({"pod-security.kubernetes.io/enforce": "odd"})
    assert policies["enforce"].level == "restricted"
    policies = policies_of({"pod-security.kubernetes.io/warn": "odd"})
    assert policies["warn"].level == "privileged"
