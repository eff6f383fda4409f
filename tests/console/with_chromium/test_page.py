"""The page, as a browser shows it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from playwright.async_api import Browser, Locator, expect

from sidecar.routing.request_record import AttemptRecord
from tests.console.conftest import Serve
from tests.console.with_chromium.conftest import Visit

ID = "9ff70a7afd4e4c65a4f9a5ef4d4cda11"
TOKEN = "a-token-of-thirty-two-characters"

HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\">",
    "<script>document.title='broken'</script>",
    "\"><svg onload=document.title='broken'>",
    "{{constructor.constructor('document.title=1')()}}",
    "javascript:document.title='broken'",
)

# WCAG 2.2 AA, of text.
LEAST_CONTRAST = 4.5


def seed(visit: Visit, minutes: int = 30) -> None:
    """Half an hour of traffic."""
    for record in visit.console.traffic.history(minutes, datetime.now(UTC) - timedelta(minutes=1), a_minute=10):
        visit.console.live.observe_record(record)


def add_plain(visit: Visit, **changes: Any) -> None:
    """A request with a decision that a model of the policy answered."""
    while True:
        record = visit.console.traffic.one(datetime.now(UTC))
        if record.record is not None and record.result == "success" and record.attempts:
            visit.console.live.observe_record(msgspec.structs.replace(record, **changes))
            return


def rows(visit: Visit) -> Locator:
    """Of the table of decisions."""
    return visit.page.locator("#rows tbody tr")


async def open_story(visit: Visit) -> Locator:
    """Of the newest request."""
    await rows(visit).first.get_by_role("button").click()
    story = visit.page.get_by_role("dialog")
    await expect(story.locator("h3").first).to_be_visible()
    return story


async def scrolls_sideways(visit: Visit) -> bool:
    """Whether something is wider than the window."""
    return bool(await visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.mark.asyncio
async def test_it_shows_what_happened(visit: Visit) -> None:
    seed(visit)
    await visit.open()

    await expect(rows(visit)).to_have_count(50)
    await expect(visit.page.get_by_role("img", name="requests by tier over time")).to_be_visible()
    await expect(visit.page.get_by_role("img", name="had the fallback answered")).to_be_visible()
    await expect(visit.page.locator("#tiles")).to_contain_text("Saved")
    await expect(visit.page.locator("#model-rows tbody tr")).to_have_count(len(visit.console.view.policy.models))
    await visit.page.get_by_role("button", name="Show more").click()
    await expect(rows(visit)).to_have_count(100)


@pytest.mark.asyncio
async def test_before_the_first_request_it_says_so(visit: Visit) -> None:
    await visit.open()

    await expect(visit.page.locator("#empty")).to_contain_text("No request yet")
    await expect(visit.page.locator("#model-rows tbody tr").first).to_contain_text("no traffic")


@pytest.mark.asyncio
async def test_a_request_appears_when_it_ends(visit: Visit) -> None:
    await visit.open()
    add_plain(visit, tenant="first")
    await expect(rows(visit).first).to_contain_text("first")

    add_plain(visit, tenant="second")

    await expect(rows(visit).first).to_contain_text("second")
    await expect(rows(visit)).to_have_count(2)
    await expect(visit.page.locator("#tiles")).to_contain_text("Requests2")


@pytest.mark.asyncio
async def test_a_pause_holds_the_table_still(visit: Visit) -> None:
    add_plain(visit, tenant="first")
    await visit.open()
    await visit.page.get_by_role("button", name="Pause").click()

    add_plain(visit, tenant="second")

    await expect(visit.page.locator("#tiles")).to_contain_text("Requests2")
    await expect(rows(visit)).to_have_count(1)
    await visit.page.get_by_role("button", name="Resume").click()
    await expect(rows(visit)).to_have_count(2)


@pytest.mark.asyncio
@pytest.mark.parametrize("field", ["tier", "reason", "result", "tenant", "model"])
async def test_the_table_is_filtered(visit: Visit, field: str) -> None:
    seed(visit)
    await visit.open()
    value = getattr(visit.console.live.everything().rows[-1], field)
    wanted = sum(getattr(row, field) == value for row in visit.console.live.everything().rows)

    await visit.page.locator(f"#filters [name={field}]").select_option(value)

    await expect(visit.page.locator("#count")).to_have_text(f"{wanted} of the last {visit.console.live.number}")
    await expect(rows(visit)).to_have_count(min(wanted, 50))
    await visit.page.get_by_role("button", name="Clear").click()
    await expect(rows(visit)).to_have_count(50)


@pytest.mark.asyncio
async def test_a_decision_is_found_by_its_id(visit: Visit) -> None:
    add_plain(visit, decision_id=ID)
    seed(visit, 10)
    await visit.open()

    await visit.page.get_by_label("Decision id").fill(ID)
    await expect(rows(visit)).to_have_count(1)
    await visit.page.get_by_label("Decision id").press("Enter")

    await expect(visit.page.get_by_role("dialog")).to_contain_text(ID)


@pytest.mark.asyncio
async def test_a_story_tells_everything(visit: Visit) -> None:
    failed = AttemptRecord("gpt-4.1", "openai", 503, 0.2, "upstream_remote_reset", None, None, None, None, None)
    answered = AttemptRecord("gpt-5", "openai", 200, 1.5, None, 1_234, 56, 7, 0, 0.002)
    add_plain(
        visit,
        tenant="acme",
        requested_model="auto",
        model="gpt-5",
        attempts=[failed, answered],
        attempt_count=2,
        input_tokens=1_234,
        cached_tokens=1_100,
        cache_write_tokens=99,
        output_tokens=56,
        estimated=True,
        cost=0.002,
        baseline_cost=0.005,
        saving=0.003,
        first_byte_seconds=0.25,
        trace_id="0af7651916cd43dd8448eb211c80319c",
    )
    await visit.open()

    story = await open_story(visit)

    for told in (
        "acme asked for auto and got an answer from gpt-5",
        "2 attempts",
        "upstream remote reset",
        "its first byte after 250 ms",
        "It cost $0.0020, the fallback's answer would have cost $0.0050: $0.0030 (60\u00a0%) saved.",
        "1,234",
        "of which cached1,100",
        "of which put into the cache99",
        "Estimated by size",
    ):
        await expect(story).to_contain_text(told)
    for title in ("Request", "Rules", "Classification", "Tier", "Plan", "Time spent"):
        await expect(story.get_by_role("heading", name=title, exact=True)).to_be_visible()
    link = story.get_by_role("link", name="0af7651916cd43dd8448eb211c80319c")
    await expect(link).to_have_attribute("href", "http://localhost:16686/trace/0af7651916cd43dd8448eb211c80319c")


@pytest.mark.asyncio
async def test_a_bypass_and_a_rejection_have_stories_too(visit: Visit) -> None:
    records = [visit.console.traffic.one(datetime.now(UTC), model="gpt-9") for _ in range(3)]
    add_plain(visit, bypassed=True, record=None, decision_id=None, reason=None, tier=None)
    await visit.open()
    await expect(await open_story(visit)).to_contain_text("The router was passed by")
    await visit.page.get_by_role("button", name="Close").click()

    visit.console.live.observe_record(next(record for record in records if record.record is not None))

    await expect(rows(visit).first).to_contain_text("unknown model")
    await expect(await open_story(visit)).to_contain_text("this gateway has no such model")


@pytest.mark.asyncio
async def test_feedback_is_one_click(visit: Visit) -> None:
    add_plain(visit, decision_id=ID)
    await visit.open()
    story = await open_story(visit)

    await story.get_by_role("button", name="No", exact=True).click()

    await expect(story.get_by_role("status")).to_have_text("Thank you, noted with the records.")
    assert [(each.decision_id, each.score) for each in visit.console.feedback] == [(ID, 0.0)]


@pytest.mark.asyncio
async def test_explain_tells_what_would_happen(visit: Visit) -> None:
    await visit.open()
    form, answer = visit.page.locator("#question"), visit.page.get_by_role("region", name="Explanation")

    await form.get_by_label("Prompt", exact=True).last.fill("Prove that there are infinitely many primes.")
    await form.get_by_label("Headers").fill("x-plan: premium\nX-Tenant-Id: acme")
    await form.get_by_role("button", name="Explain").click()

    await expect(answer).to_contain_text("gpt-5 would be asked first: tier reasoning, by difficulty.")
    await expect(answer).to_contain_text("The rule premium matched.")
    await expect(answer).to_contain_text("is not for this tenant")


@pytest.mark.asyncio
async def test_explain_takes_a_whole_request_and_tells_mistakes(visit: Visit) -> None:
    await visit.open()
    form, answer = visit.page.locator("#question"), visit.page.get_by_role("region", name="Explanation")
    text, ask = form.locator("[name=text]"), form.get_by_role("button", name="Explain")

    await text.fill("hi")
    await form.get_by_label("Whole request").check()
    await expect(text).to_have_value(
        '{\n  "model": "auto",\n  "messages": [\n    {\n      "role": "user",\n      "content": "hi"\n    }\n  ]\n}'
    )
    await text.fill('{"model": "gpt-9", "messages": [{"role": "user", "content": "hi"}]}')
    await ask.click()
    await expect(answer).to_contain_text("It would be rejected with 404, by unknown model.")

    await text.fill("{")
    await ask.click()
    await expect(form.get_by_role("alert")).to_contain_text("The request body is not JSON")
    await text.fill("{}")
    await form.get_by_label("Headers").fill("no colon")
    await ask.click()
    await expect(form.get_by_role("alert")).to_contain_text("“no colon” is not like")


@pytest.mark.asyncio
@pytest.mark.parametrize("text", HOSTILE)
async def test_text_stays_text(visit: Visit, text: str) -> None:
    attempt = AttemptRecord(text, text, 503, 0.1, text, 1, 1, 1, 1, 0.1)
    decision = visit.console.traffic.one(datetime.now(UTC)).record
    assert decision is not None
    record = msgspec.json.decode(decision)
    record["signals"]["headers"] |= {text: text}
    record["signals"]["model"] = record["rule"] = record["policy"] = text
    record["excluded"] = {text: text}
    record["plan"] = [{"model": text, "cost": 1.0}]
    add_plain(
        visit,
        **dict.fromkeys(
            ("tenant", "requested_model", "model", "rule", "reason", "trace_id", "error", "details"), text
        ),
        flags=[text],
        attempts=[attempt, attempt],
        attempt_count=2,
        decision_id=text,
        tier=text,
        record=msgspec.Raw(msgspec.json.encode(record)),
    )
    await visit.open()

    await expect(rows(visit).first).to_contain_text(text)
    await expect(visit.page.locator("#model-rows")).to_contain_text(text)
    story = await open_story(visit)

    await expect(story).to_contain_text(text)
    assert await visit.page.title() == "LLM router"
    assert await visit.page.locator("main img, dialog img, svg[onload], script:not([src])").count() == 0
    for link in await story.get_by_role("link").all():
        assert (await link.get_attribute("href") or "").startswith("http://localhost:16686/trace/")


@pytest.mark.asyncio
@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_prompts_and_headers_stay_text_in_explain(visit: Visit, text: str) -> None:
    await visit.open()
    form, answer = visit.page.locator("#question"), visit.page.get_by_role("region", name="Explanation")

    await form.locator("[name=text]").fill(text)
    await form.get_by_label("Headers").fill(f"x-tenant-id: {text}")
    await form.get_by_label("Model").fill(text)
    await form.get_by_role("button", name="Explain").click()

    await expect(answer).to_contain_text("It would be rejected with 404")
    await expect(answer).to_contain_text(text)
    assert await visit.page.title() == "LLM router"
    assert await answer.locator("img, script, svg").count() == 0


@pytest.mark.asyncio
async def test_a_phone_scrolls_in_one_direction(phone: Visit) -> None:
    seed(phone)
    long = "a-model-with-a-name-" * 6
    add_plain(phone, tenant="t" * 256, model=long, requested_model=long, error="e" * 400)
    await phone.open()
    await expect(rows(phone).first).to_be_visible()
    assert not await scrolls_sideways(phone)

    story = await open_story(phone)
    assert not await story.evaluate("(dialog) => dialog.scrollWidth > dialog.clientWidth")
    await phone.page.get_by_role("button", name="Close").click()

    await phone.page.locator("#question [name=text]").fill("hi")
    await phone.page.get_by_role("button", name="Explain").click()
    await expect(phone.page.locator("#answer h3").first).to_be_visible()
    assert not await scrolls_sideways(phone)


@pytest.mark.asyncio
async def test_it_is_dark_where_that_is_wanted(night: Visit, visit: Visit) -> None:
    brightness = """getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g)
      .reduce((sum, part) => sum + Number(part), 0)"""
    await night.open()
    await visit.open()

    assert await night.page.evaluate(brightness) < 150 < 600 < await visit.page.evaluate(brightness)


CONTRASTS = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => numbers(color).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0.9) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const hasText = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!hasText || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const color = node instanceof SVGElement ? style.fill : style.color;
    const [one, other] = [light(color), light(behind(node))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < LEAST) poor.push(`${node.tagName} ${node.textContent.trim().slice(0, 30)} ${contrast.toFixed(2)}`);
  }
  return poor;
}""".replace("LEAST", str(LEAST_CONTRAST))


