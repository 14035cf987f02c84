"""Rules for how much of a device's capacity a claim may ask for."""

from __future__ import annotations

from roost.api.quantity import add, compare, parse, to_int
from roost.api.validation.causes import NOT_POSITIVE, Causes
from roost.api.values import Object

_OPTIONS_MAX = 10
_ONE_POLICY = (
    'exactly one policy can be specified, cannot specify "validValues" and "validRange" '
    "at the same time"
)


def request_policy(most: str, policy: Object, path: str, causes: Causes) -> None:
    """Check what may be asked of a capacity of `most`: one of some values, or one of a range."""
    values, span = policy.get("validValues") or [], policy.get("validRange")
    usual = policy.get("default")
    if values and span is not None:
        causes.forbidden(path, _ONE_POLICY)
    elif values:
        if usual is None:
            causes.required(f"{path}.default", "required when validValues is defined")
        else:
            _values(usual, most, values, f"{path}.validValues", causes)
    elif span is not None:
        if usual is None:
            causes.required(f"{path}.default", "required when validRange is defined")
        else:
            _range(usual, most, span, f"{path}.validRange", causes)


def _values(usual: str, most: str, values: list[str], path: str, causes: Causes) -> None:
    for index in range(1, len(values)):
        if compare(values[index - 1], values[index]) > 0:
            text = "values must be sorted in ascending order"
            causes.invalid(f"{path}[{index}]", values[index], text)
    if len(values) > _OPTIONS_MAX:
        causes.too_many(path, len(values), _OPTIONS_MAX)
    else:
        for index, value in enumerate(values):
            if compare(value, most) > 0:
                text = f"option is larger than capacity value: {most}"
                causes.invalid(f"{path}[{index}]", value, text)
        numbers = [to_int(value) for value in values]
        for index, number in enumerate(numbers):
            if number in numbers[:index]:
                causes.duplicate(f"{path}[{index}]", str(number))
        if any(compare(value, usual) == 0 for value in values):
            return
    text = "default value is not valid according to the requestPolicy"
    causes.invalid(path, usual, text)


def _range(usual: str, most: str, span: Object, path: str, causes: Causes) -> None:
    least, top, step = span.get("min"), span.get("max"), span.get("step")
    if least is None:
        causes.required(f"{path}.min", "required when validRange is defined")
        return
    if compare(least, most) > 0:
        causes.invalid(f"{path}.min", least, f"min is larger than capacity value: {most}")
    if compare(usual, least) < 0:
        causes.invalid(f"{path}.default", usual, f"default is less than min: {least}")
    if top is not None:
        if compare(least, top) > 0:
            causes.invalid(f"{path}.max", least, f"min is larger than max: {top}")
        if compare(top, most) > 0:
            causes.invalid(f"{path}.max", top, f"max is larger than capacity value: {most}")
        if compare(usual, top) > 0:
            causes.invalid(f"{path}.default", usual, f"default is more than max: {top}")
    if step is None:
        return
    if parse(step) <= 0:
        causes.invalid(f"{path}.step", step, NOT_POSITIVE)
        return
    first = add(least, step)
    if compare(first, most) > 0:
        text = f"one step {first} is larger than capacity value: {most}"
        causes.invalid(f"{path}.step", step, text)
    for value in (usual, top):
        if value is not None and (to_int(value) - to_int(least)) % max(to_int(step), 1):
            text = f"value is not a multiple of a given step ({step}) from ({least})"
            causes.invalid(f"{path}.step", value, text)
