"""Rules for containers: regular, init and ephemeral ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from roost.api import names
from roost.api.validation import environment, paths, probes, resources, security
from roost.api.validation.causes import Causes
from roost.api.values import Object

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_PROPAGATION = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")
_NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"
_NOT_FOR_EPHEMERAL = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe",
    "readinessProbe", "startupProbe", "lifecycle",
)  # fmt: skip
_EPHEMERAL = "cannot be set for an Ephemeral Container"
_RULE_ACTIONS = ("Restart", "RestartAllContainers")
_RULE_OPERATORS = ("In", "NotIn")
_RULES_MAX = 20
_RULE_VALUES_MAX = 255


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What the rules of a container must know of its pod. `grace_s` is its grace period."""

    volumes: Mapping[str, Object]
    claims: Collection[str]
    grace_s: int | None
    restart_policy: str
    host_users: bool


def all_containers(spec: Object, path: str) -> Iterable[tuple[Object, str]]:
    """Yield every container of a pod with its path: init, regular, ephemeral."""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            yield container, f"{path}.{key}[{index}]"


def regular(values: list[Object], facts: PodFacts, path: str, causes: Causes) -> None:
    """Check a pod's regular containers."""
    if not values:
        causes.required(path)
        return
    taken: set[str] = set()
    for index, value in enumerate(values):
        here, name = f"{path}[{index}]", value.get("name") or ""
        _common(value, facts, here, causes)
        if name in taken:
            causes.duplicate(f"{here}.name", name)
        taken.add(name)
        if value.get("lifecycle") is not None:
            probes.lifecycle(value["lifecycle"], facts.grace_s, f"{here}.lifecycle", causes)
        probes.probes(value, facts.grace_s, here, causes)
        _restart(value, here, causes)
    host_ports(values, path, causes)


def _restart(value: Object, path: str, causes: Causes) -> None:
    policy, rules = value.get("restartPolicy"), value.get("restartPolicyRules")
    if policy is not None and policy not in ("Always", "OnFailure", "Never"):
        causes.not_supported(f"{path}.restartPolicy", policy, ("Always", "OnFailure", "Never"))
    if rules and policy is None:
        text = "must specify restartPolicy when restart rules are used"
        causes.required(f"{path}.restartPolicy", text)
    if rules and len(rules) > _RULES_MAX:
        causes.too_many(f"{path}.restartPolicyRules", len(rules), _RULES_MAX)
    for index, rule in enumerate(rules or ()):
        here = f"{path}.restartPolicyRules[{index}]"
        action = rule.get("action") or ""
        if action not in _RULE_ACTIONS:
            causes.not_supported(f"{here}.action", action, _RULE_ACTIONS)
        codes = rule.get("exitCodes")
        if codes is None:
            causes.required(f"{here}.exitCodes", "must be specified")
            continue
        operator, values = codes.get("operator") or "", codes.get("values") or []
        if operator not in _RULE_OPERATORS:
            causes.not_supported(f"{here}.exitCodes.operator", operator, _RULE_OPERATORS)
        if len(values) > _RULE_VALUES_MAX:
            causes.too_many(f"{here}.exitCodes.values", len(values), _RULE_VALUES_MAX)


def init(
    values: list[Object], others: list[Object], facts: PodFacts, path: str, causes: Causes
) -> None:
    """Check a pod's init containers; those with restartPolicy Always are sidecars."""
    taken = {other.get("name") or "" for other in others}
    for index, value in enumerate(values):
        here, name = f"{path}[{index}]", value.get("name") or ""
        _common(value, facts, here, causes)
        _restart(value, here, causes)
        if name in taken:
            causes.duplicate(f"{here}.name", name)
        elif name:
            taken.add(name)
        host_ports([value], path, causes)
        if value.get("restartPolicy") == "Always":
            if value.get("lifecycle") is not None:
                probes.lifecycle(value["lifecycle"], facts.grace_s, f"{here}.lifecycle", causes)
            probes.probes(value, facts.grace_s, here, causes)
        else:
            for key in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if value.get(key) is not None:
                    causes.forbidden(f"{here}.{key}", _NOT_FOR_INIT)