@pytest.mark.asyncio
async def test_text_can_be_read_by_day_and_by_night(night: Visit, visit: Visit) -> None:
    for each in (visit, night):
        seed(each)
        await each.open()
        await expect(rows(each).first).to_be_visible()
        await open_story(each)

        assert await each.page.evaluate(CONTRASTS) == []


@pytest.mark.asyncio
async def test_everything_that_is_filled_in_or_pressed_has_a_name(visit: Visit) -> None:
    seed(visit)
    await visit.open()
    await expect(rows(visit).first).to_be_visible()

    tree = await visit.page.locator("body").aria_snapshot()

    for role in ("button", "textbox", "combobox", "searchbox", "radio", "link"):
        assert f"- {role}\n" not in tree and f"- {role}:" not in tree


@pytest.mark.asyncio
async def test_the_keyboard_is_enough(visit: Visit) -> None:
    add_plain(visit, decision_id=ID)
    await visit.open()
    press = visit.page.keyboard.press
    await expect(rows(visit)).to_have_count(1)

    await press("Tab")
    await expect(visit.page.locator(":focus")).to_have_text("Skip to decisions")
    await rows(visit).first.get_by_role("button").focus()
    await press("Enter")
    await expect(visit.page.get_by_role("dialog")).to_contain_text(ID)
    for _ in range(30):
        await press("Tab")
        assert await visit.page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    await press("Escape")
    await expect(visit.page.get_by_role("dialog")).to_be_hidden()
    await expect(rows(visit).first.get_by_role("button")).to_be_focused()

    await visit.page.locator("#question [name=text]").focus()
    await visit.page.keyboard.type("hi")
    await press("Tab")
    await press("Tab")
    await press("Enter")
    await expect(visit.page.locator("#answer")).to_be_focused()


