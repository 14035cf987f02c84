"""How fast replicas may change: stabilisation windows and policies, over what was done before."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from roost.api.values import Object

DOWN_WINDOW_S = 300
_IN_RANGE = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_UP_LIMIT = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
)
_DOWN_LIMIT = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
)
_DOWN_STABLE = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, "  # noqa: ISC004 - one sentence
    "applying the highest recent recommendation",
)
_UP_STABLE = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_NEW_SCALE = ("ReadyForNewScale", "recommended size matches current size")

#: A reason and a message of a condition.
Words = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Memory:
    """What an autoscaler remembers: when it last looked, and (time, number) of what it thought and
    did. `spec` is the one that it acted on."""

    at: float = 0.0
    spec: Object | None = None
    recommended: tuple[tuple[float, int], ...] = ()
    added: tuple[tuple[float, int], ...] = ()
    removed: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what and from where replicas change."""

    least: int
    most: int
    current: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The replicas to have, with the words of AbleToScale and ScalingLimited."""

    replicas: int
    able: Words
    limited: bool
    why: Words
    memory: Memory


def normalize(
    desired: int, bounds: Bounds, behavior: Object | None, memory: Memory, now: float
) -> Verdict:
    """Return what becomes of a recommendation."""
    if not memory.recommended:
        memory = replace(memory, recommended=((now, bounds.current),))
    if behavior is None:
        stable, able = _highest(desired, memory, now)
        allowed, why = _within(stable, bounds)
        longest = float(DOWN_WINDOW_S)
    else:
        up, down = behavior.get("scaleUp") or {}, behavior.get("scaleDown") or {}
        stable, able = _stabilized(desired, bounds.current, (up, down), memory, now)
        allowed, why = _rated(stable, bounds, (up, down), memory, now)
        longest = float(max(_window(up, 0), _window(down, DOWN_WINDOW_S)))
    kept = tuple((at, n) for at, n in memory.recommended if at > now - longest)
    memory = replace(memory, recommended=(*kept, (now, desired)))
    return Verdict(allowed, able, allowed != stable, why, memory)


def scaled(memory: Memory, behavior: Object | None, change: int, now: float) -> Memory:
    """Return the memory after replicas have changed."""
    if behavior is None or not change:
        return memory
    direction = "scaleUp" if change > 0 else "scaleDown"
    policies = (behavior.get(direction) or {}).get("policies") or ()
    longest = max((policy["periodSeconds"] for policy in policies), default=0)
    old = memory.added if change > 0 else memory.removed
    events = (*((at, n) for at, n in old if at >= now - longest), (now, abs(change)))
    return replace(memory, added=events) if change > 0 else replace(memory, removed=events)


def _highest(desired: int, memory: Memory, now: float) -> tuple[int, Words]:
    recent = [n for at, n in memory.recommended if at >= now - DOWN_WINDOW_S]
    stable = max([desired, *recent])
    return stable, _DOWN_STABLE if stable != desired else _NEW_SCALE


def _within(desired: int, bounds: Bounds) -> tuple[int, Words]:
    """Without rules replicas at most double, or become four."""
    limit = max(2 * bounds.current, 4)
    most, why = (limit, _UP_LIMIT) if bounds.most > limit else (bounds.most, _TOO_MANY)
    if desired < bounds.least:
        return bounds.least, _TOO_FEW
    if desired > most:
        return most, why
    return desired, _IN_RANGE


def _window(rules: Object, default_s: int) -> int:
    value = rules.get("stabilizationWindowSeconds")
    return default_s if value is None else int(value)


def _stabilized(
    desired: int, current: int, rules: tuple[Object, Object], memory: Memory, now: float
) -> tuple[int, Words]:
    up_since = now - _window(rules[0], 0)
    down_since = now - _window(rules[1], DOWN_WINDOW_S)
    lowest = min([desired, *(n for at, n in memory.recommended if at > up_since)])
    highest = max([desired, *(n for at, n in memory.recommended if at > down_since)])
    stable = min(max(current, lowest), highest)
    if stable == desired:
        return stable, _NEW_SCALE
    return stable, _UP_STABLE if desired >= current else _DOWN_STABLE


def _rated(
    desired: int, bounds: Bounds, rules: tuple[Object, Object], memory: Memory, now: float
) -> tuple[int, Words]:
    current = bounds.current
    if desired > current:
        limit = max(_up_limit(current, rules[0], memory, now), current)
        most, why = (limit, _UP_LIMIT) if bounds.most > limit else (bounds.most, _TOO_MANY)
        if desired > most:
            return most, why
    elif desired < current:
        limit = min(_down_limit(current, rules[1], memory, now), current)
        least, why = (limit, _DOWN_LIMIT) if bounds.least < limit else (bounds.least, _TOO_FEW)
        if desired < least:
            return least, why
    return desired, _IN_RANGE


def _changed(events: Iterable[tuple[float, int]], since: float) -> int:
    return sum(n for at, n in events if at > since)


def _begins(current: int, policy: Object, memory: Memory, now: float) -> int:
    """Return the replicas at the begin of a policy's period."""
    since = now - policy["periodSeconds"]
    return current - _changed(memory.added, since) + _changed(memory.removed, since)


def _up_limit(current: int, rules: Object, memory: Memory, now: float) -> int:
    select = rules.get("selectPolicy") or "Max"
    limits: list[int] = []
    for policy in rules.get("policies") or ():
        begin, value = _begins(current, policy, memory, now), policy["value"]
        percent = policy["type"] == "Percent"
        limits.append(math.ceil(begin * (1 + value / 100)) if percent else begin + value)
    if select == "Disabled" or not limits:
        return current
    return min(limits) if select == "Min" else max(limits)


def _down_limit(current: int, rules: Object, memory: Memory, now: float) -> int:
    select = rules.get("selectPolicy") or "Max"
    limits: list[int] = []
    for policy in rules.get("policies") or ():
        begin, value = _begins(current, policy, memory, now), policy["value"]
        percent = policy["type"] == "Percent"
        limits.append(int(begin * (1 - value / 100)) if percent else begin - value)
    if select == "Disabled" or not limits:
        return current
    return max(limits) if select == "Min" else min(limits)
