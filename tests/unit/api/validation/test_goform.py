"""Structures as messages show them."""

from roost.api.validation.causes import shown
from roost.api.validation.goform import NODE_ADDRESS, pod_spec


def test_structures_keep_their_order_and_maps_are_sorted() -> None:
    address = NODE_ADDRESS.show({"address": "a", "type": "Hostname"})
    assert shown(address) == '{"Type":"Hostname","Address":"a"}'
    text = shown(pod_spec({"nodeSelector": {"b": "1", "a": "2"}}))
    assert '"NodeSelector":{"a":"2","b":"1"}' in text


def test_affinities_have_go_names_and_selectors_those_of_the_wire() -> None:
    selector = {"matchExpressions": [{"operator": "Exists", "key": "k"}], "matchLabels": {"a": "b"}}
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    term = {"topologyKey": "t", "labelSelector": selector}
    text = shown(pod_spec({"affinity": {"podAffinity": {key: [term]}}}))
    assert (
        '"PodAffinity":{"RequiredDuringSchedulingIgnoredDuringExecution":[{"LabelSelector":'
        '{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"k","operator":"Exists"}]},'
        '"Namespaces":null,"TopologyKey":"t","NamespaceSelector":null,"MatchLabelKeys":null,'
        '"MismatchLabelKeys":null}],"PreferredDuringSchedulingIgnoredDuringExecution":null}'
    ) in text
    assert text.startswith('{"Volumes":null,')
