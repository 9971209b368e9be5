"""An SMTP server (aiosmtpd) for the tests of emails: stores each accepted email, parsed by Python's own parser.

smtp_server.py PORT FILE [--login USER PASSWORD] [--tls CERTIFICATE KEY] [--implicit]

Each email is a line of JSON in FILE. An address that begins with "nobody" is refused for good, one that begins with
"later" for now. --tls requires STARTTLS; with --implicit, TLS begins with the connection.
"""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, path):
        self.path = path

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 There is nobody of that name"
        if address.startswith("later"):
            return "450 4.2.1 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        kept = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "headers": sorted(name.lower() for name in message.keys()),
            "from": str(message["From"]),
            "to": [address.addr_spec for address in message["To"].addresses],
            "subject": message["Subject"],
            "body": message.get_content().replace("\r\n", "\n"),
            "encrypted": server.transport.get_extra_info("sslcontext") is not None,
            "login": session.authenticated,
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(kept) + "\n")
        return "250 OK"


def main():
    # A client that rejects our certificate is part of some tests, not an error of the server.
    logging.disable()
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("file")
    arguments.add_argument("--login", nargs=2)
    arguments.add_argument("--tls", nargs=2)
    arguments.add_argument("--implicit", action="store_true")
    arguments = arguments.parse_args()

    settings = {"enable_SMTPUTF8": True}
    implicit = None
    if arguments.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*arguments.tls)
        if arguments.implicit:
            implicit = context
        else:
            settings.update(tls_context=context, require_starttls=True)
    if arguments.login:
        expected = tuple(text.encode() for text in arguments.login)

        def authenticate(server, session, envelope, mechanism, data):
            return AuthResult(success=(data.login, data.password) == expected, handled=False)

        settings.update(authenticator=authenticate, auth_required=True, auth_require_tls="tls_context" in settings)

    async def serve():
        handler = Handler(arguments.file)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(handler, **settings), "127.0.0.1", arguments.port, ssl=implicit)
        print("listening on port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(serve())


main()
