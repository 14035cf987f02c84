"""Strategic merge patch: a merge patch that knows which lists are merged, and by which key.

The schema says so (`merge_key`, `merge_strategies`); directives in the patch change what happens:
`$patch: replace | delete`, `$retainKeys`, `$deleteFromPrimitiveList/<list>` and
`$setElementOrder/<list>`. The given document is shared with the result where it did not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roost.api.errors import BadRequest
from roost.api.patches.merge_patch import TOO_DEEP, check_patch_object
from roost.api.patches.typed import child_of, items_of
from roost.api.schema.node import Node
from roost.api.values import Object, Value

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"


def apply_strategic_patch(document: Object, patch: Any, node: Node) -> Object:
    """Return the patched document; raise BadRequest for a patch that makes no sense."""
    patch = check_patch_object(patch)
    try:
        out = _map(document, patch, node.resolve())
    except RecursionError:
        raise BadRequest(TOO_DEEP) from None
    # Even a root that is replaced stays an object of its kind.
    for key in ("apiVersion", "kind"):
        if key in document and key not in patch:
            out[key] = document[key]
    return out


def _shown(value: Value) -> str:
    """Return a value as Go prints it with %v, for messages."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_shown(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_shown, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def _no_key(item: Object, key: str) -> BadRequest:
    return BadRequest(f"map: {_shown(item)} does not contain declared merge key: {key}")


def _bad_directive(name: Any, item: Object) -> BadRequest:
    return BadRequest(f"unknown patch type: {_shown(name)} in map: {_shown(item)}")


def _bad_format(directive: str) -> BadRequest:
    return BadRequest(f"invalid patch format of {directive}")


def _wrong_type(value: Value, wanted: str) -> BadRequest:
    names = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}",
             dict: "map[string]interface {}"}  # fmt: skip
    return BadRequest(f"expected a {wanted}, but received a {names.get(type(value), '<nil>')}")


def _map(document: Object, patch: Object, node: Node) -> Object:
    if _DIRECTIVE in patch:
        directive = patch[_DIRECTIVE]
        if directive == "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        if directive == "delete":
            return {}
        raise _bad_directive(directive, patch)
    out = _retained(document, patch)
    done = _ordered_lists(out, patch, node)
    for key, value in patch.items():
        if key == _RETAIN or key in done or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE_PRIMITIVES):
            _delete_primitives(out, key, value)
        elif value is None:
            out.pop(key, None)
        else:
            out[key] = _member(out, key, value, child_of(node, key))
    return out


def _member(out: Object, key: str, value: Value, child: Node) -> Value:
    """Return the new value of a member that the patch mentions."""
    have = out.get(key)
    if isinstance(value, dict) and isinstance(have, dict):
        return value if _strategy(child) == "replace" else _map(have, value, child)
    if isinstance(value, list) and isinstance(have, list):
        return _list(have, value, child) if _strategy(child) == "merge" else value
    return _bare(value)


def _strategy(node: Node) -> str:
    """Return the strategy beside retainKeys, which only says that the directive is understood."""
    return next((name for name in node.merge_strategies if name != "retainKeys"), "")


def _bare(value: Value) -> Value:
    """Return what a patch adds where nothing was: without directives and nulls."""
    if isinstance(value, dict):
        if _DIRECTIVE in value:
            return {}
        return {
            key: _bare(item)
            for key, item in value.items()
            if item is not None
            and key != _RETAIN
            and not key.startswith((_DELETE_PRIMITIVES, _ORDER))
        }
    if isinstance(value, list):
        return [
            _bare(item) for item in value if not (isinstance(item, dict) and _DIRECTIVE in item)
        ]
    return value


def _retained(document: Object, patch: Object) -> Object:
    if _RETAIN not in patch:
        return dict(document)
    if not isinstance(patch[_RETAIN], list):
        raise _bad_format(_RETAIN)
    keys = {key for key in patch[_RETAIN] if isinstance(key, str)}
    for key, value in patch.items():
        special = key == _RETAIN or key.startswith((_DELETE_PRIMITIVES, _ORDER))
        if value is not None and not special and key not in keys:
            raise _bad_format(_RETAIN)
    return {key: value for key, value in document.items() if key in keys}


def _named(key: str, prefix: str) -> str:
    """Return the list that a directive such as $setElementOrder/containers is for."""
    start, slash, name = key.partition("/")
    if start != prefix or not slash:
        raise _bad_format(prefix)
    return name


def _delete_primitives(out: Object, key: str, gone: Value) -> None:
    name = _named(key, _DELETE_PRIMITIVES)
    if name not in out or gone is None:
        return
    if not isinstance(gone, list) or not isinstance(out[name], list):
        raise _bad_format(_DELETE_PRIMITIVES)
    keys = {_key_of(item, "") for item in gone}
    out[name] = [item for item in out[name] if isinstance(item, (dict, list)) or item not in keys]


