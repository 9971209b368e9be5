//! The overview on the real host and component: its numbers are those of the API, and lead to as many sessions.

use serde_json::{Value, json};

use crate::browser::{Browser, until};
use crate::pictures::{send_days, send_waiting};
use crate::support::recipient::{GUARDED, Kind, Recipient, TOKEN};
use crate::{READ, READING, ROWS};

/// The answers to what the page asked last, by their groups, or `now`.
const ANSWERS: &str = "const headers = { Authorization: 'Bearer ' + sessionStorage.getItem('token') };
    const asked = performance.getEntriesByType('resource').map(({ name }) => new URL(name))
        .filter(({ pathname }) => ['/api/now', '/api/statistics'].includes(pathname))
        .map((url) => [url.searchParams.get('by') ?? 'now', url]);
    const answers = [...new Map(asked)].map(async ([by, url]) => [by, await (await fetch(url, { headers })).json()]);
    return Promise.all(answers).then(Object.fromEntries)";

/// What the page shows: the figures of the tiles, the words of each picture's links, and the rows of each table. A row
/// of a day or an hour begins with the day or hour that its link names, and with null if it has no link.
const SHOWN: &str = "const texts = (elements) => [...elements].map((element) => element.textContent);
    const all = (selector, within = document) => [...within.querySelectorAll(selector)];
    const linked = (row) => new URLSearchParams(row.querySelector('a')?.hash.split('?')[1] ?? '');
    const group = (row) => linked(row).get('hour') ?? linked(row).get('from');
    return {
        tiles: texts(all('.figure')),
        words: all('.chart').map((chart) =>
            all('.hits a', chart).map((link) => link.getAttribute('aria-label').split(': ').at(-1))),
        numbers: all('.numbers tbody').map(({ rows }) =>
            [...rows].map((row) => [group(row), ...texts(row.cells).slice(1)])),
        tables: all('.sorting tbody').map(({ rows }) => [...rows].map((row) => texts(row.cells))),
    }";

/// The places of links among all links, with the numbers of sessions that they stand for: each tile, and of each picture
/// and each column of a table the one with the highest number.
const LINKS: &str = "const all = (selector, within = document) => [...within.querySelectorAll(selector)];
    const links = all('main a');
    const link = (text) => (element) => [links.indexOf(element), Number(text(element))];
    const highest = (links) => links.toSorted(([, one], [, other]) => other - one).slice(0, 1);
    const columns = all('.numbers, .sorting').flatMap((table) => [1, 2, 3, 4].map((column) =>
        all('td:nth-child(' + (column + 1) + ') a', table).map(link((element) => element.textContent))));
    const names = all('.sorting').map((table) =>
        all('th a', table).map(link((element) => element.closest('tr').cells[1].textContent)));
    const [bars, , cells] = all('.chart').map((chart) =>
        all('.hits a', chart).map(link((element) => element.getAttribute('aria-label').match(/: (\\d+) session/)?.[1])));
    return [
        ...all('.tile').map(link((element) => element.querySelector('.figure').textContent)),
        ...[...columns, ...names, bars, cells].flatMap(highest),
    ]";

/// Sends sessions of yesterday and today, and those that a figure and its list could count differently: one that waits,
/// one that ran over midnight, one of which the end was lost years ago, and one of which the begin was lost.
fn send_all(recipient: &Recipient, midnight: u64) {
    send_days(recipient, 1);
    send_waiting(recipient);
    let path = format!("/events/hq?outbound_event_token={TOKEN}");
    for (event, time, lsid) in [
        ("begin", midnight - 600, "over"),
        ("end", midnight + 1, "over"),
        ("begin", 1_700_000_000, "no-end"),
        ("end", midnight + 1, "no-begin"),
    ] {
        let form = format!("event=support_conference_{event}&version=1&timestamp={time}&lsid={lsid}");
        assert_eq!(recipient.post(&path, form).result(), "stored");
    }
}

async fn show_overview(browser: &Browser) {
    browser.show("#/").await;
    browser.find(".tile").await;
    let is_read = async || browser.count(".pending, .skeleton").await == 0;
    until("everything is read", is_read).await;
}

/// A time of less than a day, in the words of the page.
fn words(seconds: &Value) -> String {
    let Some(seconds) = seconds.as_u64() else { return "–".to_owned() };
    let seconds_shown = if seconds < 3_600 { seconds % 60 } else { 0 };
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "min"), (seconds_shown, "s")];
    let shown: Vec<_> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number} {unit}")).collect();
    if shown.is_empty() { "0 s".to_owned() } else { shown.join(" ") }
}

/// The groups of an answer that have sessions, each by `row`.
fn rows(answer: &Value, row: impl Fn(&Value) -> Value) -> Value {
    let groups = answer["groups"].as_array().unwrap().iter();
    groups.filter(|group| group["sessions"] != 0).map(row).collect()
}

