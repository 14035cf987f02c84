"""Kubeconfigs: what is read, and what is refused by name."""

from __future__ import annotations

import base64

import pytest
import yaml

from roost.client.kubeconfig import (
    Connection,
    KubeconfigError,
    in_cluster,
    kubeconfig_text,
    load_kubeconfig,
)

CONNECTION = Connection("https://h:1", ca="CA", certificate="CERT", key="KEY")


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "config"
    path.write_text(kubeconfig_text(CONNECTION))
    assert load_kubeconfig(path) == CONNECTION


def test_files_are_found_beside_the_kubeconfig(tmp_path):
    (tmp_path / "ca.crt").write_text("FILE-CA")
    document = yaml.safe_load(kubeconfig_text(CONNECTION))
    cluster = document["clusters"][0]["cluster"]
    del cluster["certificate-authority-data"]
    cluster["certificate-authority"] = "ca.crt"
    document["users"][0]["user"] = {"token": "t"}
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    found = load_kubeconfig(tmp_path / "config")
    assert (found.ca, found.token, found.certificate) == ("FILE-CA", "t", "")


def spoil(change):
    document = yaml.safe_load(kubeconfig_text(CONNECTION))
    change(document)
    return yaml.safe_dump(document)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not valid YAML"),
        ("[]", "not a kubeconfig"),
        (spoil(lambda d: d.update({"current-context": "x"})), "no context named 'x'"),
        (spoil(lambda d: d["contexts"][0]["context"].update(cluster="x")), "no cluster named 'x'"),
        (spoil(lambda d: d["contexts"][0]["context"].update(user="x")), "no user named 'x'"),
        (spoil(lambda d: d["clusters"][0]["cluster"].pop("server")), "names no server"),
        (spoil(lambda d: d["users"][0]["user"].update(exec={})), "'exec' are not supported"),
        (
            spoil(lambda d: d["clusters"][0]["cluster"].update(
                {"certificate-authority-data": "%%%"})),
            "not base64",
        ),
        (
            spoil(lambda d: d["users"][0].update(user={"client-certificate": "nope.crt"})),
            "No such file",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path, text, complaint):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match=complaint) as caught:
        load_kubeconfig(path)
    assert str(path) in str(caught.value)


def test_a_pod_finds_its_own_cluster(tmp_path):
    for name, text in (("ca.crt", "CA"), ("token", "t"), ("namespace", "shop")):
        (tmp_path / name).write_text(text)
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    found = in_cluster(environment, tmp_path)
    assert found.server == "https://[fd00::1]:443"
    assert (found.ca, found.namespace) == ("CA", "shop")
    with pytest.raises(KubeconfigError):
        in_cluster({}, tmp_path)


def test_binary_data_in_base64_is_refused(tmp_path):
    path = tmp_path / "config"
    data = base64.b64encode(b"\xff\xfe").decode()
    path.write_text(
        spoil(lambda d: d["clusters"][0]["cluster"].update({"certificate-authority-data": data}))
    )
    with pytest.raises(KubeconfigError, match="PEM"):
        load_kubeconfig(path)
