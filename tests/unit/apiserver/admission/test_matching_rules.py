"""What no rules at all mean."""

from roost.apiserver.admission.matching import criteria_of


def test_a_webhook_without_rules_is_never_called_and_a_binding_is_for_all() -> None:
    assert not criteria_of({}, "rules").may_match("pods", "", "CREATE")
    assert criteria_of({}).may_match("pods", "", "CREATE")
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
    }
    assert criteria_of({"rules": [rule]}, "rules").may_match("pods", "", "CREATE")
