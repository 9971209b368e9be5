//! What the page shows while answers are slow, late or not of the component. Most answers here are made in the browser:
//! `fetch` is replaced.

use std::time::Duration;

use serde_json::json;

use crate::browser::{Browser, until};
use crate::support::recipient::{GUARDED, Kind, Recipient, TOKEN};
use crate::{ADMIN, READ, READING, ROWS};

/// Delays requests whose URL contains a text, or whose method is that text. It ignores signals: an answer that was sent
/// already arrives in spite of them.
fn delay(what: &str, milliseconds: u32) -> String {
    format!(
        "const real = window.fetch;
        window.fetch = async (path, options) => {{
            const slow = path.includes('{what}') || options.method === '{what}';
            if (!slow) return real(path, options);
            const {{ signal, ...others }} = options;
            await new Promise((done) => setTimeout(done, {milliseconds}));
            return real(path, others);
        }}"
    )
}

/// Answers requests by JavaScript: `answer(path)` gives a value for JSON, or undefined for a real request.
pub(super) fn replace(answer: &str) -> String {
    format!(
        "const real = window.fetch;
        const answer = {answer};
        const headers = {{ 'content-type': 'application/json' }};
        window.fetch = async (path, options) => {{
            const value = answer(path);
            return value === undefined ? real(path, options) : new Response(JSON.stringify(value), {{ headers }});
        }}"
    )
}

/// Refreshes the view as the timer does after a change.
const REFRESH: &str = "window.dispatchEvent(new Event('resize'))";

fn begin(recipient: &Recipient, lsid: &str) {
    let event = format!("event=support_conference_begin&version=1&timestamp=1700000000&lsid={lsid}");
    assert_eq!(recipient.post(&format!("/events?outbound_event_token={TOKEN}"), event).result(), "stored");
}

