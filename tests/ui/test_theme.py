"""The page asks for nothing from elsewhere, and says so to the browser."""

from __future__ import annotations

from starlette.types import Message, Receive, Scope, Send

from voice_agents.ui.theme import ALLOWED_SOURCES, only_own_sources

PAGE = b"""<!doctype html><html><head><title>x</title><link rel="preconnect" href="https://fonts.googleapis.com" />
<link
    rel="preconnect"
    href="https://fonts.gstatic.com"
    crossorigin="anonymous"
/><script
    src="https://cdnjs.cloudflare.com/ajax/libs/x.js"
    async
></script></head><body>stays</body></html>"""


async def answered(content_type: bytes, *pieces: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Headers and body as a browser gets them, when an application answers in these pieces."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        length = str(sum(map(len, pieces))).encode()
        headers = [(b"content-type", content_type), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nobody asks")

    async def send(message: Message) -> None:
        sent.append(message)

    middleware = only_own_sources()
    await middleware.cls(app, *middleware.args, **middleware.kwargs)({"type": "http"}, receive, send)
    start, *body = sent
    return dict(start["headers"]), b"".join(message["body"] for message in body)


async def test_the_page_names_no_other_host_and_keeps_the_rest() -> None:
    headers, body = await answered(b"text/html; charset=utf-8", PAGE[:200], PAGE[200:])
    assert b"https://" not in body
    assert b"<body>stays</body>" in body
    assert int(headers[b"content-length"]) == len(body)
    assert headers[b"content-security-policy"] == ALLOWED_SOURCES.encode()


async def test_what_is_no_page_is_left_as_it_is() -> None:
    headers, body = await answered(b"application/json", PAGE)
    assert body == PAGE
    assert int(headers[b"content-length"]) == len(PAGE)
    assert headers[b"content-security-policy"] == ALLOWED_SOURCES.encode()
