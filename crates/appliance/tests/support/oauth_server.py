"""A server of OAuth 2.0 and an API behind it, made with Authlib.

Issues tokens for client credentials, in the form or in the header, and accepts events with a token that it issued and
that has not expired. POST /revoke forgets all tokens. GET /figures has the number of issued tokens, of rejected
requests, and the ids of the events.
"""

import os
import sys
import time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator, BearerTokenValidator
from flask import Flask, jsonify, request

LIFETIME = int(sys.argv[1])
tokens, figures = {}, {"issued": 0, "rejected": 0, "ids": []}


class Client(ClientMixin):
    def get_client_id(self):
        return "desk"

    def get_allowed_scope(self, scope):
        return scope if scope == "events:write" else ""

    def check_client_secret(self, secret):
        return secret == "s3cret/+ä"

    def check_endpoint_auth_method(self, method, endpoint):
        return method in ("client_secret_basic", "client_secret_post")

    def check_grant_type(self, grant):
        return grant == "client_credentials"


class Token(TokenMixin):
    def __init__(self, scope):
        self.scope, self.expires = scope, time.monotonic() + LIFETIME

    def get_scope(self):
        return self.scope

    def is_expired(self):
        return time.monotonic() >= self.expires

    def is_revoked(self):
        return False


class Grant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return tokens.get(token_string)


def save_token(token, _request):
    figures["issued"] += 1
    tokens[token["access_token"]] = Token(token["scope"])


app = Flask(__name__)
app.config["OAUTH2_SCOPES_SUPPORTED"] = ["events:write"]
server = AuthorizationServer(
    app, query_client=lambda client_id: Client() if client_id == "desk" else None, save_token=save_token
)
server.register_token_generator(
    "default", BearerTokenGenerator(lambda **_: os.urandom(16).hex(), expires_generator=lambda *_: LIFETIME)
)
server.register_grant(Grant)
protector = ResourceProtector()
protector.register_token_validator(Validator())


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/in")
def take():
    with protector.acquire("events:write"):
        figures["ids"].append(request.headers["webhook-id"])
        return ""


@app.post("/revoke")
def revoke():
    tokens.clear()
    return ""


@app.get("/figures")
def show():
    return jsonify(figures)


@app.after_request
def count(response):
    figures["rejected"] += response.status_code == 401
    return response


if __name__ == "__main__":
    from werkzeug.serving import make_server

    http = make_server("127.0.0.1", 0, app, threaded=True)
    print(http.port, flush=True)
    http.serve_forever()
