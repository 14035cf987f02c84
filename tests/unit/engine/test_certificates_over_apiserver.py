"""A node's first certificate, from its request to the certificate, through engine and authority."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fakes.apiserver import running
from roost.adapters.real.clock import SystemClock
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.files import MemoryFiles
from roost.apiserver.pki.authority import Authority
from roost.apiserver.pki.requests import AuthoritySigner, read_request
from roost.client.port import Query
from roost.controllers.certificates import CertificateRules
from roost.controllers.registry import AUTHORITY, Setup, controllers
from roost.decisions.certificates import KUBELET_CLIENT
from roost.decisions.resources import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from roost.engine.engine import Engine


def request_of(name: str, organization: str) -> bytes:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def test_a_new_node_gets_a_certificate() -> None:
    async def scene() -> None:
        authority = Authority.open(MemoryFiles(), "/pki", SystemClock())
        rules = CertificateRules(
            read_request, lambda _spec, subresource: subresource == "nodeclient"
        )
        async with running() as api:
            client = api.client()
            engine = Engine(
                client, SystemClock(), SeededChance(),
                controllers(AUTHORITY, Setup(certificates=rules)),
                signer=AuthoritySigner(authority),
            )  # fmt: skip
            task = asyncio.create_task(engine.run())
            asked = request_of("system:node:n1", "system:nodes")
            spec = {
                "request": b64encode(asked).decode(), "signerName": KUBELET_CLIENT,
                "usages": ["digital signature", "client auth"], "expirationSeconds": 3600,
            }  # fmt: skip
            made = await client.create(REQUESTS, {"metadata": {"name": "r"}, "spec": spec})
            async for batch in client.watch(Query(REQUESTS), made["metadata"]["resourceVersion"]):
                status = batch[-1].object.get("status") or {}
                if status.get("certificate"):
                    break
            task.cancel()
        (approved,) = status["conditions"]
        assert (approved["type"], approved["reason"]) == ("Approved", "AutoApproved")
        signed = x509.load_pem_x509_certificate(b64decode(status["certificate"]))
        signed.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
        (name,) = signed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert name.value == "system:node:n1"
        life = signed.not_valid_after_utc - signed.not_valid_before_utc
        assert life.total_seconds() <= 3600 + 300

    async def main() -> None:
        async with asyncio.timeout(10):
            await scene()

    asyncio.run(main())
