"""The sidecar's own HTTP port."""

import asyncio
import io
import json
import socket
from typing import Any

import aiohttp
import msgspec
import pytest

from sidecar.console.server import ExplainError
from tests.console.conftest import Serve
from tests.fakes.console import FakeConsole
from tests.fakes.decisions import NOON
from tests.fakes.requests import body

ID = "9ff70a7afd4e4c65a4f9a5ef4d4cda11"
TOKEN = "a-token-of-thirty-two-characters"


async def get(client: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    """Status and text."""
    async with client.get(path) as response:
        return response.status, await response.text()


async def post(client: aiohttp.ClientSession, path: str, value: object, **headers: str) -> tuple[int, str]:
    """The same of a POST; bytes go as they are."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    async with client.post(path, data=io.BytesIO(data), headers=named) as response:
        return response.status, await response.text()


async def next_event(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """What the next server-sent event says."""
    while True:
        line = await response.content.readline()
        if line.startswith(b"data: "):
            return dict(json.loads(line[6:]))


@pytest.mark.asyncio
async def test_ready_only_when_nothing_stands_in_the_way(console: FakeConsole, client: aiohttp.ClientSession) -> None:
    assert await get(client, "/readyz") == (200, "ready\n")
    console.why_not_ready = "the classifier is loading"
    assert await get(client, "/readyz") == (503, "the classifier is loading\n")


@pytest.mark.asyncio
async def test_healthy_as_long_as_it_answers_and_tells_the_workers(client: aiohttp.ClientSession) -> None:
    assert await get(client, "/healthz") == (200, '{"workers":[11,12]}')


@pytest.mark.asyncio
async def test_metrics_are_what_is_rendered(client: aiohttp.ClientSession) -> None:
    assert await get(client, "/metrics") == (200, "decisions_total 7\n")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    ["/readyz/", "/v1/chat/completions", "/static/", "/static/login.html", "/static/..%2Fserver.py", "/static/x.js"],
)
async def test_there_is_nothing_else(client: aiohttp.ClientSession, path: str) -> None:
    status, _ = await get(client, path)

    assert status == 404


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_an_os_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = FakeConsole(port=port).server
        with pytest.raises(OSError, match=str(port)):
            await server.start()
        await server.stop()


@pytest.mark.asyncio
async def test_the_policy_is_told_with_its_hash(console: FakeConsole, client: aiohttp.ClientSession) -> None:
    status, text = await get(client, "/config")
    told = json.loads(text)

    assert status == 200
    assert told["hash"] == console.view.policy.hash
    assert "gpt-4.1-nano:" in told["policy"]


@pytest.mark.asyncio
async def test_every_answer_has_the_headers_that_keep_strangers_out(client: aiohttp.ClientSession) -> None:
    for path in ("/", "/static/app.js", "/config", "/nowhere", "/requests/1"):
        async with client.get(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "same-origin"
            assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.asyncio
async def test_what_the_page_is_made_of_is_sent_once(client: aiohttp.ClientSession) -> None:
    async with client.get("/static/app.js") as response:
        etag = response.headers["ETag"]
    async with client.get("/static/app.js", headers={"If-None-Match": etag}) as response:
        assert response.status == 304


@pytest.mark.asyncio
async def test_a_request_is_found_by_its_number_and_by_its_decision(
    console: FakeConsole, client: aiohttp.ClientSession
) -> None:
    console.add(decision_id=ID)

    by_number, by_id = await get(client, "/requests/1"), await get(client, f"/requests/{ID}")

    assert by_number == by_id
    assert json.loads(by_id[1])["request"]["decision_id"] == ID
    assert (await get(client, "/requests/2"))[0] == 404


@pytest.mark.asyncio
async def test_an_open_page_hears_everything_and_then_what_is_new(
    console: FakeConsole, client: aiohttp.ClientSession
) -> None:
    console.add(tenant="first")
    async with client.get("/events") as response:
        everything = await next_event(response)
        console.add(tenant="second")
        news = await next_event(response)

    assert response.content_type == "text/event-stream"
    assert [row["tenant"] for row in everything["changes"]["rows"]] == ["first"]
    assert [row["tenant"] for row in news["changes"]["rows"]][-1] == "second"
    assert news["changes"]["number"] == 2
    assert news["policy"] == console.view.policy.hash


@pytest.mark.asyncio
async def test_open_pages_do_not_hold_up_the_end(serve: Serve) -> None:
    async with (
        serve() as console,
        aiohttp.ClientSession(console.url) as client,
        client.get("/events") as response,
    ):
        await next_event(response)
        await console.server.stop()
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()


@pytest.mark.asyncio
async def test_feedback_is_handed_on(console: FakeConsole, client: aiohttp.ClientSession) -> None:
    status, _ = await post(client, "/feedback", {"decision_id": ID, "score": 0.5, "comment": "so so"})

    (feedback,) = console.feedback
    assert status == 204
    assert (feedback.decision_id, feedback.score, feedback.label, feedback.comment) == (ID, 0.5, None, "so so")
    assert feedback.time.endswith("Z")


@pytest.mark.asyncio
async def test_feedback_that_is_wrong_is_told_why(console: FakeConsole, client: aiohttp.ClientSession) -> None:
    status, text = await post(client, "/feedback", {"decision_id": ID, "score": 7})

    assert (status, json.loads(text)) == (400, {"error": "score: 7 is not from 0 to 1"})
    assert console.feedback == []


@pytest.mark.asyncio
async def test_feedback_that_is_too_long_is_refused(console: FakeConsole, client: aiohttp.ClientSession) -> None:
    status, _ = await post(client, "/feedback", {"decision_id": ID, "score": 1, "comment": "x" * 10_000})

    assert (status, console.feedback) == (413, [])


@pytest.mark.asyncio
async def test_explain_asks_a_worker(client: aiohttp.ClientSession) -> None:
    question = {"path": "/v1/chat/completions", "headers": {"X-Plan": "free"}, "body": json.loads(body())}

    status, text = await post(client, "/explain", question)

    told = json.loads(text)
    assert status == 200
    assert (told["status"], told["record"]["rule"], told["record"]["model"]) == (200, "free", "gpt-4.1-mini")


@pytest.mark.asyncio
async def test_explain_tells_a_rejection(client: aiohttp.ClientSession) -> None:
    question = {"path": "/v1/chat/completions", "body": json.loads(body(model="gpt-9"))}

    _, text = await post(client, "/explain", question)

    told = json.loads(text)
    assert (told["status"], told["record"]["reason"]) == (404, "unknown_model")
    assert "no such model" in told["body"]


@pytest.mark.asyncio
async def test_explain_says_when_nobody_can_be_asked(serve: Serve) -> None:
    async def refuse(*_: object) -> Any:
        raise ExplainError("it is starting")

    question = {"path": "/v1/chat/completions", "body": {}}
    async with serve(explain=refuse) as console, aiohttp.ClientSession(console.url) as client:
        answer = await post(client, "/explain", question)

    assert answer == (503, '{"error":"no worker could be asked: it is starting"}')


@pytest.mark.asyncio
async def test_explain_takes_only_what_the_router_decides(client: aiohttp.ClientSession) -> None:
    status, text = await post(client, "/explain", {"path": "/v1/models", "body": {}})

    assert status == 400
    assert "/v1/chat/completions" in text


@pytest.mark.asyncio
async def test_a_request_larger_than_may_be_is_refused(client: aiohttp.ClientSession) -> None:
    question = {"path": "/v1/chat/completions", "body": "x" * 1_100_000}

    assert (await post(client, "/explain", question))[0] == 413


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["evil.example", "evil.example:9902", "192.0.2.1", "127.0.0.1.evil.example", ""])
@pytest.mark.parametrize("path", ["/", "/config", "/events", "/metrics"])
async def test_on_a_loopback_address_no_other_name_is_answered(
    client: aiohttp.ClientSession, host: str, path: str
) -> None:
    async with client.get(path, headers={"Host": host}) as response:
        assert response.status == 403


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:80", "127.9.9.9", "[::1]:9902"])
async def test_all_names_of_this_machine_are_answered(client: aiohttp.ClientSession, host: str) -> None:
    async with client.get("/config", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
async def test_pages_of_other_sites_cannot_post(
    console: FakeConsole, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    status, _ = await post(client, "/feedback", {"decision_id": ID, "score": 1}, **headers)

    assert (status, console.feedback) == (403, [])


@pytest.mark.asyncio
async def test_the_own_page_can_post(console: FakeConsole, client: aiohttp.ClientSession) -> None:
    own = {"Origin": console.url, "Sec_Fetch_Site": "same-origin"}

    assert (await post(client, "/feedback", {"decision_id": ID, "score": 1}, **own))[0] == 204


@pytest.mark.asyncio
async def test_other_addresses_ask_for_a_token_which_has_to_be_set(serve: Serve) -> None:
    async with serve(host="0.0.0.0") as console, aiohttp.ClientSession(console.url) as client:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await get(client, path))[0] == 200
        for path in ("/", "/config", "/events", "/policy", "/login", "/static/app.js"):
            status, text = await get(client, path)
            assert status == 403 and "SIDECAR_CONSOLE_TOKEN" in text
        assert (await post(client, "/feedback", {"decision_id": ID, "score": 1}))[0] == 403


@pytest.mark.asyncio
async def test_other_addresses_take_the_token_as_a_bearer(serve: Serve) -> None:
    async with (
        serve(host="0.0.0.0", token=TOKEN) as console,
        aiohttp.ClientSession(console.url) as client,
    ):
        for path in ("/", "/config", "/events", "/policy", "/requests/1"):
            assert (await get(client, path))[0] == 401
        for token, status in ((TOKEN, 200), (f"not-{TOKEN}", 401), (TOKEN.replace("e", "ë"), 401), ("", 401)):
            async with client.get("/config", headers={"Authorization": f"Bearer {token}"}) as response:
                assert response.status == status


@pytest.mark.asyncio
async def test_a_browser_signs_in_with_the_token(serve: Serve) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        serve(host="0.0.0.0", token=TOKEN) as console,
        aiohttp.ClientSession(console.url, cookie_jar=jar) as client,
    ):
        async with client.get("/", headers={"Accept": "text/html"}) as response:
            assert response.status == 401 and 'name="token"' in await response.text()
        async with client.post("/login", data={"token": f"not-{TOKEN}"}) as response:
            assert response.status == 403 and "alert" in await response.text()
        async with client.post("/login", data={"token": TOKEN}, allow_redirects=False) as response:
            assert response.status == 303
            cookie = response.headers["Set-Cookie"]
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
        assert (await get(client, "/config"))[0] == 200
        async with client.post("/logout", allow_redirects=False):
            pass
        assert (await get(client, "/config"))[0] == 401


@pytest.mark.asyncio
async def test_a_page_that_does_not_read_is_left(serve: Serve) -> None:
    async with serve() as console:
        reader, writer = await asyncio.open_connection("127.0.0.1", console.port, limit=1)
        writer.write(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{console.port}\r\n\r\n".encode())
        await reader.readexactly(1)
        record = console.traffic.one(NOON)
        crowd = msgspec.structs.replace(record, tenant="x" * 400, requested_model="y" * 400, rule="z" * 400)
        updates = console.server.updates
        while not updates.dropped:
            for _ in range(200):
                console.live.observe_record(crowd)
            updates.tell()
            await asyncio.sleep(0)
        assert updates.clients == 0
        writer.close()
