"""Who asks: certificates, tokens of every kind, and nobody."""

from __future__ import annotations

import asyncio
from base64 import b64encode, urlsafe_b64encode

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from roost.api.errors import Unauthorized
from roost.apiserver import tokens
from roost.apiserver.attributes import ANONYMOUS, User
from roost.apiserver.authenticator import Authenticator, Credentials, websocket_token
from roost.apiserver.pki import Authority, SigningKeys
from roost.apiserver.static_tokens import TokenFileError

LOW = tokens.Bound("ns", "low", "sa-1")


def who(authenticator, token: str = "", certificate: bytes | None = None) -> User:
    header = f"Bearer {token}" if token else ""
    return asyncio.run(authenticator.authenticate(Credentials(header, certificate)))


def issue(keys, clock, bound=LOW, audiences=(tokens.ISSUER,), life_s=3600) -> str:
    return tokens.issue(keys, bound, audiences, life_s, now=clock.now(), token_id="t-1")


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def test_nobody_is_anonymous_unless_that_is_off(authenticator):
    assert who(authenticator) == ANONYMOUS
    basic = Credentials("Basic dTpw")
    assert asyncio.run(authenticator.authenticate(basic)) == ANONYMOUS


def test_a_bad_token_is_not_anonymous(authenticator):
    for token in ("bad", "a.b.c", "abcdef.0123456789abcdef"):
        with pytest.raises(Unauthorized, match="Unauthorized"):
            who(authenticator, token)


def test_a_client_certificate(authenticator, files, clock):
    authority = Authority.open(files, "/d", clock)
    certificate = der(authority.client("jane", ["devs", "ops"]).certificate)
    user = who(authenticator, certificate=certificate)
    assert (user.name, user.groups) == ("jane", ("devs", "ops", "system:authenticated"))
    assert who(authenticator, "bad", certificate) == user  # the certificate counts first
    assert authenticator.lifetimes.total() == 2
    assert authenticator.lifetimes.counts[0] == 0  # none of them has ended
    clock.time += 400 * 86400
    with pytest.raises(Unauthorized):
        who(authenticator, certificate=certificate)


def test_a_server_certificate_is_no_client(authenticator, files, clock):
    certificate = der(Authority.open(files, "/d", clock).server().certificate)
    with pytest.raises(Unauthorized):
        who(authenticator, certificate=certificate)


def test_a_service_account_token(authenticator, keys, clock):
    user = who(authenticator, issue(keys, clock))
    assert user == User(
        "system:serviceaccount:ns:low",
        ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
        "sa-1",
        {"authentication.kubernetes.io/credential-id": ("JTI=t-1",)},
    )


def test_its_claims_are_those_of_kubernetes(keys, clock):
    bound = tokens.Bound("ns", "low", "sa-1", pod=("p", "p-1"), node=("n", "n-1"))
    claims = jwt.decode(issue(keys, clock, bound), options={"verify_signature": False})
    now = int(clock.now())
    assert claims == {
        "aud": [tokens.ISSUER], "exp": now + 3600, "iat": now, "nbf": now, "iss": tokens.ISSUER,
        "jti": "t-1", "sub": "system:serviceaccount:ns:low",
        "kubernetes.io": {
            "namespace": "ns",
            "node": {"name": "n", "uid": "n-1"},
            "pod": {"name": "p", "uid": "p-1"},
            "serviceaccount": {"name": "low", "uid": "sa-1"},
        },
    }  # fmt: skip
    legacy = jwt.decode(issue(keys, clock, bound, life_s=3607), options={"verify_signature": False})
    assert legacy["kubernetes.io"]["warnafter"] == now + 3607
    assert legacy["exp"] == now + 365 * 86400


def test_a_token_ends_with_its_time(authenticator, keys, clock):
    token = issue(keys, clock)
    who(authenticator, token)
    clock.time += 3601
    with pytest.raises(Unauthorized):
        who(authenticator, token)


def test_a_token_ends_with_its_account_or_its_pod(authenticator, keys, clock, objects):
    token = issue(keys, clock, tokens.Bound("ns", "low", "sa-1", pod=("p", "p-1")))
    with pytest.raises(Unauthorized):
        who(authenticator, token)
    pod = objects.put("pods", {"metadata": {"name": "p", "namespace": "ns", "uid": "p-1"}})
    user = who(authenticator, token)
    assert user.extra["authentication.kubernetes.io/pod-name"] == ("p",)
    pod["metadata"]["uid"] = "p-2"
    assert who(authenticator, token) == user  # a success is cached for a moment
    clock.time += 11
    with pytest.raises(Unauthorized):
        who(authenticator, token)
    pod["metadata"]["uid"] = "p-1"
    who(authenticator, token)
    clock.time += 11
    objects.content.clear()
    with pytest.raises(Unauthorized):
        who(authenticator, token)