@pytest.mark.asyncio
async def test_the_policy_is_there_to_read(visit: Visit) -> None:
    await visit.open()

    await visit.page.get_by_text("The policy in use").click()

    await expect(visit.page.get_by_label("Policy as YAML")).to_contain_text("gpt-4.1-nano:")
    await expect(visit.page.locator("#policy-hash")).to_have_text(visit.console.view.policy.hash)


@pytest.mark.asyncio
async def test_it_comes_back_after_the_collector_was_restarted(serve: Serve, browser: Browser) -> None:
    page = await browser.new_page()
    async with serve() as first:
        first.add(tenant="first")
        await page.goto(first.url)
        await expect(page.locator("#rows tbody tr")).to_contain_text("first")
    await expect(page.locator("#connection")).to_have_text("Reconnecting")

    async with serve(port=first.port) as second:
        second.add(tenant="second")
        await expect(page.locator("#rows tbody tr")).to_contain_text("second", timeout=20_000)
        await expect(page.locator("#rows tbody tr")).to_have_count(1)
        await page.close()


@pytest.mark.asyncio
async def test_a_browser_signs_in_and_out(serve: Serve, browser: Browser) -> None:
    page = await browser.new_page()
    async with serve(host="0.0.0.0", token=TOKEN) as console:
        await page.goto(console.url)
        await page.get_by_label("Console token").fill(f"not-{TOKEN}")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("That is not the token.")
        await page.get_by_label("Console token").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await page.locator("#connection[data-state=live]").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Console token")).to_be_visible()
        await page.close()


@pytest.mark.asyncio
async def test_another_site_can_neither_read_nor_post_nor_frame(visit: Visit, serve: Serve) -> None:
    async with serve() as other:
        page = visit.page
        await page.goto(other.url + "/healthz")
        target = visit.console.url.replace("127.0.0.1", "localhost")
        tell = """async ([target, feedback]) => {
          const post = fetch(`${target}/feedback`, {method: "POST", mode: "no-cors", body: feedback});
          const read = fetch(`${target}/config`).then((response) => response.text());
          return (await Promise.allSettled([post, read])).map((each) => each.status);
        }"""
        told = await page.evaluate(tell, [target, f'{{"decision_id": "{ID}", "score": 1}}'])
        assert told[1] == "rejected"
        await page.close()

    assert visit.console.feedback == []
    visit.complaints.clear()  # the browser complained, as it should, also of an icon that is not there
