"""Settings: which source wins, and what is no setting."""

from __future__ import annotations

import pytest

from roost.cli.settings import SettingsError, load_settings


def load(tmp_path, flags=None, environment=None, text=None):
    file = tmp_path / "config.yaml"
    if text is not None:
        file.write_text(text)
    return load_settings(flags or {}, environment or {}, file if text is not None else None)


def test_flags_win_over_environment_over_file_over_defaults(tmp_path):
    text, environment = (
        "port: 1\nnode_name: file\npod_cidr: 10.9.0.0/24",
        {
            "ROOST_PORT": "2",
            "ROOST_NODE_NAME": "environment",
        },
    )
    loaded = load(tmp_path, {"port": 3, "node_name": None}, environment, text)
    settings = loaded.settings
    assert (settings.port, settings.node_name, settings.pod_cidr) == (
        3,
        "environment",
        "10.9.0.0/24",
    )
    assert settings.kubelet_port == 10250
    assert loaded.sources["port"] == "flag"
    assert loaded.sources["node_name"] == "environment"
    assert loaded.sources["pod_cidr"].endswith("config.yaml")
    assert loaded.sources["kubelet_port"] == "default"


def test_the_settings_in_force_can_be_printed_and_read_again(tmp_path):
    text = load(tmp_path, {"port": 3, "node_name": "yes"}).as_yaml()
    assert "port: 3  # flag" in text
    again = load(tmp_path, text=text)
    assert again.settings.node_name == "yes"


def test_a_long_setting_is_printed_whole(tmp_path):
    long = "memory.available < 100Mi, nodefs.available < 10%, nodefs.inodesFree < 5%, pid.available < 9"
    text = load(tmp_path, {"eviction_hard": long}).as_yaml()
    assert load(tmp_path, text=text).settings.eviction_hard == long


@pytest.mark.parametrize(
    ("flags", "environment", "text", "complaint"),
    [
        ({"cluster_cidr": "10.0.0.1/8"}, {}, "", "cluster_cidr '10.0.0.1/8' is no range of IPv4"),
        (
            {"cluster_cidr": "10.0.0.0/12", "node_cidr_mask_size": 29},
            {},
            "",
            "node_cidr_mask_size must be between 12 and 28, as cluster_cidr is 10.0.0.0/12",
        ),
        ({}, {"ROOST_PROT": "1"}, None, "ROOST_PROT"),
        ({}, {}, "prot: 1", "'prot'"),
        ({}, {}, "- a", "must be a map"),
        ({}, {}, "a: {", "not valid YAML"),
        ({}, {"ROOST_PORT": "many"}, None, "port .from environment. must be a number"),
        ({}, {}, "port: true", "must be a number"),
        ({}, {}, "node_name: [a]", "must be a text"),
        ({"port": 70000}, {}, None, "between 0 and 65535"),
        ({"log_level": "loud"}, {}, None, "log_level"),
        ({"runtime": "docker"}, {}, None, "runc or crun"),
        (
            {},
            {"ROOST_EVICTION_HARD": "disk.available<1%"},
            None,
            "eviction_hard: unsupported eviction signal disk.available",
        ),
        ({}, {"ROOST_CONFIG": "/does/not/exist"}, None, "does not exist"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, flags, environment, text, complaint):
    with pytest.raises(SettingsError, match=complaint):
        load(tmp_path, flags, environment, text)
