"""What is done with constants is done when an expression is made ready to run."""

from __future__ import annotations

import pytest

from roost.api.cel.admission import CONDITION, Unfit, admission_environment, compiled
from roost.api.cel.environment import Environment, build
from roost.api.cel.types import DYN, STRING
from roost.api.validation.causes import Causes
from roost.api.validation.webhooks import expression

ENVIRONMENT = Environment({"self": STRING, "any": DYN})
_PATTERN = "error parsing regexp: missing closing ]: `[`"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("int('x') == 1", "type conversion error from 'string' to 'int'"),
        ("int(string('y')) == 1", "type conversion error from 'string' to 'int'"),
        ("[1].exists(i, i == int('x'))", "type conversion error from 'string' to 'int'"),
        ("self.find('[') == ''", _PATTERN),
        ("self.findAll('[', 1) == []", _PATTERN),
        ("matches(self, '[')", _PATTERN),
        ("int(self) == 1 && self.find(self) == ''", ""),
        ("int('5') == 1 && self.find('a') == ''", ""),
    ],
)
def test_fault(source: str, fault: str) -> None:
    assert build(source, ENVIRONMENT).fault == fault


def test_such_an_expression_is_an_internal_error() -> None:
    text = "program instantiation failed: type conversion error from 'string' to 'bool'"
    with pytest.raises(Unfit, match=text) as caught:
        compiled("bool('x')", admission_environment(), CONDITION)
    assert caught.value.internal
    causes = Causes()
    expression("bool('x')", "spec.x", causes, admission_environment(), CONDITION)
    assert [(cause.reason, cause.message) for cause in causes] == [
        ("InternalError", f"Internal error: {text}")
    ]
