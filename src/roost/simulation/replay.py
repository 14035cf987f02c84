"""What a cluster was told to do, as lines of JSON, and doing it again: an exact replay.

The first line holds what the cluster was made with, each further line a command. The same commands give
the same history, byte for byte, so a snapshot *is* the commands so far: restoring one plays them, and
checks at the end that the log came out as it was. Rules: whatever looks without changing is not
recorded; code (images, what answers outside, latency) is recorded by name, and whoever replays hands
it in; what was called in the real world makes a record that cannot be played.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, TypeVar, cast

import msgspec

from roost.api.kind import Resource
from roost.client.port import PatchType
from roost.ports.causes import Cause, current_cause
from roost.runtimes.behaviour import Behaviour
from roost.simulation import faults

#: A record of more commands than that is given up.
LIMIT: Final = 1_000_000
_FORMAT: Final = 1
_STEP: Final = "Cluster._step"
_LEFT: Final = "outside"

_VALUES: Final[dict[str, Callable[..., Any]]] = {
    one.__name__: one
    for one in (
        Behaviour, PatchType, Resource, faults.FaultPlan, faults.Planned, faults.Crash, faults.Restart,
        faults.PowerOff, faults.Partition, faults.Delay, faults.Duplicate, faults.ClockSkew,
        faults.FullDisk, faults.PullFailure, faults.Kill, faults.Oom,
        faults.Shortage,
    )
}  # fmt: skip


class ReplayError(ValueError):
    """A record cannot be read, or its replay went another way; the text says where."""


class Recording:
    """The commands of one cluster. `note` is told of each as it begins; `drain` finishes what was
    begun before, so that it makes no difference whether somebody looked in between."""

    def __init__(
        self,
        options: Mapping[str, Any],
        note: Callable[[str], None],
        drain: Callable[[], None],
    ) -> None:
        self._drain = drain
        self.options = {name: value for name, value in options.items() if value is not None}
        self.complete = True
        #: How many webhooks were called so far.
        self.calls = 0
        #: What was called first in the real world, "" if nothing was.
        self.left = ""
        self._commands: list[dict[str, Any]] = []
        self._depth = 0
        self._note = note

    @contextmanager
    def command(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None]:
        """Record what is done inside as one command, unless it is a part of another one."""
        if self._depth:
            yield
            return
        self._drain()
        command = self._begin(name, args, kwargs)
        self._depth += 1
        before = current_cause.set(Cause("command", shown(name, args)))
        try:
            yield
        except Exception as error:
            command["error"] = type(error).__name__
            raise
        finally:
            current_cause.reset(before)
            self._depth -= 1

    def _begin(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        command: dict[str, Any] = {"do": name}
        last = self._commands[-1] if self._commands else command
        if name == _STEP and last["do"] == name and last.get("with") == list(args):
            last["times"] = last.get("times", 1) + 1
            return last
        if args:
            command["with"] = [_plain(arg) for arg in args]
        if kwargs:
            command["named"] = {key: _plain(value) for key, value in kwargs.items()}
        if len(self._commands) < LIMIT:
            self._commands.append(command)
        else:
            self.complete = False
        if name != _STEP:
            self._note(shown(name, args))
        return command

    def look(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], error: str) -> None:
        """Record what was to be a look, but called webhooks."""
        if not self._depth:
            command = self._begin(name, args, kwargs)
            if error:
                command["error"] = error

    def leave(self, url: str) -> None:
        """Record that something in the real world was called."""
        if not self.left:
            self.left = url
            self._commands.append({"do": _LEFT, "with": [url]})

    def check_left(self) -> None:
        """Raise ReplayError if what happened cannot be played again."""
        if self.left:
            raise ReplayError(_unplayable(self.left))

    def lines(self) -> str:
        """Return the record so far. Raises ReplayError if there were too many commands."""
        if not self.complete:
            raise ReplayError(f"there were more than {LIMIT} commands: they were not all recorded")
        head = {"roost": "simulation", "format": _FORMAT, "options": _plain(self.options)}
        encoded = (msgspec.json.encode(line).decode() for line in (head, *self._commands))
        return "".join(f"{line}\n" for line in encoded)


MethodT = TypeVar("MethodT", bound=Callable[..., Any])


def recorded(method: MethodT) -> MethodT:
    """Let calls of a method be commands of the record that its object has as `recording`."""
    name = method.__qualname__.replace("Trials.", "Cluster.")

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.recording.command(name, args, kwargs):
            return method(self, *args, **kwargs)

    return cast(MethodT, call)


def looking(method: MethodT) -> MethodT:
    """Let calls of a method be commands only where they called webhooks: those have a history."""
    name = method.__qualname__

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        recording: Recording = self.recording
        before, error = recording.calls, ""
        try:
            return method(self, *args, **kwargs)
        except Exception as caught:
            error = type(caught).__name__
            raise
        finally:
            if recording.calls != before:
                recording.look(name, args, kwargs, error)

    return cast(MethodT, call)


def _unplayable(url: str) -> str:
    return f"this cannot be played again: {url} was called, which is outside of the simulation"


def shown(name: str, args: tuple[Any, ...]) -> str:
    """Return a command as people read it: "apply Deployment/web"."""
    words = [name.rpartition(".")[2].lstrip("_").replace("_", " ")]
    for arg in args:
        words.extend(map(_word, arg if isinstance(arg, list) else (arg,)))
    return " ".join(filter(None, words))


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        name = (value.get("metadata") or {}).get("name", "")
        return f"{value.get('kind', '')}/{name}".strip("/") if name else ""
    return str(value).replace("\n", " ")


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, PatchType):
        return {"$": "PatchType", "value": value.value}
    if isinstance(value, Resource):
        return {"$": "Resource", **value._asdict()}
    if dataclasses.is_dataclass(value) and not (isinstance(value, type) or callable(value)):
        names = [field.name for field in dataclasses.fields(value)]
        return {"$": type(value).__name__, **{n: _plain(getattr(value, n)) for n in names}}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return {"$": "bytes", "text": value.decode("latin-1")}
    if callable(value):
        return {"$": "code", "name": name_of_code(value)}
    return value


def name_of_code(value: Any) -> str:
    """Return under which name code is recorded, and must be handed to a replay."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"


