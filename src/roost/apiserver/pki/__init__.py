"""Keys and certificates: the cluster's own authority, what it issues, and the token signing key."""

from roost.apiserver.pki.authority import Authority
from roost.apiserver.pki.files import Identity, PkiError
from roost.apiserver.pki.signing import SigningKeys

__all__ = ["Authority", "Identity", "PkiError", "SigningKeys"]
