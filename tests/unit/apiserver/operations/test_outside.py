"""Who asks, by others: tokens of an outside issuer, and proxies that vouch."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from roost.adapters.virtual.files import MemoryFiles
from roost.apiserver import tokens
from roost.apiserver.access.frontproxy import HeaderNames, user_of
from roost.apiserver.access.oidc import Issuer, parse_required
from roost.apiserver.outside import OutsideTokens
from roost.apiserver.pki.authority import Authority
from roost.apiserver.vouching import Vouchers

URL = "https://issuer.example"
NOW = 1_800_000_000.0
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class StillClock:
    time: float = NOW

    def now(self) -> float:
        return self.time


def jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())
    return {**json.loads(public), "kid": kid, "use": "sig", "alg": "RS256"}


@dataclass
class Site:
    """The issuer's documents."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk(KEY, "k1")])
    asked: int = 0
    down: bool = False

    async def get(self, url: str) -> Any:
        self.asked += 1
        if self.down:
            raise OSError("down")
        if url.endswith("/.well-known/openid-configuration"):
            return {"issuer": URL, "jwks_uri": f"{URL}/keys"}
        return {"keys": self.keys}


def token(key: Any = KEY, kid: str = "k1", algorithm: str = "RS256", **claims: Any) -> str:
    said = {"iss": URL, "aud": "roost", "sub": "42", "exp": NOW + 60, **claims}
    return jwt.encode(
        {name: value for name, value in said.items() if value is not None},
        key, algorithm, headers={"kid": kid},
    )  # fmt: skip


def find(text: str, site: Site | None = None, **settings: Any) -> Any:
    issuer = Issuer(URL, "roost", **settings)
    return asyncio.run(OutsideTokens(issuer, site or Site(), StillClock()).find(text))


def test_a_token_names_a_user() -> None:
    user, expires = find(token())
    assert (user.name, user.groups, expires) == (
        f"{URL}#42", ("system:authenticated",), NOW + 60,
    )  # fmt: skip


def test_claims_and_prefixes() -> None:
    settings = {
        "username_claim": "email", "groups_claim": "roles", "groups_prefix": "oidc:",
        "required": parse_required("hd=example.com"),
    }  # fmt: skip
    said = {"email": "j@example.com", "roles": ["a", "b"], "hd": "example.com"}
    user, _ = find(token(**said), **settings)
    assert user.name == "j@example.com"
    assert user.groups == ("oidc:a", "oidc:b", "system:authenticated")
    user, _ = find(token(**said), **{**settings, "username_prefix": "o:"})
    assert user.name == "o:j@example.com"
    user, _ = find(token(), username_prefix="-")
    assert user.name == "42"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"key": OTHER}, "Signature"),
        ({"kid": "k9"}, "no matching key"),
        ({"aud": "another"}, "Audience"),
        ({"exp": NOW - 1}, "expired"),
        ({"nbf": NOW + 60}, "not valid yet"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "claim 'sub'"),
        ({"key": "k" * 64, "algorithm": "HS256"}, "alg"),
        ({"key": None, "algorithm": "none"}, "alg"),
    ],
)
def test_bad_tokens_are_refused(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(tokens.BadToken, match=f"(?i){said}"):
        find(token(**bad))


def test_unverified_mail_and_missing_claims_are_refused() -> None:
    with pytest.raises(tokens.BadToken, match="email not verified"):
        find(token(email="a@b", email_verified=False), username_claim="email")
    with pytest.raises(tokens.BadToken, match="required claim hd"):
        find(token(), required=(("hd", "example.com"),))


def test_tokens_of_others_are_not_ours_to_judge() -> None:
    with pytest.raises(tokens.NotOurs):
        find(token(iss="https://else.example"))


def test_the_public_key_is_no_shared_secret() -> None:
    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    forged = jwt.api_jws.PyJWS(algorithms=["HS256"])
    with pytest.raises(Exception):  # noqa: B017 - the library refuses to make it, or we do
        find(forged.encode(b"{}", pem, "HS256", headers={"kid": "k1"}))


def test_keys_are_fetched_when_needed_and_not_more_often() -> None:
    async def scene() -> None:
        site, clock = Site(), StillClock()
        outside = OutsideTokens(Issuer(URL, "roost"), site, clock)
        for _ in range(3):
            await outside.find(token())
        assert site.asked == 2  # the configuration, and the keys
        site.keys.append(jwk(OTHER, "k2"))
        with pytest.raises(tokens.BadToken):  # too early to ask again
            await outside.find(token(OTHER, "k2"))
        assert site.asked == 2
        clock.time += 11
        await outside.find(token(OTHER, "k2"))
        assert site.asked == 4
        site.down = True
        clock.time += 4000
        await outside.find(token(exp=clock.time + 60))  # the keys that are known still count

    asyncio.run(scene())


# -- proxies


def test_headers_name_a_user() -> None:
    headers = [
        ("X-Remote-User", "jane"), ("X-Remote-Group", "a"), ("x-remote-group", "b"),
        ("X-Remote-Uid", "7"), ("X-Remote-Extra-Acme.com%2Fproject", "p"),
    ]  # fmt: skip
    user = user_of(HeaderNames(), headers)
    assert user is not None
    assert (user.name, user.uid, user.groups) == ("jane", "7", ("a", "b", "system:authenticated"))
    assert user.extra == {"acme.com/project": ("p",)}
    assert user_of(HeaderNames(), [("X-Remote-Group", "a")]) is None


def der(pem: bytes) -> bytes:
    found = x509.load_pem_x509_certificate(pem)
    return found.public_bytes(serialization.Encoding.DER)


def test_only_a_proxys_certificate_vouches_and_it_is_no_users() -> None:
    files, clock = MemoryFiles(), StillClock()
    cluster = Authority.open(files, "/a", clock)
    proxies = Authority.open(files, "/b", clock)
    vouchers = Vouchers(
        x509.load_pem_x509_certificate(cluster.certificate),
        (x509.load_pem_x509_certificate(proxies.certificate),),
        HeaderNames(),
        frozenset({"gate"}),
    )
    headers = {"X-Remote-User": "jane", "X-Remote-Group": "system:masters"}
    gate = der(proxies.client("gate").certificate)
    vouched = vouchers.user(gate, headers)
    assert vouched is not None
    assert vouched.name == "jane"
    assert vouchers.user(gate, {}) is None
    assert not vouchers.is_client(gate)
    assert vouchers.user(der(proxies.client("other").certificate), headers) is None
    client = der(cluster.client("gate").certificate)  # the right name, of the wrong authority
    assert vouchers.user(client, headers) is None
    assert vouchers.is_client(client)


def test_another_kind_of_key_works_too() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    site = Site([{**public, "kid": "e1", "use": "sig"}])
    assert find(token(key, "e1", "ES256"), site)[0].name == f"{URL}#42"
