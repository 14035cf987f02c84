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


WINDOWS = {"os": {"name": "windows"}}


@pytest.mark.parametrize(
    ("level", "version", "spec", "reasons"),
    [
        (
            "baseline",
            "v1.26",
            {"sysctls": "net.ipv4.ip_local_reserved_ports"},
            ["forbidden sysctls"],
        ),
        ("baseline", "v1.27", {"sysctls": "net.ipv4.ip_local_reserved_ports"}, []),
        ("baseline", "v1.31", {"sysctls": "net.ipv4.tcp_rmem"}, ["forbidden sysctls"]),
        ("baseline", "latest", {"sysctls": "net.ipv4.tcp_rmem"}, []),
        ("baseline", "v1.30", {"type": "container_engine_t"}, ["seLinuxOptions"]),
        ("baseline", "v1.31", {"type": "container_engine_t"}, []),
        ("baseline", "v1.33", {"probe": "192.0.2.1"}, []),
        ("baseline", "v1.34", {"probe": "192.0.2.1"}, ["probe or lifecycle host"]),
        ("baseline", "v1.18", {"seccomp": "Unconfined"}, []),
        ("baseline", "v1.19", {"seccomp": "Unconfined"}, ["seccompProfile"]),
        ("baseline", "v1.18", {"annotation": "unconfined"}, ["seccompProfile"]),
        ("baseline", "v1.19", {"annotation": "unconfined"}, []),
        ("restricted", "v1.7", {}, ["runAsNonRoot != true"]),
        ("restricted", "v1.999", WINDOWS, ["runAsNonRoot != true"]),
    ],
)
def test_a_version_is_judged_as_it_was(pod, level: str, version: str, spec, reasons: list[str]):
    found = violations(level, made_of(pod, spec), version)
    assert [one.reason for one in found] == reasons


def made_of(pod, wanted: dict) -> dict:
    """Return a pod with one thing that a version may or may not allow."""
    context: dict = {}
    if name := wanted.get("sysctls"):
        context["sysctls"] = [{"name": name, "value": "1"}]
    if kind := wanted.get("type"):
        context["seLinuxOptions"] = {"type": kind}
    if kind := wanted.get("seccomp"):
        context["seccompProfile"] = {"type": kind}
    made = pod(securityContext=context, **{k: v for k, v in wanted.items() if k == "os"})
    if host := wanted.get("probe"):
        made["spec"]["containers"][0]["livenessProbe"] = {"tcpSocket": {"port": 1, "host": host}}
    if value := wanted.get("annotation"):
        made["metadata"]["annotations"] = {"seccomp.security.alpha.kubernetes.io/pod": value}
    return made


def test_restricted_asks_for_more_with_time(pod):
    def reasons(version: str, **spec) -> set[str]:
        return {one.reason for one in violations("restricted", pod(**spec), version)}

    escalation, capabilities = "allowPrivilegeEscalation != false", "unrestricted capabilities"
    non_root, root = "runAsNonRoot != true", "runAsUser=0"
    as_root = {"securityContext": {"runAsUser": 0}}
    assert reasons("v1.18") == {escalation, non_root}
    assert reasons("v1.21") == {escalation, non_root, "seccompProfile"}
    assert reasons("v1.22", **as_root) == {escalation, non_root, "seccompProfile", capabilities}
    assert root in reasons("v1.23", **as_root)
    assert reasons("v1.24", **WINDOWS) == {escalation, non_root, "seccompProfile", capabilities}
    assert reasons("v1.25", **WINDOWS) == {non_root}
    assert {non_root, root} <= reasons("v1.34", hostUsers=False, **as_root)
    assert not {non_root, root} & reasons("v1.35", hostUsers=False, **as_root)


def test_namespaces_choose_the_version(run, asked, pod, objects):
    sysctl = {"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports", "value": "1"}]}
    label(objects, enforce="baseline", enforce_version="v1.26")
    with pytest.raises(Forbidden) as error:
        run(PodSecurity(), asked("pods", pod(securityContext=sysctl)))
    assert 'violates PodSecurity "baseline:v1.26"' in error.value.message
    label(objects, enforce="baseline", enforce_version="v1.27")
    run(PodSecurity(), asked("pods", pod(securityContext=sysctl)))


def test_the_audit_log_is_told(run, asked, pod, objects):
    label(objects, enforce="baseline", audit="restricted")
    request = asked("pods", pod())
    run(PodSecurity(), request)
    assert request.audit == {
        "pod-security.kubernetes.io/enforce-policy": "baseline:latest",
        "pod-security.kubernetes.io/audit-violations": (
            f'would violate PodSecurity "restricted:latest": {PLAIN}'
        ),
    }


def test_an_own_user_namespace_keeps_the_masks_of_proc_where_it_is_restricted(pod):
    unmasked = pod(hostUsers=False)
    unmasked["spec"]["containers"][0]["securityContext"] = {"procMount": "Unmasked"}

    def reasons(level: str, version: str) -> list[str]:
        return [one.reason for one in violations(level, unmasked, version)]

    assert reasons("baseline", "v1.34") == ["procMount"]
    assert reasons("baseline", "v1.35") == []
    assert reasons("restricted", "v1.34")[0] == "procMount"
    assert reasons("restricted", "v1.35")[:4] == [
        "allowPrivilegeEscalation != false",
        "unrestricted capabilities",
        "procMount",
        "seccompProfile",
    ]


def test_no_probe_names_its_host(pod):
    made = pod()
    first = made["spec"]["containers"][0]
    made["spec"]["containers"] = [
        {**first, "name": name, "livenessProbe": {"httpGet": {"port": 1, "host": host}}}
        for name, host in (("b", "127.0.0.1"), ("a", "::1"))
    ]
    (found,) = violations("baseline", made, "latest")
    assert found.detail == ('containers "a", "b" use probe or lifecycle hosts "127.0.0.1", "::1"')


@pytest.mark.parametrize(
    ("annotations", "of_pod", "of_container", "reason", "detail"),
    [
        ({}, "Unconfined", "Unconfined", "profile", 'pod and container "c" {} "Unconfined"'),
        ({"c": "x"}, None, None, "profile", 'annotation {} "KEYc="x""'),
        (
            {"c": "x", "b": "unconfined", "a": "runtime/default"},
            "Unconfined",
            None,
            "profiles",
            'pod and annotations {} "Unconfined", "KEYb="unconfined"", "KEYc="x""',
        ),
    ],
)
def test_profiles_of_apparmor(pod, annotations, of_pod, of_container, reason, detail):
    key = "container.apparmor.security.beta.kubernetes.io/"
    made = pod(securityContext={"appArmorProfile": {"type": of_pod}} if of_pod else {})
    made["metadata"]["annotations"] = {key + name: text for name, text in annotations.items()}
    container = made["spec"]["containers"][0]
    container["name"] = "c"
    if of_container:
        container["securityContext"] = {"appArmorProfile": {"type": of_container}}
    (found,) = violations("baseline", made, "latest")
    assert found.reason == f"forbidden AppArmor {reason}"
    assert found.detail == detail.format("must not set AppArmor profile type to").replace(
        "KEY", key
    )
