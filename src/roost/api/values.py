"""JSON values, the one data form of Roost.

Objects are plain JSON values. By convention they are immutable once they are stored or shared: who
wants to change one copies the path to the change first (`copy_of` copies all of it).
"""

from __future__ import annotations

from typing import Any, TypeAlias

#: A JSON object. Kubernetes objects, their parts and patches all have this type.
Object: TypeAlias = dict[str, Any]
#: Any JSON value.
Value: TypeAlias = Any


def nested_deeper(value: Value, levels: int) -> bool:
    """Are there more lists and objects in one another than `levels`?"""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            # Most values are texts, and this is quicker than to ask what they are not.
            if inner.__class__ is not str and isinstance(inner, (dict, list))
        ]
        if not layer:
            return False
    return True


def copy_of(value: Value) -> Value:
    """Return a deep copy of a JSON value (several times faster than copy.deepcopy)."""
    if isinstance(value, dict):
        return {key: copy_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_of(item) for item in value]
    return value
