"""Rules for definitions of custom resources: names, versions, columns and conversion.

What the schemas in them say is judged by whoever builds resources from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from roost.api import names
from roost.api.crd.formats import unknown_formats
from roost.api.crd.judging import check_schema, check_selectable
from roost.api.crd.shown import shown_schema
from roost.api.kind import Change
from roost.api.validation.causes import Causes, Structure
from roost.api.validation.conversions import check_conversion, is_established
from roost.api.validation.rules import Rules
from roost.api.values import Object

_SCOPES = ("Cluster", "Namespaced")
_NO_DEFAULTS = "must be false in order to use defaults in the schema"
_NO_CONVERSION = "must be None if spec.preserveUnknownFields is true"
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_APPROVAL = "api-approved.kubernetes.io"
_PROTECTED = (".k8s.io", ".kubernetes.io")
_PRESERVE = (
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
    "spec.versions[*].schema instead"
)
_WARNING_MAX_BYTES = 256
_UNPRINTABLE = "must only contain printable UTF-8 characters; non-printable character found"
_NOT_SIMPLE = "must be a simple json path starting with ."
#: What is spoken of once when all versions say the same.
_SHARED = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
_ONE_STORAGE = "must have exactly one version marked as storage version"


def _joined(path: str, value: str, faults: list[str], causes: Causes, before: str = "") -> None:
    if faults:
        causes.invalid(path, value, before + ",".join(faults))


def _definition(change: Change, causes: Causes) -> None:
    value = change.object
    spec: Object = value.get("spec") or {}
    if change.old is None:
        _name(value, spec, causes)
    _group(spec.get("group") or "", causes)
    causes.one_of("spec.scope", spec.get("scope") or "", _SCOPES)
    versions = spec.get("versions") or []
    shared = {key: _alike(versions, key) for key in _SHARED}
    if spec.get("preserveUnknownFields") and any(map(_has_default, map(_schema_of, versions))):
        causes.invalid("spec.preserveUnknownFields", spec["preserveUnknownFields"], _NO_DEFAULTS)
    _versions(versions, shared, causes)
    _names(spec.get("names") or {}, causes)
    if versions:
        _of_all(versions, shared, causes)
    strategy = (spec.get("conversion") or {}).get("strategy") or ""
    if spec.get("preserveUnknownFields") and strategy != "None":
        causes.invalid("spec.conversion.strategy", strategy, _NO_CONVERSION)
    if spec.get("conversion") is not None:
        check_conversion(spec["conversion"], change, causes)
    if change.old is not None:
        _kept(spec, change.old, causes)
    stored = (value.get("status") or {}).get("storedVersions")
    _stored(stored, versions, causes)
    if change.old is None or _approved(value) != _approved(change.old):
        _approval(value, spec, causes)
    if spec.get("preserveUnknownFields") and not _preserved(change.old):
        causes.invalid("spec.preserveUnknownFields", spec["preserveUnknownFields"], _PRESERVE)


def _preserved(old: Object | None) -> bool:
    return bool(((old or {}).get("spec") or {}).get("preserveUnknownFields"))


def _has_default(schema: Any) -> bool:
    """Does anything in a schema have a default?"""
    if not isinstance(schema, dict):
        return False
    parts = [schema.get("items"), schema.get("not"), schema.get("additionalProperties")]
    for key in ("allOf", "anyOf", "oneOf"):
        parts += schema.get(key) or ()
    parts += (schema.get("properties") or {}).values()
    return schema.get("default") is not None or any(map(_has_default, parts))


def _name(value: Object, spec: Object, causes: Causes) -> None:
    name = (value.get("metadata") or {}).get("name") or ""
    plural = (spec.get("names") or {}).get("plural") or ""
    if name and name != f"{plural}.{spec.get('group') or ''}":
        text = 'must be spec.names.plural+"."+spec.group'
        causes.invalid("metadata.name", name, text)


def _group(group: str, causes: Causes) -> None:
    if not group:
        causes.required("spec.group")
    elif names.check_subdomain(group):
        _joined("spec.group", group, names.check_subdomain(group), causes)
    elif "." not in group:
        causes.invalid("spec.group", group, "should be a domain with at least one dot")


def _versions(versions: list[Object], shared: Mapping[str, bool], causes: Causes) -> None:
    for index, version in enumerate(versions):
        if _schema_of(version) is None:
            causes.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    for index, version in enumerate(versions):
        here, name = f"spec.versions[{index}]", version.get("name") or ""
        _joined(f"{here}.name", name, names.check_label_1035(name), causes)
        _deprecation(version, f"{here}.deprecationWarning", causes)
        schema = _schema_of(version)
        if schema is not None and not shared["schema"]:
            where = f"{here}.schema.openAPIV3Schema"
            check_schema(schema, where, causes, status=_has_status(version))
        if not shared["subresources"]:
            _subresources(version, f"{here}.subresources", causes)
        if not shared["additionalPrinterColumns"]:
            _columns(version, f"{here}.additionalPrinterColumns", causes)
        if not shared["selectableFields"]:
            check_selectable(version, f"{here}.selectableFields", causes)
    if len({version.get("name") for version in versions}) != len(versions):
        shown = _shown(versions, shared)
        causes.invalid("spec.versions", shown, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        causes.invalid("spec.versions", _shown(versions, shared), _ONE_STORAGE)


def _of_all(versions: list[Object], shared: Mapping[str, bool], causes: Causes) -> None:
    """Check what all versions share; the real server speaks of it at the top."""
    first, schema = versions[0], _schema_of(versions[0])
    if schema is not None and shared["schema"]:
        status = any(map(_has_status, versions))
        check_schema(schema, "spec.validation.openAPIV3Schema", causes, status=status)
    if shared["subresources"]:
        _subresources(first, "spec.subresources", causes)
    if shared["additionalPrinterColumns"]:
        _columns(first, "spec.additionalPrinterColumns", causes)
    if shared["selectableFields"]:
        check_selectable(first, "spec.selectableFields", causes)


def _schema_of(version: Object) -> Object | None:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    return schema if isinstance(schema, dict) else None


def _has_status(version: Object) -> bool:
    return (version.get("subresources") or {}).get("status") is not None


def _deprecation(version: Object, path: str, causes: Causes) -> None:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        causes.invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > _WARNING_MAX_BYTES:
        causes.invalid(path, text, f"must be <= {_WARNING_MAX_BYTES} characters long")
    if not text:
        causes.invalid(path, text, "must not be an empty string")
    for index, letter in enumerate(text):
        if not letter.isprintable():
            at = len(text[:index].encode())
            causes.invalid(path, text, f"{_UNPRINTABLE} at index {at}")
            break


def _alike(versions: list[Object], key: str) -> bool:
    """Do all versions say the same? Then the real server speaks of it at the top."""
    return all(version.get(key) == versions[0].get(key) for version in versions)


def _shown(versions: list[Object], shared: Mapping[str, bool]) -> list[Structure]:
    """Return versions as they are shown: what all share is not in them."""
    rows = (
        ("Served", "served", False),
        ("Storage", "storage", False),
        ("Deprecated", "deprecated", False),
        ("DeprecationWarning", "deprecationWarning", None),
    )
    shown = []
    for version in versions:
        schema = None if shared["schema"] else _schema_of(version)
        one = Structure(
            Name=version.get("name") or "",
            **{name: version.get(key, unset) for name, key, unset in rows},
            Schema=None if schema is None else Structure(OpenAPIV3Schema=shown_schema(schema)),
            Subresources=None,
            AdditionalPrinterColumns=None,
            SelectableFields=None,
        )
        shown.append(one)
    return shown


def _columns(version: Object, path: str, causes: Causes) -> None:
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        here, kind = f"{path}[{index}]", column.get("type") or ""
        if not column.get("name"):
            causes.required(f"{here}.name")
        if not kind:
            causes.required(f"{here}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
        elif kind not in _COLUMN_TYPES:
            causes.invalid(f"{here}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}")
        form, where = column.get("format") or "", column.get("jsonPath") or ""
        if form and form not in _FORMATS:
            causes.invalid(f"{here}.format", form, f"must be one of {','.join(_FORMATS)}")
        if not where:
            causes.required(f"{here}.JSONPath")
        elif not where.startswith("."):
            causes.invalid(f"{here}.JSONPath", where, _NOT_SIMPLE)


def _subresources(version: Object, path: str, causes: Causes) -> None:
    scale = (version.get("subresources") or {}).get("scale")
    if scale is None:
        return
    for key, root in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        where = scale.get(key) or ""
        if not where:
            causes.required(f"{path}.scale.{key}")
        elif not where.startswith("."):
            causes.invalid(f"{path}.scale.{key}", where, _NOT_SIMPLE)
        elif not where.startswith(f"{root}."):
            causes.invalid(f"{path}.scale.{key}", where, f"should be a json path under {root}")
    labels = scale.get("labelSelectorPath") or ""
    if labels and not labels.startswith("."):
        causes.invalid(f"{path}.scale.labelSelectorPath", labels, _NOT_SIMPLE)
    elif labels and not labels.startswith((".spec.", ".status.")):
        text = "should be a json path under either .spec or .status"
        causes.invalid(f"{path}.scale.labelSelectorPath", labels, text)


def _names(value: Object, causes: Causes) -> None:
    for key in ("plural", "singular", "kind", "listKind"):
        if not value.get(key):
            causes.required(f"spec.names.{key}")
    _forms(value, "spec.names", causes)


def _forms(value: Object, path: str, causes: Causes) -> None:
    """Check the names that there are."""
    for key in ("plural", "singular"):
        text = value.get(key) or ""
        if text:
            _joined(f"{path}.{key}", text, names.check_label_1035(text), causes)
    for key in ("kind", "listKind"):
        text = value.get(key) or ""
        if text:
            faults = names.check_label_1035(text.lower())
            before = "may have mixed case, but should otherwise match: "
            _joined(f"{path}.{key}", text, faults, causes, before)
    for index, text in enumerate(value.get("shortNames") or ()):
        _joined(f"{path}.shortNames[{index}]", text, names.check_label_1035(text), causes)
    if value.get("kind") and value.get("kind") == value.get("listKind"):
        text = "kind and listKind may not be the same"
        causes.invalid(f"{path}.listKind", value["listKind"], text)
    for index, text in enumerate(value.get("categories") or ()):
        _joined(f"{path}.categories[{index}]", text, names.check_label_1035(text), causes)


def _status(change: Change, causes: Causes) -> None:
    accepted = (change.object.get("status") or {}).get("acceptedNames") or {}
    _forms(accepted, "status.acceptedNames", causes)


def _stored(stored: list[str] | None, versions: list[Object], causes: Causes) -> None:
    path = "status.storedVersions"
    if not stored:
        causes.invalid(path, None, "must have at least one stored version")
        return
    known: list[Any] = [version.get("name") for version in versions]
    storage = [version.get("name") for version in versions if version.get("storage")]
    if storage and storage[-1] not in stored:
        causes.invalid(path, stored, f"must have the storage version {storage[-1]}")
    for index, name in enumerate(stored):
        if name not in known:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must "
                "remain in spec.versions until a storage migration ensures no data remains "
                f"persisted in {name} and removes {name} from status.storedVersions"
            )
            causes.invalid(f"{path}[{index}]", name, text)


def _approval(value: Object, spec: Object, causes: Causes) -> None:
    """Groups of the project itself need its approval."""
    group = spec.get("group") or ""
    if not group.endswith(_PROTECTED) and group not in ("k8s.io", "kubernetes.io"):
        return
    state, path = _approved(value), f"metadata.annotations[{_APPROVAL}]"
    if state == "missing":
        causes.required(
            path,
            f'protected groups must have approval annotation "{_APPROVAL}", '
            "see https://github.com/kubernetes/enhancements/pull/1111",
        )
    elif state == "invalid":
        text = (
            f'protected groups must have approval annotation "{_APPROVAL}" with either a URL or '
            'a reason starting with "unapproved", '
            "see https://github.com/kubernetes/enhancements/pull/1111"
        )
        causes.invalid(path, value["metadata"]["annotations"][_APPROVAL], text)


def _approved(value: Object) -> str:
    """Return what the annotation of approval amounts to."""
    found = ((value.get("metadata") or {}).get("annotations") or {}).get(_APPROVAL) or ""
    if not found or found.startswith("unapproved"):
        return "bypassed" if found else "missing"
    try:
        url = urlsplit(found)
    except ValueError:
        return "invalid"
    return "approved" if url.scheme and url.netloc else "invalid"


def _unknown_formats(value: Object | None) -> list[str]:
    versions = ((value or {}).get("spec") or {}).get("versions") or []
    return [text for version in versions for text in unknown_formats(_schema_of(version))]


def _warn(change: Change) -> None:
    """Warn about formats that nobody checks, unless they were there before."""
    before = _unknown_formats(change.old)
    found = dict.fromkeys(_unknown_formats(change.object))
    change.warnings.extend(text for text in found if text not in before)


def _kept(spec: Object, old: Object, causes: Causes) -> None:
    """Some of it never changes; what objects are stored as not, once there may be some."""
    before = old.get("spec") or {}
    mine, had = spec.get("names") or {}, before.get("names") or {}
    if is_established(old):
        causes.unchanged("spec.scope", spec.get("scope") or "", before.get("scope"))
        causes.unchanged("spec.names.kind", mine.get("kind") or "", had.get("kind"))
    causes.unchanged("spec.group", spec.get("group") or "", before.get("group"))
    causes.unchanged("spec.names.plural", mine.get("plural") or "", had.get("plural"))


DEFINITION = Rules(
    always=_definition,
    status=_status,
    warn=_warn,
    namespaced=False,
    strict_finalizers=False,
    whole=False,
)
