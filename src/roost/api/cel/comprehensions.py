"""The macros over lists and maps, at run time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from roost.api.cel.running import Run, Step
from roost.api.cel.values import EvaluationError, map_key

_STEP_COST = 3
Items = Callable[[Run], Iterator[None]]


def _items(source: Step, places: list[int]) -> Items:
    """Sets the variables to each element in turn."""

    def each(run: Run) -> Iterator[None]:
        value = source(run)
        values = run.values
        pairs = len(places) == 2
        if isinstance(value, dict):
            given: Any = value.items() if pairs else value
        elif isinstance(value, list | tuple):
            given = enumerate(value) if pairs else value
        else:
            raise EvaluationError("no such overload")
        for item in given:
            run.spend(_STEP_COST)
            if pairs:
                values[places[0]], values[places[1]] = item
            else:
                values[places[0]] = item
            yield

    return each


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise EvaluationError("no such overload")


def _quantified(*, decisive: bool) -> Callable[..., Step]:
    def make(items: Items, _places: list[int], _condition: Step | None, step: Step) -> Step:
        def run_all(run: Run) -> Any:
            problem: EvaluationError | None = None
            for _ in items(run):
                try:
                    value = _truth(step(run))
                except EvaluationError as error:
                    if run.exhausted:
                        raise
                    problem = error
                    continue
                if value is decisive:
                    return decisive
            if problem is not None:
                raise problem
            return not decisive

        return run_all

    return make


def _exists_one(items: Items, _places: list[int], _condition: Step | None, step: Step) -> Step:
    def count(run: Run) -> Any:
        return sum(1 for _ in items(run) if _truth(step(run))) == 1

    return count


def _passes(condition: Step | None) -> Callable[[Run], bool]:
    return (lambda _run: True) if condition is None else lambda run: _truth(condition(run))


def _list(items: Items, _places: list[int], condition: Step | None, step: Step) -> Step:
    passes = _passes(condition)

    def build(run: Run) -> Any:
        return [step(run) for _ in items(run) if passes(run)]

    return build


def _filter(items: Items, places: list[int], _condition: Step | None, step: Step) -> Step:
    place = places[0]

    def build(run: Run) -> Any:
        return [run.values[place] for _ in items(run) if _truth(step(run))]

    return build


def _map(items: Items, places: list[int], condition: Step | None, step: Step) -> Step:
    passes = _passes(condition)
    place = places[0]

    def build(run: Run) -> Any:
        made: dict[Any, Any] = {}
        for _ in items(run):
            if passes(run):
                made[run.values[place]] = step(run)
        return made

    return build


def _entries(items: Items, _places: list[int], condition: Step | None, step: Step) -> Step:
    passes = _passes(condition)

    def build(run: Run) -> Any:
        out: dict[Any, Any] = {}
        for _ in items(run):
            if not passes(run):
                continue
            for key, value in step(run).items():
                if map_key(key) in out:
                    raise EvaluationError(f"insert failed: key {key} already exists")
                out[key] = value
        return out

    return build


def _sorted(items: Items, places: list[int], _condition: Step | None, step: Step) -> Step:
    place = places[0]

    def build(run: Run) -> Any:
        keyed = [(step(run), run.values[place]) for _ in items(run)]
        try:
            return [value for _, value in sorted(keyed, key=lambda pair: pair[0])]
        except TypeError:
            raise EvaluationError("no such overload") from None

    return build


_MACROS: dict[str, Callable[..., Step]] = {
    "all": _quantified(decisive=False),
    "exists": _quantified(decisive=True),
    "exists_one": _exists_one,
    "map": _list,
    "filter": _filter,
    "transformList": _list,
    "transformMap": _map,
    "transformMapEntry": _entries,
    "sortBy": _sorted,
}


def fold(macro: str, source: Step, places: list[int], condition: Step | None, step: Step) -> Step:
    """The evaluation of one comprehension; its variables live in `places`."""
    return _MACROS[macro](_items(source, places), places, condition, step)