def ephemeral(
    values: list[Object], others: list[Object], facts: PodFacts, path: str, causes: Causes
) -> None:
    """Check containers that were added to a running pod to look into it."""
    fixed = {other.get("name") or "" for other in others}
    taken = set(fixed)
    for index, value in enumerate(values):
        here, name = f"{path}[{index}]", value.get("name") or ""
        _common(value, facts, here, causes)
        image_of_pod(value, here, causes)
        if name in taken:
            causes.duplicate(f"{here}.name", name)
        taken.add(name)
        target = value.get("targetContainerName")
        if target and target not in fixed:
            causes.not_found(f"{here}.targetContainerName", target)
        for key in _NOT_FOR_EPHEMERAL:
            if value.get(key):
                causes.forbidden(f"{here}.{key}", _EPHEMERAL)
        for at, mount in enumerate(value.get("volumeMounts") or ()):
            for key in ("subPath", "subPathExpr"):
                if mount.get(key):
                    causes.forbidden(f"{here}.volumeMounts[{at}].{key}", _EPHEMERAL)


def image_of_pod(value: Object, path: str, causes: Causes) -> None:
    """Refuse blanks around the image of a pod's container; templates may have them."""
    image = value.get("image") or ""
    if image != image.strip():
        text = "must not have leading or trailing whitespace"
        causes.invalid(f"{path}.image", image, text)