/// Rows or words in an order that does not depend on how the page sorts them, without those of no session.
fn in_order(all: &Value) -> Vec<String> {
    let is_none = |one: &&Value| one[1] == "0" || one.as_str().is_some_and(|words| words.starts_with("0 "));
    let mut all: Vec<_> = all.as_array().unwrap().iter().filter(|one| !is_none(one)).map(Value::to_string).collect();
    all.sort();
    all
}

fn number(value: &Value) -> String {
    value.as_u64().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_shows_what_the_api_answers_and_leads_to_as_many_sessions() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING]);
    let browser = Browser::open(1200).await;
    let midnight = browser.run("return new Date().setHours(0, 0, 0, 0) / 1000").await.as_u64().unwrap();
    send_all(&recipient, midnight);
    browser.enter(&recipient, READ).await;
    show_overview(&browser).await;

    let (shown, answers) = (browser.run(SHOWN).await, browser.run(ANSWERS).await);
    let tiles = ["open", "waiting_total", "ended", "never_answered"].map(|field| number(&answers["now"][field]));
    assert_eq!(shown["tiles"], json!(tiles));
    assert_eq!(answers["now"]["waiting_total"], 1);
    assert_ne!(answers["now"]["never_answered"], 0, "the session that ran over midnight");

    let counted = |group: &Value| {
        json!([
            group["group"],
            number(&group["sessions"]),
            number(&group["never_answered"]),
            number(&group["transfers"])
        ])
    };
    let waited = |group: &Value| {
        let waiting = &group["waiting_seconds"];
        let [median, p90, longest] = ["median", "p90", "max"].map(|field| words(&waiting[field]));
        json!([group["group"], median, p90, longest, number(&group["sessions"])])
    };
    let days = rows(&answers["day"], counted);
    // Yesterday and today. One session began long before.
    let begun = recipient.stored().iter().filter(|(key, _)| key.contains(".begin.")).count() - 1;
    let in_day = |day: &Value| day[1].as_str().unwrap().parse::<usize>().unwrap();
    assert_eq!(days.as_array().unwrap().iter().map(in_day).sum::<usize>(), begun);
    let [in_days, waits, in_hours] = [0, 1, 2].map(|picture| &shown["numbers"][picture]);
    assert_eq!(in_days.as_array().unwrap().len(), 30);
    assert_eq!(in_order(in_days), in_order(&days));
    let mut with_waits = rows(&answers["day"], waited);
    with_waits.as_array_mut().unwrap().retain(|day| day[1] != "–");
    assert_eq!(waits, &with_waits);
    assert_eq!(in_order(in_hours), in_order(&rows(&answers["weekday-hour"], counted)));
    browser.says("1 session without a begin event").await;

    let said = |group: &Value| {
        let plural = if group["sessions"] == 1 { "" } else { "s" };
        json!(format!("{} session{plural}, {} never answered", group["sessions"], group["never_answered"]))
    };
    assert_eq!(in_order(&shown["words"][0]), in_order(&rows(&answers["day"], said)));
    assert_eq!(in_order(&shown["words"][2]), in_order(&rows(&answers["weekday-hour"], said)));

    let representatives = rows(&answers["representative"], |group| {
        let length = words(&group["length_seconds"]["median"]);
        let name = group["group"].as_str().unwrap_or("no representative");
        json!([name, number(&group["sessions"]), length, number(&group["transfers"])])
    });
    let teams = rows(&answers["team"], |group| {
        let [median, p90] = ["median", "p90"].map(|field| words(&group["waiting_seconds"][field]));
        let name = group["group"].as_str().unwrap_or("no team");
        json!([name, number(&group["sessions"]), number(&group["never_answered"]), median, p90])
    });
    assert!(in_order(&representatives).len() > 2 && in_order(&teams).len() > 1, "{answers}");
    assert_eq!(in_order(&shown["tables"][0]), in_order(&representatives));
    assert_eq!(in_order(&shown["tables"][1]), in_order(&teams));

    let links = browser.run(LINKS).await;
    let links = links.as_array().unwrap();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        show_overview(&browser).await;
        let listed = follow(&browser, &link[0]).await;
        let hash = browser.client.current_url().await.unwrap().fragment().map(str::to_owned);
        assert_eq!(json!(listed), link[1], "{hash:?}");
    }
    browser.close().await;
}

/// Follows a link of the overview to a list, and counts the sessions of the whole list.
async fn follow(browser: &Browser, place: &Value) -> usize {
    // Links of SVG have no method `click`.
    let click = format!("document.querySelectorAll('main a')[{place}].dispatchEvent(new MouseEvent('click'))");
    browser.run(&click).await;
    let is_read = "const more = [...document.querySelectorAll('main > button')].find((one) => !one.hidden);
        more?.click();
        const isSearching = document.querySelector('.progress')?.textContent.startsWith('Searching') ?? true;
        return !more && !isSearching && !document.querySelector('.skeleton')";
    until("the list is read", async || browser.run(is_read).await == json!(true)).await;
    browser.count(ROWS).await
}