def _ordered_lists(out: Object, patch: Object, node: Node) -> set[str]:
    """Merge the lists whose order the patch says; return their names."""
    done: set[str] = set()
    for key, order in patch.items():
        if not key.startswith(_ORDER):
            continue
        name = _named(key, _ORDER)
        if not isinstance(order, list):
            raise _wrong_type(order, "[]interface {}")
        live, wanted = out.get(name), patch.get(name)
        for items in (live, wanted):
            if items is not None and not isinstance(items, list):
                raise _wrong_type(items, "[]interface {}")
        child = child_of(node, name)
        merge_key = child.merge_key
        _check_order(wanted or [], order, merge_key)
        if live is None and wanted is None:
            continue
        if wanted is None:
            merged = live
        elif live is None:
            merged = _bare(wanted)
        elif _strategy(child) == "merge":
            merged = _list(live, wanted, child)
        else:
            merged = wanted
        out[name] = _in_order(merged or [], order, live or [], merge_key)
        done.add(name)
    return done


def _key_of(item: Value, merge_key: str) -> Any:
    """Return what an item is known by: a scalar."""
    key = item
    if merge_key:
        if not isinstance(item, dict):
            raise _wrong_type(item, "map[string]interface {}")
        if merge_key not in item:
            raise _no_key(item, merge_key)
        key = item[merge_key]
    if isinstance(key, (dict, list)):
        raise _wrong_type(key, "string")
    return key


def _check_order(wanted: Sequence[Value], order: Sequence[Value], merge_key: str) -> None:
    """The items of the patch must be in the order list, in that order."""
    if not order or not wanted:
        return
    keys = iter([_key_of(item, merge_key) for item in order])
    for item in wanted:
        if isinstance(item, dict) and _DIRECTIVE in item:
            continue
        if _key_of(item, merge_key) not in keys:
            raise BadRequest(
                f"The order in patch list:\n{_shown(list(wanted))}\n doesn't match {_ORDER} "
                f"list:\n{_shown(list(order))}\n"
            )


def _list(live: list[Value], patch: list[Value], node: Node) -> list[Value]:
    """Merge two lists by key, or as sets of primitives."""
    if not live and not patch:
        return live
    merge_key = node.merge_key
    if not any(isinstance(item, dict) for item in (*live, *patch)):
        merged = list(dict.fromkeys(_key_of(item, "") for item in (*live, *patch)))
        return _in_order(merged, patch, live, "")
    if not merge_key:
        raise BadRequest("cannot merge lists without merge key for type struct")
    kept, plain, replaced = _special_items(live, patch, merge_key)
    if replaced:
        return plain
    items = items_of(node)
    merged = list(kept)
    places: dict[Any, int] = {}
    for index, item in enumerate(merged):
        places.setdefault(_key_of(item, merge_key), index)
    for item in plain:
        key = _key_of(item, merge_key)
        if key in places:
            merged[places[key]] = _map(merged[places[key]], item, items)
        else:
            places[key] = len(merged)
            merged.append(_bare(item))
    return _in_order(merged, plain, live, merge_key)


def _special_items(
    live: list[Value], patch: list[Value], merge_key: str
) -> tuple[list[Value], list[Value], bool]:
    """Return (live items that stay, patch items without directive, is the list replaced?)."""
    plain: list[Value] = []
    gone: set[Any] = set()
    replaced = False
    for item in patch:
        if not isinstance(item, dict):
            raise _wrong_type(item, "map[string]interface {}")
        directive = item.get(_DIRECTIVE)
        if _DIRECTIVE not in item:
            plain.append(item)
        elif directive == "delete":
            gone.add(_key_of(item, merge_key))
        elif directive == "replace":
            replaced = True
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise _bad_directive(directive, item)
    kept = [item for item in live if _key_of(item, merge_key) not in gone] if gone else live
    return kept, plain, replaced


def _in_order(
    merged: Sequence[Value], order: Sequence[Value], live: Sequence[Value], merge_key: str
) -> list[Value]:
    """Put the items in the order of the patch, and the others among them as they were."""
    ranks: dict[Any, int] = {}
    for index, item in enumerate(order):
        ranks.setdefault(_key_of(item, merge_key), index)
    before: dict[Any, int] = {}
    for index, item in enumerate(live):
        before.setdefault(_key_of(item, merge_key), index)
    keyed = [(_key_of(item, merge_key), item) for item in merged]
    left = sorted((pair for pair in keyed if pair[0] in ranks), key=lambda pair: ranks[pair[0]])
    right = [pair for pair in keyed if pair[0] not in ranks]
    out: list[Value] = []
    taken = 0
    for key, item in left:
        while taken < len(right):
            other = right[taken][0]
            if key not in before or other not in before or before[key] < before[other]:
                break
            out.append(right[taken][1])
            taken += 1
        out.append(item)
    out.extend(item for _, item in right[taken:])
    return out