def _common(value: Object, facts: PodFacts, path: str, causes: Causes) -> None:
    name = value.get("name")
    if not name:
        causes.required(f"{path}.name")
    else:
        causes.faults(f"{path}.name", name, names.check_label(name))
    if not value.get("image"):
        causes.required(f"{path}.image")
    policy = value.get("terminationMessagePolicy")
    causes.one_of(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
    if value.get("ports"):
        _ports(value["ports"], f"{path}.ports", causes)
    if value.get("env"):
        environment.variables(value["env"], f"{path}.env", causes)
    if value.get("envFrom"):
        environment.sources(value["envFrom"], f"{path}.envFrom", causes)
    mounts, devices = value.get("volumeMounts"), value.get("volumeDevices")
    if mounts:
        _mounts(value, mounts, facts.volumes, f"{path}.volumeMounts", causes)
    if devices:
        _devices(devices, mounts or [], facts.volumes, f"{path}.volumeDevices", causes)
    causes.one_of(f"{path}.imagePullPolicy", value.get("imagePullPolicy"), PULL_POLICIES)
    resources.requirements(value.get("resources"), f"{path}.resources", causes, claims=facts.claims)
    if value.get("resizePolicy"):
        _resize(value["resizePolicy"], facts.restart_policy, f"{path}.resizePolicy", causes)
    security.container(
        value.get("securityContext"),
        f"{path}.securityContext",
        causes,
        host_users=facts.host_users,
    )


def _ports(values: list[Object], path: str, causes: Causes) -> None:
    taken: set[str] = set()
    for index, port in enumerate(values):
        here, name = f"{path}[{index}]", port.get("name")
        if name:
            faults = names.check_port_name(name)
            causes.faults(f"{here}.name", name, faults)
            if not faults and name in taken:
                causes.duplicate(f"{here}.name", name)
            elif not faults:
                taken.add(name)
        number = port.get("containerPort") or 0
        if not number:
            causes.required(f"{here}.containerPort")
        else:
            causes.faults(f"{here}.containerPort", number, names.check_port_number(number))
        host = port.get("hostPort") or 0
        if host:
            causes.faults(f"{here}.hostPort", host, names.check_port_number(host))
        causes.one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def host_ports(values: list[Object], path: str, causes: Causes) -> None:
    """Refuse two uses of one port of the node."""
    taken: set[str] = set()
    for index, value in enumerate(values):
        for at, port in enumerate(value.get("ports") or ()):
            number = port.get("hostPort")
            if not number:
                continue
            key = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{number}"
            if key in taken:
                causes.duplicate(f"{path}[{index}].ports[{at}].hostPort", key)
            taken.add(key)


def _mounts(
    container: Object,
    values: list[Object],
    volumes: Mapping[str, Object],
    path: str,
    causes: Causes,
) -> None:
    devices = {d.get("name"): d.get("devicePath") for d in container.get("volumeDevices") or ()}
    taken: set[str] = set()
    for index, mount in enumerate(values):
        here, name, where = (
            f"{path}[{index}]",
            mount.get("name") or "",
            mount.get("mountPath") or "",
        )
        if not name:
            causes.required(f"{here}.name")
        if name not in volumes:
            causes.not_found(f"{here}.name", name)
        if not where:
            causes.required(f"{here}.mountPath")
        if where in taken:
            causes.invalid(f"{here}.mountPath", where, "must be unique")
        taken.add(where)
        if name in devices:
            causes.invalid(f"{here}.name", name, "must not already exist in volumeDevices")
        if devices and where in devices.values():
            text = "must not already exist as a path in volumeDevices"
            causes.invalid(f"{here}.mountPath", where, text)
        _sub_paths(mount, volumes.get(name) or {}, here, path, causes)
        _propagation(mount, container, path, causes)


def _sub_paths(mount: Object, volume: Object, here: str, path: str, causes: Causes) -> None:
    # Two of these name the list of mounts, not the mount: so does the real server.
    sub, expression = mount.get("subPath"), mount.get("subPathExpr")
    if volume.get("image") is not None:
        for key, value in (("subPath", sub), ("subPathExpr", expression)):
            if value:
                causes.invalid(f"{here}.{key}", value, "not allowed in image volume sources")
    if sub:
        paths.descending(sub, f"{path}.subPath", causes)
    if expression:
        if sub:
            text = "subPathExpr and subPath are mutually exclusive"
            causes.invalid(f"{here}.subPathExpr", expression, text)
        paths.descending(expression, f"{path}.subPathExpr", causes)


def _propagation(mount: Object, container: Object, path: str, causes: Causes) -> None:
    mode, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if mode is not None:
        if mode not in _PROPAGATION:
            causes.not_supported(f"{path}.mountPropagation", mode, _PROPAGATION)
        privileged = (container.get("securityContext") or {}).get("privileged")
        if mode == "Bidirectional" and not privileged:
            text = "Bidirectional mount propagation is available only to privileged containers"
            causes.forbidden(f"{path}.mountPropagation", text)
    if recursive in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            text = "may only be specified when readOnly is true"
            causes.forbidden(f"{path}.recursiveReadOnly", text)
        if mode not in (None, "None"):
            text = "may only be specified when mountPropagation is None or not specified"
            causes.forbidden(f"{path}.recursiveReadOnly", text)
    elif recursive not in (None, "Disabled"):
        causes.not_supported(f"{path}.recursiveReadOnly", recursive, _RECURSIVE)


def _devices(
    values: list[Object],
    mounts: list[Object],
    volumes: Mapping[str, Object],
    path: str,
    causes: Causes,
) -> None:
    mounted = {mount.get("name"): mount.get("mountPath") for mount in mounts}
    taken_names: set[str] = set()
    taken_paths: set[str] = set()
    for index, device in enumerate(values):
        here, name, where = (
            f"{path}[{index}]",
            device.get("name") or "",
            device.get("devicePath") or "",
        )
        volume = volumes.get(name)
        if not name:
            causes.required(f"{here}.name")
        if name in taken_names:
            causes.invalid(f"{here}.name", name, "must be unique")
        if volume is None:
            causes.not_found(f"{here}.name", name)
        elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
            text = (
                "can only use volume source type of PersistentVolumeClaim or Ephemeral "
                "for block mode"
            )
            causes.invalid(f"{here}.name", name, text)
        if not where:
            causes.required(f"{here}.devicePath")
        if where in taken_paths:
            causes.invalid(f"{here}.devicePath", where, "must be unique")
        if ".." in where.split("/"):
            causes.invalid(f"{here}.devicePath", where, "can not contain backsteps ('..')")
        else:
            taken_paths.add(where)
        if name in mounted:
            causes.invalid(f"{here}.name", name, "must not already exist in volumeMounts")
        if where in mounted.values():
            text = "must not already exist as a path in volumeMounts"
            causes.invalid(f"{here}.devicePath", where, text)
        taken_names.add(name)


def _resize(values: list[Object], restart_policy: str, path: str, causes: Causes) -> None:
    taken: set[str] = set()
    for index, value in enumerate(values):
        name, policy = value.get("resourceName") or "", value.get("restartPolicy") or ""
        if name in taken:
            causes.duplicate(f"{path}[{index}]", name)
        taken.add(name)
        causes.one_of(path, name, ("cpu", "memory"))
        causes.one_of(path, policy, ("NotRequired", "RestartContainer"))
        if restart_policy == "Never" and policy != "NotRequired":
            text = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            causes.invalid(path, policy, text)
