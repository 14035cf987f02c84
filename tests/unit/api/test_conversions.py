"""Kinds that are stored as another kind: nothing is lost on the way there and back."""

import json

from roost.api.groups import autoscaling_v1, events

HPA = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "h", "annotations": {"mine": "kept"}},
    "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"},
        "minReplicas": 2,
        "maxReplicas": 9,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 50},
                },
            },
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "rps"},
                    "target": {"type": "AverageValue", "averageValue": "1k"},
                },
            },
            {
                "type": "Object",
                "object": {
                    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "s"},
                    "metric": {"name": "q", "selector": {"matchLabels": {"a": "b"}}},
                    "target": {"type": "Value", "value": "10"},
                },
            },
            {
                "type": "External",
                "external": {
                    "metric": {"name": "a<b"},
                    "target": {"type": "AverageValue", "averageValue": "3"},
                },
            },
        ],
        "behavior": {
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
            }
        },
    },
    "status": {
        "desiredReplicas": 3,
        "currentMetrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "current": {"averageUtilization": 40, "averageValue": "400m"},
                },
            }
        ],
        "conditions": [{"type": "AbleToScale", "status": "True", "reason": "Ready"}],
    },
}


def test_v1_says_cpu_itself_and_the_rest_in_annotations():
    v1 = autoscaling_v1.from_v2(HPA)
    assert v1["apiVersion"] == "autoscaling/v1"
    assert v1["spec"]["targetCPUUtilizationPercentage"] == 50
    assert v1["status"]["currentCPUUtilizationPercentage"] == 40
    assert "metrics" not in v1["spec"]
    assert "behavior" not in v1["spec"]
    notes = v1["metadata"]["annotations"]
    assert notes["mine"] == "kept"
    assert json.loads(notes[autoscaling_v1.METRICS])[1] == {
        "type": "Object",
        "object": {
            "target": {"kind": "Service", "name": "s", "apiVersion": "v1"},
            "metricName": "q",
            "targetValue": "10",
            "selector": {"matchLabels": {"a": "b"}},
        },
    }
    assert notes[autoscaling_v1.BEHAVIOR] == (
        '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":'
        '[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":null}'
    )
    assert "a\\u003cb" in notes[autoscaling_v1.METRICS]


def test_an_autoscaler_survives_v1():
    back = autoscaling_v1.to_v2(autoscaling_v1.from_v2(HPA))
    assert back["spec"] == HPA["spec"]
    assert back["metadata"] == HPA["metadata"]
    assert back["status"]["currentMetrics"] == HPA["status"]["currentMetrics"]
    assert back["status"]["conditions"][0]["type"] == "AbleToScale"


def test_annotations_that_are_nonsense_are_dropped():
    v1 = {
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "annotations": {autoscaling_v1.METRICS: "{oops", autoscaling_v1.BEHAVIOR: "[1]"}
        },
        "spec": {"targetCPUUtilizationPercentage": 70},
    }
    v2 = autoscaling_v1.to_v2(v1)
    assert v2["metadata"] == {}
    assert [metric["type"] for metric in v2["spec"]["metrics"]] == ["Resource"]


def test_conversion_leaves_its_argument_alone():
    before = json.dumps(HPA)
    autoscaling_v1.to_v2(autoscaling_v1.from_v2(HPA))
    assert json.dumps(HPA) == before


def test_events_change_their_names_and_nothing_else():
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod"},
        "note": "hello",
        "reportingController": "me",
        "deprecatedCount": 2,
        "action": "Run",
    }
    core = events.to_core(event)
    assert core["involvedObject"] == {"kind": "Pod"}
    assert core["message"] == "hello"
    assert core["reportingComponent"] == "me"
    assert core["count"] == 2
    assert core["apiVersion"] == "v1"
    assert events.from_core(core) == event
