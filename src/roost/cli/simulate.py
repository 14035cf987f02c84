"""`roost sim up` and `roost sim run`: a simulated cluster for people and for scripts."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from roost.api.errors import NotFound, StatusError
from roost.api.values import Object
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.attributes import User
from roost.apiserver.encoding import decode
from roost.apiserver.messages import Answer, Request
from roost.cli.faults import of_system
from roost.cli.output import as_format, fail, say, server_table
from roost.cli.process import start_logging
from roost.simulation.cluster import Cluster
from roost.simulation.kinds import UnknownKindError

_ADMIN: Final = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
_LOOK_S: Final = 0.5
#: For so long pods that were just deleted can still be seen, as clients expect of real nodes.
_STOP_S: Final = 0.5
_TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
_UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
#: So many events are shown, the newest.
_EVENTS: Final = 30


@dataclass(frozen=True, slots=True)
class Wish:
    """What the cluster is to be like."""

    nodes: int
    seed: int
    any_image: bool

    def cluster(self, **more: Any) -> Cluster:
        return Cluster(self.nodes, self.seed, any_image=self.any_image, **more)


# -- up


def up(wish: Wish, speed: float, port: int, kubeconfig: Path | None) -> None:
    """Serve a cluster until SIGINT or SIGTERM."""
    start_logging("warning")
    signal.signal(signal.SIGTERM, _interrupt)
    begun = time.monotonic()
    say(f"simulating a cluster of {_count(wish.nodes, 'node')} ...")
    try:
        # For clients it began today: they reckon ages by their own clocks.
        cluster = wish.cluster(start=float(int(time.time())), stop_s=_STOP_S)
        cluster.speed = speed or None
        if not speed:
            cluster.pause()
        gc.collect()
        gc.freeze()
        _serve(cluster, begun, port, kubeconfig)
    except KeyboardInterrupt:
        say("\nthe simulated cluster is gone")
        sys.stdout.flush()
        # To end the tasks of a thousand nodes one by one takes seconds, and nobody waits for them.
        os._exit(0)


def _serve(cluster: Cluster, begun: float, port: int, kubeconfig: Path | None) -> None:
    from roost.simulation.serving.served import Served

    try:
        served = Served(cluster, port=port, realtime=True, kubeconfig=kubeconfig)
    except OSError as error:
        if error.filename:
            fail(f"cannot write {error.filename}: {error.strerror}; name another --kubeconfig")
        fail(f"cannot serve on port {port}: {of_system(error)}; choose another with --port")
    with served:
        say(f"API server   {served.url}")
        ready = sum(1 for node in cluster.client.list("nodes") if _is_true(node, "Ready"))
        say(f"nodes        {ready} ready of {len(cluster.nodes)}")
        say(f"\nThe cluster is up after {time.monotonic() - begun:.1f} s. To use it:\n")
        say(f"    export KUBECONFIG={served.kubeconfig}\n")
        say("Nothing in it is real but its API. Ctrl-C ends it, and all of it is forgotten.")
        while True:
            time.sleep(_LOOK_S)
            if served.failure is not None:
                fail(f"the simulation failed: {served.failure!r}; please report it as a bug")


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


# -- run


def run(
    wish: Wish, files: Sequence[Path], seconds: str, until: Sequence[str], namespace: str, form: str
) -> None:
    """Apply files, let time pass and show what came of it; exit with 1 if it was not what was wanted."""
    start_logging("error")
    limit_s = duration_s(seconds)
    try:
        goals = [Goal.parse(text, namespace) for text in until]
    except ValueError as error:
        fail(str(error))
    with wish.cluster() as cluster:
        try:
            cluster.apply(list(files), namespace)
            missing = _live(cluster, goals, limit_s)
        except (StatusError, UnknownKindError, ValueError) as error:
            fail(str(error))
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}")
        if form:
            say(as_format(_facts(cluster, goals, missing), form))
        else:
            _show(cluster)
    if missing:
        fail(f"after {limit_s:g} s this does not hold: {', '.join(goal.text for goal in missing)}")


def _live(cluster: Cluster, goals: Sequence[Goal], limit_s: float) -> list[Goal]:
    """Let time pass; return the goals that were not reached."""
    if not goals:
        cluster.advance(limit_s)
        return []

    def reached() -> bool:
        return all(goal.holds(cluster) for goal in goals)

    try:
        cluster.run_until(reached, limit_s)
    except TimeoutError:
        return [goal for goal in goals if not goal.holds(cluster)]
    return []


@dataclass(frozen=True, slots=True)
class Goal:
    """What is waited for: that an object, or every one of a kind, is somehow."""

    text: str
    kind: str
    name: str  # "": all, and at least one
    namespace: str
    what: str

    @classmethod
    def parse(cls, text: str, namespace: str) -> Goal:
        """Return what KIND/NAME=WHAT or KIND=WHAT means. Raises ValueError."""
        place, equals, what = text.partition("=")
        kind, _, name = place.partition("/")
        if not kind or not equals or not what:
            raise ValueError(f"--until {text!r}: say KIND/NAME=WHAT, as deployment/web=Available")
        return cls(text, kind, name, namespace, what)

    def holds(self, cluster: Cluster) -> bool:
        if not self.name:
            found = cluster.client.list(self.kind, self.namespace)
            return bool(found) and all(_is(one, self.what) for one in found)
        try:
            return _is(cluster.client.get(self.kind, self.name, self.namespace), self.what)
        except NotFound:
            return False


def _is(found: Object, what: str) -> bool:
    phase = str((found.get("status") or {}).get("phase", ""))
    return phase.lower() == what.lower() or _is_true(found, what)


def _is_true(found: Object, condition: str) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(
        one.get("type", "").lower() == condition.lower() and one.get("status") == "True"
        for one in conditions
    )


def duration_s(text: str) -> float:
    """Return the seconds of 90, 90s, 1h30m and the like; ends the command if it is none."""
    total, number = 0.0, ""
    for sign in text:
        if sign in _UNITS_S and number:
            total, number = total + _number(number, text) * _UNITS_S[sign], ""
        else:
            number += sign
    return total + (_number(number, text) if number or not text else 0.0)


def _number(number: str, text: str) -> float:
    try:
        found = float(number)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        fail(f"--for {text!r} is no duration; write it as 90s, 10m or 1h30m")
    return found


# -- what came of it


def _show(cluster: Cluster) -> None:
    say(f"after {cluster.now:.1f} s of the cluster's time:\n")
    pods = _table(cluster, "/api/v1/pods")
    say(server_table(pods, wide=False, namespaces=True) if pods.get("rows") else "no pods")
    say("")
    events = _table(cluster, "/api/v1/events")
    rows = sorted(events.get("rows") or (), key=_event_time)
    if rows:
        say(server_table({**events, "rows": rows[-_EVENTS:]}, wide=False, namespaces=True))
        if len(rows) > _EVENTS:
            say(f"... and {len(rows) - _EVENTS} older events; -o json shows all")
    else:
        say("no events")


def _event_time(row: Object) -> str:
    metadata: Object = row.get("object", {}).get("metadata", {})
    return str(metadata.get("creationTimestamp", ""))


def _table(cluster: Cluster, path: str) -> Object:
    request = Request("GET", path, headers={"accept": _TABLE}, user=_ADMIN, raw_path=path)
    answer = cluster.loop.finish(cluster.plane.server.handle(request), quiet=True)
    assert isinstance(answer, Answer)
    found: Object = decode(answer.whole())
    return found


def _facts(cluster: Cluster, goals: Sequence[Goal], missing: Sequence[Goal]) -> Object:
    return {
        "seed": cluster.seed,
        "seconds": cluster.now,
        "until": {goal.text: goal not in missing for goal in goals},
        "pods": cluster.client.list("pods"),
        "events": cluster.events(),
    }
