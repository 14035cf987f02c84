"""Values in the form in which Go prints them, for messages that contain them."""

from __future__ import annotations

from roost.api.values import Object


def go_selector(selector: Object | None) -> str:
    """Write a selector as Go's %+v does a pointer to one."""
    if selector is None:
        return "nil"
    labels = " ".join(f"{k}:{v}" for k, v in sorted((selector.get("matchLabels") or {}).items()))
    rules = " ".join(
        f"{{Key:{e['key']} Operator:{e['operator']} Values:[{' '.join(e.get('values') or ())}]}}"
        for e in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[{rules}],}}"
    )
