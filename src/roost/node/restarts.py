"""Whether and when a container that ended is started again. Pure.

The delays are the kubelet's: the first restart is immediate, then 10 s, 20 s, 40 s ... 300 s; a
container that ran for ten minutes starts afresh.
"""

from __future__ import annotations

from roost.api.values import Object
from roost.node.facts import BackOff, ContainerFacts, Fault, Seen
from roost.node.podspec import Role, restart_policy

FIRST_DELAY_S = 10.0
MAX_DELAY_S = 300.0
RESET_S = 600.0
#: How long a broken configuration (a missing Secret, an impossible mount) waits to be looked at again.
CONFIG_RETRY_S = 10.0


def policy_of(pod: Object, role: Role, container: Object) -> str:
    """Return the restart policy of one container: Always, OnFailure or Never."""
    if role is Role.EPHEMERAL:
        return "Never"
    own: str | None = container.get("restartPolicy")
    if own:
        return own
    policy = restart_policy(pod)
    if role is Role.INIT and policy == "Always":
        return "OnFailure"  # an init container that succeeded has done its work
    return policy


def _rule_matches(rule: Object, exit_code: int) -> bool:
    codes = rule.get("exitCodes") or {}
    listed = exit_code in (codes.get("values") or ())
    return listed if codes.get("operator") == "In" else not listed


def restarts(pod: Object, role: Role, container: Object, seen: Seen) -> bool:
    """Tell whether policy starts the container again after it ended as `seen`."""
    if role is not Role.EPHEMERAL and seen.image and seen.image != container.get("image"):
        return True  # the Pod now names another image
    for rule in container.get("restartPolicyRules") or ():
        if rule.get("action") == "Restart" and _rule_matches(rule, seen.exit_code):
            return True
    policy = policy_of(pod, role, container)
    return policy == "Always" or (policy == "OnFailure" and not seen.succeeded)


def restart_at(facts: ContainerFacts) -> float:
    """Return the earliest time of the next start (in the past: now)."""
    seen, back_off = facts.seen, facts.back_off
    if seen is None or back_off is None or seen.finished_at - back_off.at > RESET_S:
        return 0.0
    if back_off.at > seen.finished_at:
        return 0.0  # this end was paid for already; the start itself failed
    return seen.finished_at + back_off.delay_s


def raised(facts: ContainerFacts, now: float) -> BackOff | None:
    """Return the back-off after a start that follows an end."""
    seen, back_off = facts.seen, facts.back_off
    if seen is None:
        return None
    if back_off is None or seen.finished_at - back_off.at > RESET_S:
        return BackOff(FIRST_DELAY_S, now)
    if back_off.at > seen.finished_at:
        return back_off
    return BackOff(min(MAX_DELAY_S, back_off.delay_s * 2), now)


def next_fault(
    before: Fault | None, reason: str, message: str, now: float, *, steady: bool = False
) -> Fault:
    """Return the fault after one more failure: delays double from 10 s to 300 s unless `steady`."""
    if before is None or steady or now - before.retry_at > RESET_S:
        delay = CONFIG_RETRY_S
    else:
        delay = min(MAX_DELAY_S, before.delay_s * 2)
    return Fault(reason, message, now, now + delay, delay)
