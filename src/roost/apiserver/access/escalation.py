"""Nobody grants what they do not hold: comparison of rules with rules.

A user who writes a role or a binding must already be covered by the rules it gives, unless they may
`escalate` or `bind`. A rule is broken into atoms (one verb on one resource of one group); each atom
must be covered by one rule that the user holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from roost.api.values import Object
from roost.apiserver.access.rbac import url_matches
from roost.apiserver.access.refusals import quote_list
from roost.apiserver.attributes import User

#: What a role with an aggregation rule may come to hold.
FULL_AUTHORITY: tuple[Object, ...] = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)
_FIELDS = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)


def missing_rules(held: Sequence[Object], wanted: Iterable[Object]) -> list[Object]:
    """Return the atoms of `wanted` that no rule in `held` covers."""
    atoms = (atom for rule in wanted for atom in atoms_of(rule))
    return [atom for atom in atoms if not any(rule_covers(rule, atom) for rule in held)]


def atoms_of(rule: Object) -> Iterator[Object]:
    """Yield the parts of a rule that name one verb and one resource (and name) or URL each."""
    verbs = rule.get("verbs") or ()
    names = rule.get("resourceNames") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                atom: Object = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                if not names:
                    yield atom
                for name in names:
                    yield {**atom, "resourceNames": [name]}
    for url in rule.get("nonResourceURLs") or ():
        for verb in verbs:
            yield {"verbs": [verb], "nonResourceURLs": [url]}


def rule_covers(owner: Object, atom: Object) -> bool:
    """Does a rule give at least what another gives?"""
    return (
        _covers_all(owner, atom, "verbs")
        and _covers_all(owner, atom, "apiGroups")
        and _covers_resources(owner.get("resources") or (), atom.get("resources") or ())
        and _covers_names(owner.get("resourceNames") or (), atom.get("resourceNames") or ())
        and all(
            _covers_url(owner.get("nonResourceURLs") or (), url)
            for url in atom.get("nonResourceURLs") or ()
        )
    )


def escalation_text(user: User, missing: Iterable[Object], errors: Sequence[str] = ()) -> str:
    """Return why a grant of `missing` is refused, each missing rule on its line."""
    rules = "\n".join(sorted(rule_text(rule) for rule in _compact(missing)))
    text = (
        f'user "{user.name}" (groups={quote_list(user.groups)}) is attempting to grant'
        f" RBAC permissions not currently held:\n{rules}"
    )
    return text + (f"; resolution errors: {_list_text(errors)}" if errors else "")


def rule_text(rule: Object) -> str:
    """Return a rule in one line: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`."""
    parts = [f"{label}:{quote_list(rule[key])}" for label, key in _FIELDS if rule.get(key)]
    return "{" + ", ".join(parts) + "}"


def _list_text(errors: Sequence[str]) -> str:
    return "[" + " ".join(errors) + "]"


def _covers_all(owner: Object, atom: Object, field: str) -> bool:
    have = owner.get(field) or ()
    return "*" in have or all(value in have for value in atom.get(field) or ())


def _covers_resources(have: Sequence[str], wanted: Sequence[str]) -> bool:
    if "*" in have:
        return True
    for resource in wanted:
        if resource in have:
            continue
        _, slash, subresource = resource.partition("/")
        if not slash or f"*/{subresource}" not in have:
            return False
    return True


def _covers_names(have: Sequence[str], wanted: Sequence[str]) -> bool:
    if not have:
        return True
    return bool(wanted) and all(name in have for name in wanted)


def _covers_url(have: Sequence[str], url: str) -> bool:
    return url in have or url_matches(have, url)


def _compact(atoms: Iterable[Object]) -> list[Object]:
    """Join the verbs of atoms that are about the same resource and name."""
    joined: dict[tuple[str, str, tuple[str, ...]], Object] = {}
    rest: list[Object] = []
    for atom in atoms:
        if not atom.get("resources"):
            rest.append(atom)
            continue
        names = tuple(atom.get("resourceNames") or ())
        key = (atom["apiGroups"][0], atom["resources"][0], names)
        if key in joined:
            known = joined[key]
            verbs = [verb for verb in atom["verbs"] if verb not in known["verbs"]]
            joined[key] = {**known, "verbs": known["verbs"] + verbs}
        else:
            joined[key] = atom
    return [*joined.values(), *rest]
