//! The overview shows the figures of the API, which are made in the browser here, and each leads to its sessions.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Browser, until};
use crate::refreshing::replace;
use crate::support::recipient::{GUARDED, Kind, Recipient};
use crate::{READ, READING};

/// Answers of `/api/now` and `/api/statistics`. `window.asked` is how often it was asked what is open, `window.today` the
/// number of today's sessions, `window.version` the version of the store.
const ANSWERS: &str = r"(path) => {
    const { pathname, searchParams } = new URL(path, location.origin);
    const today = new Date();
    const day = [today.getFullYear(), today.getMonth() + 1, today.getDate()]
        .map((part) => String(part).padStart(2, '0')).join('-');
    const group = (group, sessions, never_answered) => ({
        group, sessions, never_answered, ended: sessions, transfers: 4, representatives: 1,
        waiting_seconds: { median: 40, p90: 125, max: 300 }, length_seconds: { median: 600, p90: 900, max: 999 },
        surveys: { customer: 0, representative: 0 }, unknown: { begin: 0, waiting: 0, length: 0, transfers: 0 },
    });
    const groups = {
        day: [group(day, window.today ?? 34, 2)],
        'weekday-hour': [group('mon-09', 9, 1), group('fri-17', 3, 0)],
        representative: [group('Ann', 5, 0), group('Bob', 7, 0), group(null, 2, 2)],
        team: [group('Desk', 14, 2)],
    };
    if (pathname === '/api/statistics') return { groups: groups[searchParams.get('by')] };
    if (pathname !== '/api/now') return;
    window.asked = (window.asked ?? 0) + 1;
    const now = today.toISOString();
    const since = new Date(today - 400_000).toISOString();
    return {
        now, midnight: new Date(today.setHours(0, 0, 0, 0)).toISOString(), zone: 'UTC', open: 3, ended: 12,
        waiting: [{ site: 'hq', lsid: 'one', since }], waiting_total: 1, longest_wait_seconds: 400, never_answered: 2,
        version: window.version ?? 'first',
    };
}";

/// A page that shows seven days.
async fn week() -> (Recipient, Browser) {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING]);
    let browser = Browser::open(1200).await;
    browser.enter(&recipient, READ).await;
    browser.find(".tile").await;
    browser.run(&replace(ANSWERS)).await;
    browser.show("#/?range=7").await;
    browser.find(".hits a[aria-label$=': 34 sessions, 2 never answered']").await;
    (recipient, browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_figure_is_that_of_the_api() {
    let (_recipient, browser) = week().await;
    until("the tiles are filled", async || browser.count(".pending").await == 0).await;
    let tiles = "return [...document.querySelectorAll('.figure')].map((figure) => figure.textContent)";
    assert_eq!(browser.run(tiles).await, json!(["3", "1", "12", "2"]));
    assert_eq!(browser.count(".tile.alarm").await, 1, "400 seconds are an alarm");
    assert!(browser.client.title().await.unwrap().starts_with("(1 customer waiting)"));
    // Seven days, of which one has sessions.
    let numbers = "return [...document.querySelectorAll('.numbers')].map((numbers) =>
        [...numbers.querySelectorAll('tbody tr')].map((row) => [...row.cells].slice(1).map((cell) => cell.textContent)))";
    let numbers = browser.run(numbers).await;
    let none = json!(["0", "0", "0"]);
    let days = json!([none, none, none, none, none, none, ["34", "2", "4"]]);
    assert_eq!(numbers, json!([days, [["40 s", "2 min 5 s", "5 min", "34"]], [["9", "1", "4"], ["3", "0", "4"]]]));
    assert_eq!(browser.count(".hits a[aria-label='Monday, 9:00 to 10:00: 9 sessions, 1 never answered']").await, 1);
    let names = "return [...document.querySelector('.sorting').tBodies[0].rows].map((row) => row.cells[0].textContent)";
    assert_eq!(browser.run(names).await, json!(["Bob", "Ann", "no representative"]));
    browser.find(".sorting th:first-child button").await.click().await.unwrap();
    assert_eq!(browser.run(names).await, json!(["Ann", "Bob", "no representative"]));
    assert_eq!(browser.faults().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_lead_to_their_sessions_with_the_keyboard() {
    let (_recipient, browser) = week().await;
    let at = async || browser.client.active_element().await.unwrap();
    browser.run("document.querySelector('.hits a[data-at=\"9\"]').focus()").await;
    // The next cell with sessions is far to the right and below.
    at().await.send_keys(&char::from(Key::Right).to_string()).await.unwrap();
    assert_eq!(
        at().await.attr("aria-label").await.unwrap().unwrap(),
        "Friday, 17:00 to 18:00: 3 sessions, 0 never answered"
    );
    at().await.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    browser.says("Began on a Friday from 17:00 to 18:00").await;
    let fragment = browser.client.current_url().await.unwrap().fragment().unwrap().to_owned();
    assert!(fragment.contains("by=begin") && fragment.contains("hour=fri-17"), "{fragment}");
    // The range is kept in the URL.
    browser.client.back().await.unwrap();
    browser.find("#range-7[aria-current]").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_read_again_once_the_version_changes() {
    let (_recipient, browser) = week().await;
    let asked = async || browser.run("return window.asked ?? 0").await.as_u64().unwrap();
    let asks_twice_more = async || {
        let before = asked().await;
        until("the page asks twice more", async || asked().await >= before + 2).await;
    };
    // The version of the real store, which was read before, is another one.
    asks_twice_more().await;
    browser.find(".hits a[aria-label*=': 34 sessions']").await;
    browser.run("window.today = 35").await;
    asks_twice_more().await;
    assert_eq!(browser.count(".hits a[aria-label*=': 34 sessions']").await, 1, "nothing has changed");
    browser.run("document.querySelector('.numbers').open = true; window.version = 'second'").await;
    browser.find(".hits a[aria-label*=': 35 sessions']").await;
    assert_eq!(browser.count(".numbers[open]").await, 1);
    browser.close().await;
}
