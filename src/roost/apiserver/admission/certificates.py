"""Plugins of certificate requests: who may approve and sign, and which identity none may ask for."""

from __future__ import annotations

import binascii
from abc import abstractmethod
from base64 import b64decode

from roost.api.values import Object
from roost.apiserver.access.identity import MASTERS
from roost.apiserver.admission.base import Base, is_creation, refuse, resource_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission, Attributes
from roost.apiserver.authorizer import Authorizer
from roost.decisions.certificates import CLIENT

_GROUP = "certificates.k8s.io"
_REQUESTS = (_GROUP, "certificatesigningrequests")


class _SignerPermission(Base):
    """Asks whether the user has a verb on the signer of a request."""

    resources = frozenset({_REQUESTS})
    verb = ""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    @abstractmethod
    def _concerns(self, request: Admission) -> bool:
        """Does a change of a request need the verb?"""

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        del lookup
        if request.operation != "UPDATE" or resource_of(request) != _REQUESTS:
            return
        if request.old is None or not self._concerns(request):
            return
        signer = (request.old.get("spec") or {}).get("signerName", "")
        domain = signer.partition("/")[0]
        asked = Attributes(request.user, self.verb, _GROUP, "v1", "signers", name=signer)
        broad = Attributes(request.user, self.verb, _GROUP, "v1", "signers", name=f"{domain}/*")
        if any(self._authorizer.authorize(question).allowed for question in (asked, broad)):
            return
        raise refuse(
            request, f'user not permitted to {self.verb} requests with signerName "{signer}"'
        )


class CertificateApproval(_SignerPermission):
    """Who approves must have `approve` on the signer."""

    name = "CertificateApproval"
    verb = "approve"

    def _concerns(self, request: Admission) -> bool:
        return request.subresource == "approval"


class CertificateSigning(_SignerPermission):
    """Who writes the certificate, or that it failed, must have `sign` on the signer."""

    name = "CertificateSigning"
    verb = "sign"

    def _concerns(self, request: Admission) -> bool:
        old, new = _status(request.old), _status(request.object)
        return request.subresource == "status" and (
            old.get("certificate") != new.get("certificate") or _failed(old) != _failed(new)
        )


class CertificateAuthor(Base):
    """A new request says who made it, whatever it said itself. It must come after all webhooks."""

    name = "CertificateAuthor"
    resources = frozenset({_REQUESTS})

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        del lookup
        if not is_creation(request, _REQUESTS) or request.object is None:
            return
        user, spec = request.user, request.object.setdefault("spec", {})
        said = {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
        }
        for field, value in said.items():
            spec.pop(field, None)
            if value:
                spec[field] = value


class CertificateSubjectRestriction(Base):
    """No client certificate for system:masters comes from a request."""

    name = "CertificateSubjectRestriction"
    resources = frozenset({_REQUESTS})

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        del lookup
        if not is_creation(request, _REQUESTS) or request.object is None:
            return
        spec = request.object.get("spec") or {}
        if spec.get("signerName") != CLIENT:
            return
        from roost.apiserver.pki.requests import read_request

        try:
            asked = read_request(b64decode(spec.get("request") or "", validate=True))
        except (binascii.Error, ValueError) as error:
            raise refuse(request, f"unable to parse csr: {error}") from error
        if MASTERS in asked.organizations:
            raise refuse(
                request,
                f"use of {CLIENT} signer with {MASTERS} group is not allowed",
            )


def _status(obj: Object | None) -> Object:
    return (obj or {}).get("status") or {}


def _failed(status: Object) -> list[Object]:
    return [item for item in status.get("conditions") or () if item.get("type") == "Failed"]
