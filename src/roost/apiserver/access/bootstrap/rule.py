"""A short way to write rules: words separated by spaces, `core` for the group without a name."""

from __future__ import annotations

from roost.api.values import Object

READ = "get list watch"
WRITE = "create update patch delete deletecollection"
READ_WRITE = f"{READ} {WRITE}"
READ_UPDATE = f"{READ} update patch"


def rule(verbs: str, groups: str, resources: str, names: str = "") -> Object:
    """Return a rule on resources, its lists in order of the alphabet as the real server has them."""
    made: Object = {
        "verbs": sorted(verbs.split()),
        "apiGroups": sorted("" if group == "core" else group for group in groups.split()),
        "resources": sorted(resources.split()),
    }
    if names:
        made["resourceNames"] = sorted(names.split())
    return made


def urls(paths: str) -> Object:
    """Return a rule that lets paths be read."""
    return {"verbs": ["get"], "nonResourceURLs": sorted(paths.split())}


EVENTS = rule("create update patch", "core events.k8s.io", "events")
