"""A mail server that takes everything and remembers it: real SMTP on a free loopback port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class PostOffice:
    """Takes mail and remembers it as it was sent; says `answer` to a recipient, and `taken` to the content."""

    def __init__(self) -> None:
        self.letters: list[bytes] = []
        self.answer = "250 OK"
        self.taken = "250 OK"

    async def handle_RCPT(  # noqa: N802  as aiosmtpd calls it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.letters.append(envelope.content)
        return self.taken

    def letter(self, number: int | None = None) -> EmailMessage:
        """One of them by its number from 0, or the only one."""
        if number is None:
            (content,) = self.letters
        else:
            content = self.letters[number]
        return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


@asynccontextmanager
async def post_office(office: PostOffice) -> AsyncIterator[int]:
    """The port of a server that takes mail from anybody, and a password when one is offered."""

    def only_the_right(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=data.password == b"right", handled=False)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(office, authenticator=only_the_right, auth_require_tls=False, loop=loop), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