/// A page that shows the sessions one and two, to an administrator.
async fn two_sessions() -> (Recipient, Browser) {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING, ADMIN]);
    begin(&recipient, "one");
    begin(&recipient, "two");
    let browser = Browser::open(1200).await;
    browser.enter_list(&recipient, READ).await;
    until("both sessions are listed", async || browser.count(ROWS).await == 2).await;
    (recipient, browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_takes_longer_than_the_time_between_refreshes_ends() {
    let (_recipient, browser) = two_sessions().await;
    // The timer goes off at least once meanwhile.
    browser.run(&delay("/api/sessions?", 13_000)).await;
    browser.show("#/sessions?q=two").await;
    until("one session is found", async || browser.count(ROWS).await == 1).await;
    assert!(browser.text().await.contains("two"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_answers_of_an_earlier_view_change_nothing() {
    let (_recipient, browser) = two_sessions().await;
    browser.run(&delay("q=two", 1_500)).await;
    browser.show("#/sessions?q=two").await;
    browser.show("#/sessions?q=one").await;
    until("the later search is done", async || browser.count(ROWS).await == 1).await;
    browser.run("location.hash = '#/set-aside'").await;
    browser.says("Nothing is set aside.").await;
    // Erasing goes on, but its end does not lead away from another session.
    browser.run(&delay("DELETE", 1_500)).await;
    browser.run("location.hash = '#/session/default/one'").await;
    browser.says("The session began").await;
    browser.find("#erase").await.click().await.unwrap();
    browser.find("dialog[open] button").await.click().await.unwrap();
    browser.run("location.hash = '#/session/default/two'").await;
    browser.says("The session began").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(browser.client.current_url().await.unwrap().fragment(), Some("/session/default/two"));
    browser.show("#/sessions").await;
    until("one session is left", async || browser.count(ROWS).await == 1).await;
    assert!(browser.text().await.contains("two"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_the_token_clears_the_page() {
    let (recipient, browser) = two_sessions().await;
    let store = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let damage = "UPDATE spin_key_value SET value = CAST('{' AS BLOB) WHERE key LIKE 'event.default.%.two.%'";
    assert_eq!(store.execute(damage, []).unwrap(), 1);
    browser.show("#/sessions?q=one").await;
    browser.says("Cannot be read: event.default.").await;
    // An answer that is under way when the token is forgotten is not shown either.
    browser.run(&delay("/api/", 1_500)).await;
    browser.run(REFRESH).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    browser.find("#forget").await.click().await.unwrap();
    browser.find("#token").await;
    for _ in 0..2 {
        let text = browser.text().await;
        for secret in ["event.default.", "one", "two", "1 session", "2 events"] {
            // The word of the hint.
            let text = text.replace("Enter one of", "");
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(browser.client.current_url().await.unwrap().fragment(), None);
    assert_eq!(browser.client.title().await.unwrap(), "Outbound events");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshing_destinations_keeps_lists_open_and_the_focus() {
    let (_recipient, browser) = two_sessions().await;
    let answers = r"(path) => {
        window.pending = (window.pending ?? 0) + 1;
        const event = { id: 'f'.repeat(32), event: 'begin', time: '2026-01-05T00:00:00Z', reason: 'no' };
        const pending = 1000 + window.pending;
        const attempt = { event: event.id, events: 3, answer: '200 OK', milliseconds: 1500, time: event.time };
        const desk = {
            name: 'desk', format: 'form', state: 'working', pending, refused: 1, replays: 0, attempts: [attempt],
        };
        if (path === '/api/destinations') return { destinations: [desk, { ...desk, name: 'other' }] };
        if (path.endsWith('/refused')) return { most: 100, refused: [event] };
    }";
    browser.run(&replace(answers)).await;
    browser.find("#views a[href='#/destinations']").await.click().await.unwrap();
    browser.find("details[data-name=other] summary").await.click().await.unwrap();
    browser.find("details[data-name='other requests'] summary").await.click().await.unwrap();
    browser.says("3 events from").await;
    browser.says("1.5 s").await;
    browser.says(&"f".repeat(32)).await;
    for focused in ["details[data-name=other] li button", "[aria-label='Pause other']", "[data-name=other] summary"] {
        browser.run(&format!("document.querySelector(\"{focused}\").focus()")).await;
        for _ in 0..2 {
            // In one step: a refresh replaces the element.
            let numbers = "return document.querySelector('section dl').innerText";
            let before = browser.run(numbers).await;
            browser.run(REFRESH).await;
            let changed = async || browser.run(numbers).await != before;
            until("the numbers are new", changed).await;
        }
        let script = format!("return document.activeElement === document.querySelector(\"{focused}\")");
        assert_eq!(browser.run(&script).await, json!(true), "{focused}");
        assert_eq!(browser.count("details[open]").await, 2, "{focused}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_answers_with_its_own_page_is_named() {
    let (_recipient, browser) = two_sessions().await;
    let proxy = "window.errors = 0;
        addEventListener('error', () => window.errors++);
        addEventListener('unhandledrejection', () => window.errors++);
        window.real = window.fetch;
        window.fetch = async () => new Response('<h1>Sign in</h1>', { headers: { 'content-type': 'text/html' } })";
    browser.run(proxy).await;
    for view in ["#/sessions?q=one", "#/set-aside", "#/destinations", "#/session/default/one"] {
        browser.run(&format!("location.hash = '{view}'")).await;
        browser.says("The answer is HTTP 200 without JSON. Check the proxy in front of the component.").await;
        assert!(!browser.text().await.contains("undefined"), "{view}");
    }
    assert_eq!(browser.run("return window.errors").await, json!(0));
    // The token is kept, and the page goes on once the proxy is out of the way.
    browser.run("window.fetch = window.real; location.hash = '#/sessions'").await;
    until("both sessions are listed", async || browser.count(ROWS).await == 2).await;
    assert!(!browser.text().await.contains("HTTP 200"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_any_type_and_several_values_are_shown() {
    let (_recipient, browser) = two_sessions().await;
    let answers = r"(path) => {
        if (path !== '/api/sessions/default/one') return;
        const time = '2026-01-05T00:00:00Z';
        const member = { type: 'auditor', name: 'Ann' };
        const data = { event: 'support_conference_member_added', version: '1', timestamp: 1, lsid: 'one', member };
        return {
            site: 'default', lsid: 'one', state: 'open', start: time, end: null, duration_seconds: null, owners: [],
            participants: [{ ...member, joined: time, left: null }], external_keys: [], surveys: [], other_events: [],
            events: [{ time, data: { ...data, variables: { 'tags[]': ['vip', 'eu'] } } }],
            events_total: 1, next: null, unreadable: [],
        };
    }";
    browser.run(&replace(answers)).await;
    browser.show("#/session/default/one").await;
    browser.find("svg rect.other").await;
    browser.says("Ann joined as auditor").await;
    browser.says("tags[] = vip, eu").await;
    // The legend names the type.
    assert!(browser.find(".legend").await.text().await.unwrap().contains("auditor"));
    browser.close().await;
}
