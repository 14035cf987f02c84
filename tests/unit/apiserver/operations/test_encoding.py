"""Objects as YAML."""

from roost.apiserver.encoding import to_yaml


def test_shared_parts_are_written_out() -> None:
    part: dict[str, object] = {"a": {}}
    assert to_yaml({"x": part, "y": part}) == b"x:\n  a: {}\ny:\n  a: {}\n"
