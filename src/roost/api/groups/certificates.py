"""The kinds of certificates.k8s.io."""

from __future__ import annotations

from roost.api.columns import control as control_columns
from roost.api.defaults import extension as extension_defaults
from roost.api.groups.selectable import text
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import extension as extension_strategy
from roost.api.validation import signing as signing_rules

GROUP = "certificates.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="CertificateSigningRequest",
        plural="certificatesigningrequests",
        namespaced=False,
        schema="io.k8s.api.certificates.v1.CertificateSigningRequest",
        columns=control_columns.CERTIFICATE_SIGNING_REQUESTS,
        singular="certificatesigningrequest",
        short_names=("csr",),
        subresources={
            "approval": Subresource(READ_WRITE, "CertificateSigningRequest"),
            "status": Subresource(READ_WRITE, "CertificateSigningRequest"),
        },
        fields={"spec.signerName": text("spec.signerName")},
        default=extension_defaults.certificate_signing_request,
        prepare=extension_strategy.certificate_signing_request,
        validate=signing_rules.CERTIFICATE_SIGNING_REQUEST,
    ),
)
