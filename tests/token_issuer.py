"""An OpenID Connect issuer on loopback, for servers that believe it."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from roost.adapters.real.clock import SystemClock
from roost.apiserver.pki.authority import Authority
from wire import authority, load_identity


@dataclass
class TokenIssuer:
    """An OpenID Connect issuer on loopback: HTTPS by an authority of its own, one RSA key."""

    authority: Authority = field(default_factory=lambda: authority("issuer-ca"))
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def start(self) -> http.server.ThreadingHTTPServer:
        issuer = self

        class Documents(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                body = json.dumps(issuer.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documents)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_identity(context, self.authority.server(["127.0.0.1"]))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"https://127.0.0.1:{server.server_address[1]}"
        return server

    def document(self, path: str) -> Any:
        if path.startswith("/.well-known"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}

    def token(self, **claims: Any) -> str:
        now = SystemClock().now()
        said = {"iss": self.url, "aud": "roost", "sub": "ann", "exp": now + 600, **claims}
        return jwt.encode(said, self.key, "RS256", headers={"kid": "one"})