def test_a_token_of_another_key_or_issuer_is_not_accepted(authenticator, clock, files, keys):
    other = SigningKeys.open(files, "/other")
    with pytest.raises(Unauthorized):
        who(authenticator, issue(other, clock))
    foreign = tokens.issue(
        keys, LOW, [tokens.ISSUER], 3600, now=clock.now(), token_id="t", issuer="https://elsewhere"
    )
    with pytest.raises(Unauthorized):
        who(authenticator, foreign)
    unsigned = jwt.encode(
        jwt.decode(issue(keys, clock), options={"verify_signature": False}), "", algorithm="none"
    )
    with pytest.raises(Unauthorized):
        who(authenticator, unsigned)


@pytest.mark.parametrize(
    ("audiences", "good_for", "error"),
    [
        ((), (tokens.ISSUER,), ""),
        ((tokens.ISSUER, "x"), (tokens.ISSUER,), ""),
        (
            ("other",), (),
            ("[invalid bearer token, token audiences"
            ' ["https://kubernetes.default.svc.cluster.local"] is invalid for the target'
            ' audiences ["other"]]'),
        ),
    ],
)  # fmt: skip
def test_reviews_look_at_audiences(authenticator, keys, clock, audiences, good_for, error):
    reviewed = asyncio.run(authenticator.review(issue(keys, clock), audiences))
    assert (reviewed.audiences, reviewed.error) == (good_for, error)


def test_static_tokens_are_kept_as_hashes(authenticator, static, files, clock):
    secret = static.create("admin", ["system:masters"], now=clock.now(), life_s=60)
    assert secret.encode() not in files.content["/d/tokens.json"]
    assert files.modes["/d/tokens.json"] == 0o600
    assert who(authenticator, secret).groups == ("system:masters", "system:authenticated")
    clock.time += 61
    with pytest.raises(Unauthorized):
        who(authenticator, secret)


def test_a_removed_static_token_stops_working(authenticator, static, clock):
    secret = static.create("u", now=clock.now())
    (entry,) = static.entries()
    who(authenticator, secret)
    assert static.remove(entry.id)
    clock.time += 11
    with pytest.raises(Unauthorized):
        who(authenticator, secret)


def test_a_damaged_token_file_is_named(static, files):
    files.content["/d/tokens.json"] = b"{"
    with pytest.raises(TokenFileError, match=r"/d/tokens\.json"):
        static.entries()


def bootstrap_secret(**more: str) -> dict:
    data = {
        "token-id": "abcdef", "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:roost:nodes", **more,
    }  # fmt: skip
    return {
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: b64encode(value.encode()).decode() for key, value in data.items()},
    }


def test_a_bootstrap_token(authenticator, objects):
    objects.put("secrets", bootstrap_secret(expiration="2030-01-01T00:00:00Z"))
    user = who(authenticator, "abcdef.0123456789abcdef")
    assert user == User(
        "system:bootstrap:abcdef",
        ("system:bootstrappers", "system:bootstrappers:roost:nodes", "system:authenticated"),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"token-secret": "fedcba9876543210"},
        {"usage-bootstrap-authentication": "false"},
        {"expiration": "2020-01-01T00:00:00Z"},
        {"auth-extra-groups": "system:masters"},
        {"token-id": "zzzzzz"},
    ],
)
def test_a_bootstrap_token_that_does_not_fit(authenticator, objects, change):
    objects.put("secrets", bootstrap_secret(**change))
    with pytest.raises(Unauthorized):
        who(authenticator, "abcdef.0123456789abcdef")


def test_a_token_among_websocket_protocols():
    carrier = "base64url.bearer.authorization.k8s.io." + urlsafe_b64encode(b"tok").decode().strip(
        "="
    )
    assert websocket_token(f"{carrier}, v5.channel.k8s.io") == ("tok", "v5.channel.k8s.io")
    assert websocket_token("v5.channel.k8s.io") == ("", "v5.channel.k8s.io")
    with pytest.raises(Unauthorized):
        websocket_token(carrier)


def test_tokens_of_an_older_key_stay_good_while_it_is_kept(clock, files, keys, objects, static):
    bound = tokens.Bound("ns", "low", "sa-1")
    old = tokens.issue(keys, bound, [tokens.ISSUER], 3600, now=clock.now(), token_id="t")
    files.write("/d/service-account-2026.key", files.read("/d/service-account.key"))
    files.remove("/d/service-account.key")
    changed = SigningKeys.open(files, "/d")
    new = tokens.issue(changed, bound, [tokens.ISSUER], 3600, now=clock.now(), token_id="t")
    assert changed.key_id != keys.key_id
    assert [one["kid"] for one in changed.jwks()["keys"]] == [changed.key_id, keys.key_id]

    def names(key_ring: SigningKeys) -> list[str]:
        asked = Authenticator(clock, key_ring, objects, static)
        return [user(asked, token) for token in (old, new)]

    def user(asked: Authenticator, token: str) -> str:
        found = asyncio.run(asked.review(token)).user
        return found.name if found else ""

    account = "system:serviceaccount:ns:low"
    assert names(changed) == [account, account]
    files.remove("/d/service-account-2026.key")
    assert names(SigningKeys.open(files, "/d")) == ["", account]