def _meant(value: Any, code: Mapping[str, Any]) -> Any:
    """Undo `_plain`."""
    if isinstance(value, list):
        return [_meant(one, code) for one in value]
    if not isinstance(value, dict):
        return value
    rest = {key: _meant(one, code) for key, one in value.items() if key != "$"}
    kind = value.get("$")
    if kind is None:
        return rest
    if kind == "bytes":
        return str(rest["text"]).encode("latin-1")
    if kind == "code":
        if rest["name"] not in code:
            raise ReplayError(f"the record uses {rest['name']}: hand it to the replay")
        return code[rest["name"]]
    if kind == "PatchType":
        return PatchType(rest["value"])
    if kind not in _VALUES:
        raise ReplayError(f"the record holds a value of unknown kind {kind!r}")
    made = {key: tuple(one) if isinstance(one, list) else one for key, one in rest.items()}
    return _VALUES[kind](**made)


def read(text: str, code: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return options and commands of a record. Raises ReplayError with the line."""
    lines: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            value = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise ReplayError(f"line {number} of the record is no JSON: {error}") from error
        lines.append(_meant(value, code))
    if not lines or lines[0].get("roost") != "simulation" or lines[0].get("format") != _FORMAT:
        raise ReplayError("this is no record of a simulation that this version of Roost can play")
    for command in lines[1:]:
        if command.get("do") == _LEFT:
            raise ReplayError(_unplayable(*command["with"]))
    return lines[0]["options"], lines[1:]


def play(command: Mapping[str, Any], commands: Mapping[str, Callable[..., object]]) -> None:
    """Do one command again. Raises ReplayError if it goes another way than it went."""
    name = str(command.get("do"))
    if name not in commands:
        raise ReplayError(f"the record holds an unknown command {name!r}")
    wanted = command.get("error", "")
    for _ in range(command.get("times", 1)):
        try:
            commands[name](*command.get("with", ()), **command.get("named", {}))
            happened = ""
        except Exception as error:
            happened = type(error).__name__
            if not wanted:
                raise
        if happened != wanted:
            raise ReplayError(
                f"{shown(name, ())} ended with {happened or 'no error'}, not {wanted}"
            )


def digest(log: str) -> str:
    """Return a checksum of a log."""
    return f"{zlib.crc32(log.encode()):08x}"
