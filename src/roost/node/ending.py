"""Plans for a pod that is to end: stop its containers, its sandbox, and tell the API. Pure.

Part of decide.plan_pod. Sidecars outlive what they serve: they are stopped last, in reverse order.
"""

from __future__ import annotations

from dataclasses import replace

from roost.node import podspec
from roost.node.actions import (
    CleanUp,
    FinishDeletion,
    ReleaseVolumes,
    StopContainer,
    StopSandbox,
)
from roost.node.draft import Draft
from roost.node.facts import Stopping
from roost.node.podspec import Role


def plan_terminating(draft: Draft) -> None:
    if podspec.deleting(draft.pod) or draft.facts.removed:
        shorter = draft.now + podspec.deletion_grace_s(draft.pod)
        draft.facts = replace(draft.facts, stop_by=min(draft.facts.stop_by, shorter))
    sidecars = []
    others_run = False
    for role, container in podspec.containers(draft.pod):
        name = container["name"]
        if role is Role.SIDECAR:
            sidecars.append(name)
        elif draft.facts.container(name).running:
            others_run = True
            _stop(draft, name)
    for name in reversed(sidecars):
        if others_run:
            return  # sidecars outlive what they serve
        if draft.facts.container(name).running:
            _stop(draft, name)
            others_run = True


def _stop(draft: Draft, name: str) -> None:
    facts = draft.facts.container(name)
    seen = facts.seen
    if seen is None:
        return
    stop_by = max(draft.facts.stop_by, draft.now + 1.0)
    stopping = facts.stopping
    ordered = stopping is not None and stopping.container_id == seen.id
    if ordered and stopping is not None and stopping.deadline <= stop_by + 1.0:
        return
    draft.set(name, replace(facts, stopping=Stopping(seen.id, stop_by)))
    draft.actions.append(
        StopContainer(name, seen.id, stop_by - draft.now, f"Stopping container {name}")
    )


def plan_terminated(draft: Draft) -> None:
    facts = draft.facts
    if facts.sandbox is not None:
        if ("sandbox", "") not in draft.busy:
            draft.actions.append(StopSandbox(facts.sandbox.id))
        return
    if facts.removed:
        if not {("clean", ""), ("release", "")} & draft.busy:
            draft.actions.append(CleanUp())
    elif (
        podspec.deleting(draft.pod)
        and facts.reported_end
        and not facts.deletion_sent
        and ("finish", "") not in draft.busy
    ):
        draft.actions.append(FinishDeletion())
    elif (
        facts.volumes_ready
        and not podspec.deleting(draft.pod)
        and ("release", "") not in draft.busy
    ):
        draft.actions.append(ReleaseVolumes())
