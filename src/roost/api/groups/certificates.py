"""The kinds of certificates.k8s.io."""

from __future__ import annotations

from roost.api.groups.selectable import text
from roost.api.kind import READ_WRITE, Kind, Subresource

GROUP = "certificates.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="CertificateSigningRequest",
        plural="certificatesigningrequests",
        namespaced=False,
        schema="io.k8s.api.certificates.v1.CertificateSigningRequest",
        singular="certificatesigningrequest",
        short_names=("csr",),
        subresources={
            "approval": Subresource(READ_WRITE, "CertificateSigningRequest"),
            "status": Subresource(READ_WRITE, "CertificateSigningRequest"),
        },
        fields={"spec.signerName": text("spec.signerName")},
    ),
)
