"""What Vault asks of a Kubernetes cluster: whose a service account's token is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from plugins.vault.tests.signed_tokens import signed_token
from tests.lab.httpserver import QuietHandler, serve_http

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def pod_token(key: Any, account: str, namespace: str = "bank") -> str:
    """Return a token as a cluster gives it to the pods of a service account."""
    claims = {"name": account, "uid": f"uid-of-{account}"}
    subject = f"system:serviceaccount:{namespace}:{account}"
    inner = {"namespace": namespace, "serviceaccount": claims}
    times = {"iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 4_000_000_000}
    return signed_token(key, {"iss": "https://cluster", "sub": subject, "kubernetes.io": inner, **times})


def token_reviews(accounts: Mapping[str, str], namespace: str = "bank") -> str:
    """Serve the API's token reviews for these tokens and their accounts; return the address."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 (the standard library's name)
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            account = accounts.get(asked["spec"]["token"]) if self.path == REVIEWS else None
            status: dict[str, Any] = {"authenticated": account is not None}
            if account is not None:
                name = f"system:serviceaccount:{namespace}:{account}"
                status["user"] = {"username": name, "uid": f"uid-of-{account}", "groups": ["system:serviceaccounts"]}
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
            self.reply(201, json.dumps(review).encode(), {"Content-Type": "application/json"})

    return f"http://127.0.0.1:{serve_http(Handler, None)}"
