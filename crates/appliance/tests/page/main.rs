//! The page in Chromium, which `browser.rs` drives. `refreshing.rs` has slow, late and wrong answers, `reports.rs` has
//! reports of sessions, `overview.rs` the figures of the first view, `figures.rs` the same figures with the answers of
//! the real component. `pictures.rs` takes the pictures of the documentation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod browser;
mod figures;
mod overview;
mod pictures;
mod refreshing;
mod reports;
#[path = "../support/mod.rs"]
mod support;

use browser::{Browser, until};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;
use support::recipient::{GUARDED, Kind, Recipient, TOKEN};
use support::send;

/// A token that `READING` and `ADMIN` set.
const READ: &str = "a-read-token-of-many-characters";
const READING: &str = "read_tokens=a-read-token-of-many-characters";
const ADMIN: &str = "admin_tokens=a-read-token-of-many-characters";

/// A destination that no server listens at.
const CLOSED: &str = r#"destinations=[{"name": "closed", "url": "http://127.0.0.1:9/XYZZY"}]"#;

/// The rows of the list of sessions.
const ROWS: &str = ".list tbody tr";

/// The link of the first session.
const FIRST: &str = ".list tbody a";

/// The events of a session.
const EVENTS: &str = ".events > li";

fn filled() -> Recipient {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING]);
    let sent = send(&format!("http://{}/events", recipient.address), &["--sessions", "20", "--token", TOKEN]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    recipient
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sessions_are_listed_filtered_and_opened() {
    let recipient = filled();
    let browser = Browser::open(1200).await;
    browser.enter(&recipient, "wrong").await;
    browser.says("The token was not accepted.").await;
    browser.enter_list(&recipient, READ).await;
    until("all sessions are there", async || browser.count(ROWS).await == 20).await;
    // Names are in the values of records, not in their keys.
    until("customers are named", async || {
        let first = browser.client.find(Locator::Css(".list .names")).await.unwrap();
        first.text().await.unwrap() != "no customer known"
    })
    .await;
    let picture = browser.client.screenshot().await.unwrap();
    std::fs::write(support::recipient::root().join("target/page.png"), picture).unwrap();
    browser.choose("state", "open").await;
    browser.says("No sessions match these filters.").await;
    browser.choose("state", "ended").await;
    until("ended ones are there", async || browser.count(ROWS).await == 20).await;
    browser.choose("from", "2030-01-01").await;
    browser.says("No sessions match these filters.").await;
    browser.choose("from", "").await;
    until("all are there again", async || browser.count(ROWS).await == 20).await;
    // The keyboard opens a session.
    let link = browser.find(FIRST).await;
    link.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    browser.find("svg rect.customer").await;
    assert!(browser.count("svg rect").await >= 3);
    assert!(browser.count(EVENTS).await >= 6);
    browser.says("joined as customer").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_holds_is_shown_and_not_run() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>";
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING]);
    let path = format!("/events?outbound_event_token={TOKEN}");
    let form = |event: &str, more: &str| {
        format!("event=support_conference_{event}&version=1&timestamp=1700000000&lsid=x%3Cb%3E/%25{more}")
    };
    let name = "%3Cimg+src%3Dx+onerror%3Dalert(1)%3E";
    for body in [
        form("begin", &format!("&external_key={name}&{name}={name}")),
        form("owner_changed", &format!("&conference_id=rep:{name}&conference_name={name}")),
        form("member_added", &format!("&type=customer&name={name}")),
        format!("not%an&event={name}"),
    ] {
        assert_eq!(recipient.post(&path, body).status, 200);
    }
    let browser = Browser::open(1200).await;
    browser.enter_list(&recipient, READ).await;
    browser.says(HOSTILE).await;
    browser.find(FIRST).await.click().await.unwrap();
    browser.find("svg rect.customer").await;
    browser.says(&format!("{HOSTILE} joined as customer")).await;
    // The key, the field and its name.
    assert!(browser.text().await.matches(HOSTILE).count() >= 6);
    browser.find("#views a[href='#/set-aside']").await.click().await.unwrap();
    browser.says("not%an&event=").await;
    assert_eq!(browser.count("img, b").await, 0);
    assert!(browser.client.get_alert_text().await.is_err());
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_set_aside_is_shown_and_retried() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING, ADMIN]);
    let path = format!("/events?outbound_event_token={TOKEN}");
    assert_eq!(recipient.post(&path, "event=support_conference_begin&version=1&lsid=x").result(), "set-aside");
    let browser = Browser::open(1200).await;
    browser.enter(&recipient, READ).await;
    browser.find("#views a[href='#/set-aside']").await.click().await.unwrap();
    browser.says("timestamp is missing").await;
    browser.find("section button").await.click().await.unwrap();
    browser.says("the body is still not a valid event").await;
    // The rules of a later version can accept a body that earlier rules did not.
    let store = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let valid = "UPDATE spin_key_value \
        SET value = CAST(replace(CAST(value AS TEXT), '&lsid=x', '&lsid=x&timestamp=1') AS BLOB) \
        WHERE key LIKE 'setaside.%'";
    assert_eq!(store.execute(valid, []).unwrap(), 1);
    browser.find("section button").await.click().await.unwrap();
    browser.says("The body is stored as an event.").await;
    browser.says("Nothing is set aside.").await;
    browser.show("#/sessions").await;
    until("it is a session now", async || browser.count(ROWS).await == 1).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_and_an_unreachable_component_are_shown() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING]);
    let browser = Browser::phone().await;
    browser.enter_list(&recipient, READ).await;
    browser.says("No events have been received yet.").await;
    let text = browser.text().await;
    assert!(text.contains(&format!("http://{}/events?outbound_event_token=YOUR-TOKEN", recipient.address)), "{text}");
    assert_eq!(
        send(&format!("http://{}/events", recipient.address), &["--sessions", "3", "--token", TOKEN]).code,
        Some(0)
    );
    // The page refreshes itself.
    until("sessions come", async || browser.count(ROWS).await == 3).await;
    assert!(!browser.is_wider_than_its_window().await);
    drop(recipient);
    browser.says("The component cannot be reached.").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_no_fault_in_light_in_dark_and_on_a_phone() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING, ADMIN, CLOSED]);
    let address = format!("http://{}/events", recipient.address);
    assert_eq!(send(&address, &["--sessions", "20", "--token", TOKEN]).code, Some(0));
    assert_eq!(recipient.post(&format!("/events?outbound_event_token={TOKEN}"), "no event").result(), "set-aside");
    for (mode, browser) in
        [("light", Browser::open(1200).await), ("dark", Browser::dark().await), ("phone", Browser::phone().await)]
    {
        let is_dark = browser.client.execute("return matchMedia('(prefers-color-scheme: dark)').matches", vec![]);
        assert_eq!(is_dark.await.unwrap(), json!(mode == "dark"));
        let holds = async |view: &str| {
            assert_eq!(browser.faults().await, [""; 0], "{mode}: {view}");
            assert!(!browser.is_wider_than_its_window().await, "{mode}: {view}");
            let picture = browser.client.screenshot().await.unwrap();
            let file = format!("target/page-{mode}-{}.png", view.replace(' ', "-"));
            std::fs::write(support::recipient::root().join(file), picture).unwrap();
        };
        browser.client.goto(&format!("http://{}/", recipient.address)).await.unwrap();
        browser.find("#token").await;
        holds("login").await;
        browser.enter_list(&recipient, READ).await;
        until("all are there", async || browser.count(ROWS).await == 20).await;
        holds("sessions").await;
        browser.find(FIRST).await.click().await.unwrap();
        browser.find("svg rect.customer").await;
        holds("one session").await;
        browser.find("#erase").await.click().await.unwrap();
        browser.find("dialog[open]").await;
        holds("erasing").await;
        browser.client.execute("document.querySelector('dialog').close()", vec![]).await.unwrap();
        browser.find("#views a[href='#/set-aside']").await.click().await.unwrap();
        browser.says("no event").await;
        holds("set aside").await;
        browser.find("#views a[href='#/destinations']").await.click().await.unwrap();
        browser.says("Destination closed is failing").await;
        browser.says("the connection was refused").await;
        holds("destinations").await;
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_destination_is_shown_and_administrators_pause_and_resume_it() {
    let recipient = Recipient::start(
        Kind::Host,
        &[GUARDED, "read_tokens=a-read-token-of-many-characters,another-read-token", ADMIN, CLOSED],
    );
    let browser = Browser::open(1200).await;
    browser.enter(&recipient, READ).await;
    browser.find("#views a[href='#/destinations']").await.click().await.unwrap();
    browser.says("working").await;
    let path = format!("/events?outbound_event_token={TOKEN}");
    let event = "event=support_conference_begin&version=1&timestamp=1700000000&lsid=one";
    assert_eq!(recipient.post(&path, event).result(), "stored");
    browser.says("Destination closed is failing: see why").await;
    browser.says("the connection was refused").await;
    assert!(!browser.text().await.contains("XYZZY"));
    browser.find("[aria-label='Resume closed']").await.click().await.unwrap();
    browser.says("closed is resumed.").await;
    let pause = "const headers = { Authorization: 'Bearer ' + sessionStorage.getItem('token') };
        fetch('/api/destinations/closed/pause', { method: 'POST', headers })";
    browser.run(pause).await;
    browser.says("Destination closed is paused").await;
    browser.says("an administrator paused it").await;
    browser.find("[aria-label='Resume closed']").await.click().await.unwrap();
    browser.says("Events packed since").await;
    browser.find("#forget").await.click().await.unwrap();
    browser.enter(&recipient, "another-read-token").await;
    browser.find("#views a[href='#/destinations']").await.click().await.unwrap();
    browser.says("http://127.0.0.1:9").await;
    assert_eq!(browser.visible_buttons().await, 0, "a read token is shown a button");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sessions_are_listed_fifty_at_a_time_and_found() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING]);
    let address = format!("http://{}/events", recipient.address);
    assert_eq!(send(&address, &["--sessions", "1000", "--token", TOKEN]).code, Some(0));
    let browser = Browser::open(1200).await;
    browser.enter_list(&recipient, READ).await;
    until("the first are there", async || browser.count(ROWS).await == 50).await;
    browser.says("1,000 sessions").await;
    let more = "[...document.querySelectorAll('main button')].find((one) => one.textContent == 'Show more').click()";
    for shown in [100, 150] {
        browser.client.execute(more, vec![]).await.unwrap();
        until("more are there", async || browser.count(ROWS).await == shown).await;
    }
    // An old session is found by its id, and the field keeps the focus.
    let last = "const headers = { Authorization: 'Bearer ' + sessionStorage.getItem('token') };
        const list = fetch('/api/sessions?limit=200&to=2100-01-01', { headers });
        return list.then((answer) => answer.json()).then(({ sessions }) => sessions.at(-1).lsid)";
    let lsid = browser.run(last).await.as_str().unwrap().to_owned();
    let field = browser.find("[name=find]").await;
    field.send_keys(&format!("{lsid}{}", char::from(Key::Enter))).await.unwrap();
    until("it is opened", async || {
        browser.client.current_url().await.unwrap().fragment() == Some(&format!("/session/default/{lsid}"))
    })
    .await;
    let focused = browser.client.active_element().await.unwrap();
    assert_eq!(focused.attr("name").await.unwrap().as_deref(), Some("find"));
    // A part of it is searched for as text.
    browser.show(&format!("#/sessions?find={}", lsid.get(..20).unwrap())).await;
    until("it is found", async || browser.count(ROWS).await == 1).await;
    browser.says("1 session found in all").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_kept_in_the_url_and_administrators_erase_a_session() {
    let recipient = Recipient::start(
        Kind::Host,
        &[GUARDED, "read_tokens=a-read-token-of-many-characters,another-read-token", ADMIN],
    );
    let path = format!("/events?outbound_event_token={TOKEN}");
    let long = "x".repeat(3_000);
    for (lsid, key, name) in
        [("one", "INC-1", "Ann"), ("two", "INC-2", "Bob%E2%80%AEtxt.exe"), ("three", "INC-3", &long)]
    {
        let form = |event: &str, more: &str| {
            format!(
                "event=support_conference_{event}&version=1&timestamp=1700000000&lsid={lsid}&external_key={key}{more}"
            )
        };
        assert_eq!(recipient.post(&path, form("begin", "")).result(), "stored");
        assert_eq!(
            recipient.post(&path, form("member_added", &format!("&type=customer&name={name}"))).result(),
            "stored"
        );
    }
    assert_eq!(recipient.post(&path, "no event").result(), "set-aside");
    let browser = Browser::open(1200).await;
    // A read token is not shown the buttons that remove.
    browser.enter_list(&recipient, "another-read-token").await;
    until("all are there", async || browser.count(ROWS).await == 3).await;
    browser.find("#views a[href='#/set-aside']").await.click().await.unwrap();
    browser.says("no event").await;
    assert_eq!(browser.visible_buttons().await, 0);
    browser.find("#forget").await.click().await.unwrap();
    browser.enter_list(&recipient, READ).await;
    until("all are there again", async || browser.count(ROWS).await == 3).await;
    let wide = "return document.querySelector('table').scrollWidth > innerWidth";
    assert_eq!(browser.client.execute(wide, vec![]).await.unwrap(), json!(false), "a long name widens the table");
    browser.find("[name=find]").await.send_keys(&format!("ANN{}", char::from(Key::Enter))).await.unwrap();
    until("one is found", async || browser.count(ROWS).await == 1).await;
    assert!(browser.client.current_url().await.unwrap().fragment().unwrap().contains("find=ANN"));
    browser.client.refresh().await.unwrap();
    until("it is still the one", async || browser.count(ROWS).await == 1).await;
    // Links of earlier versions have no name of the view.
    browser.show("#/?q=ann").await;
    until("it is found by its text", async || {
        browser.count(ROWS).await == 1 && browser.text().await.contains("Text: ann")
    })
    .await;
    browser.show("#/sessions?find=INC-2").await;
    browser.says("Sessions with the external key INC-2.").await;
    until("one is found by its key", async || browser.count(ROWS).await == 1 && browser.text().await.contains("two"))
        .await;
    browser.choose("site", "a/b").await;
    browser.says("site is not 1 to 32 characters").await;
    // Escapes that are not valid are shown as they are.
    browser.client.execute("location.hash = '#/session/default/%zz'", vec![]).await.unwrap();
    browser.says("%zz").await;
    browser.client.execute("location.hash = '#/session/default/one'", vec![]).await.unwrap();
    browser.find("svg rect.customer").await;
    assert!(browser.client.title().await.unwrap().contains("one"));
    browser.find("#erase").await.click().await.unwrap();
    browser.find("dialog[open] button").await.click().await.unwrap();
    until("it is gone", async || browser.count(ROWS).await == 2).await;
    browser.close().await;
}
