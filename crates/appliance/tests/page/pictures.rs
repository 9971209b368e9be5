//! Each view in light, in dark and on a phone can be shown and pictured. `cargo xtask page` keeps the pictures for the
//! documentation.

use std::path::PathBuf;

use chrono::{Datelike as _, Days, NaiveTime, SecondsFormat, Utc, Weekday};
use serde_json::json;

use crate::browser::{Browser, until};
use crate::support::recipient::{GUARDED, Kind, Recipient, TOKEN};
use crate::support::send;
use crate::{ADMIN, READ, READING, ROWS};

/// The days before today that have sessions: in the documentation, and otherwise.
const DAYS: (u64, u64) = (30, 1);

/// When sessions of a working day end, and how many.
const BUSY: [(u32, u64); 7] = [(7, 2), (8, 5), (9, 8), (11, 9), (13, 5), (15, 6), (17, 2)];

/// A destination that collects its events, so that none fails.
const WAREHOUSE: &str =
    r#"destinations=[{"name": "warehouse", "format": "pull", "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"}]"#;

/// Sends sessions of the last days, from the emulator's seeds.
pub(super) fn send_days(recipient: &Recipient, days: u64) {
    let address = format!("http://{}/events/hq", recipient.address);
    let send = |sessions: u64, seed: u64, end: &str| {
        let (sessions, seed) = (sessions.to_string(), seed.to_string());
        let sent = send(&address, &["--sessions", &sessions, "--seed", &seed, "--until", end, "--token", TOKEN]);
        assert_eq!(sent.code, Some(0), "{sent:?}");
    };
    let now = Utc::now();
    for before in 0..=days {
        let day = now.date_naive() - Days::new(before);
        let is_working_day = !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        for (hour, sessions) in BUSY {
            let end = day.and_time(NaiveTime::from_hms_opt(hour, 50, 0).unwrap()).and_utc();
            if end >= now || !is_working_day && hour != 11 {
                continue;
            }
            let seed = before * 100 + u64::from(hour);
            let share = if is_working_day { 4 + seed % 3 } else { 2 };
            send((sessions * share).div_ceil(5), seed, &end.to_rfc3339_opts(SecondsFormat::Secs, true));
        }
    }
    send(6, 1, "now");
}

/// A customer who waits.
pub(super) fn send_waiting(recipient: &Recipient) {
    let path = format!("/events/hq?outbound_event_token={TOKEN}");
    let begin = Utc::now().timestamp() - 130;
    for (event, more) in [("begin", ""), ("member_added", "&type=customer&name=Warren%20Heller")] {
        let form = format!(
            "event=support_conference_{event}&version=1&timestamp={begin}&external_key=INC0012345\
             &lsid=c69a8e10bea9428f816cfababe9815fe{more}"
        );
        assert_eq!(recipient.post(&path, form).result(), "stored");
    }
}

struct Pictures {
    folder: PathBuf,
    browsers: Vec<(&'static str, Browser)>,
}

impl Pictures {
    /// Shows a view in each browser, waits for the elements of `css`, and stores a picture of it.
    async fn take(&self, view: &str, hash: &str, css: &str) {
        for (mode, browser) in &self.browsers {
            browser.show(hash).await;
            browser.find(css).await;
            let is_read = async || browser.count(".skeleton").await == 0;
            until("everything is read", is_read).await;
            let picture = browser.client.screenshot().await.unwrap();
            std::fs::write(self.folder.join(format!("{view}-{mode}.png")), picture).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_view_has_pictures() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("PICTURES").map(PathBuf::from);
    let days = if kept.is_some() { DAYS.0 } else { DAYS.1 };
    let folder = kept.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).unwrap();
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING, ADMIN, WAREHOUSE]);
    send_days(&recipient, days);
    send_waiting(&recipient);
    let window = "--window-size=1200,1500";
    let light = Browser::with(json!({}), &[window]).await;
    let dark = Browser::with(json!({}), &[window, "--blink-settings=preferredColorScheme=0"]).await;
    let browsers = vec![("light", light), ("dark", dark), ("phone", Browser::phone().await)];
    for (_, browser) in &browsers {
        browser.enter(&recipient, READ).await;
        browser.find(".tile").await;
    }
    let pictures = Pictures { folder, browsers };
    pictures.take("overview", "#/", ".hits a").await;
    pictures.take("sessions", "#/sessions", ROWS).await;
    let longest = "const rows = [...document.querySelectorAll('.list tbody tr')];
        const events = (row) => Number(row.lastChild.textContent);
        return rows.reduce((most, row) => events(row) > events(most) ? row : most).querySelector('a').hash";
    let (_, light) = pictures.browsers.first().unwrap();
    light.show("#/sessions").await;
    light.find(ROWS).await;
    let session = light.run(longest).await.as_str().unwrap().to_owned();
    pictures.take("session", &session, ".timeline rect").await;
    pictures.take("destinations", "#/destinations", "section.card").await;
    // The header names it as a problem from now on.
    let path = format!("/events?outbound_event_token={TOKEN}");
    let body = "event=support_conference_begin&version=1&lsid=c69a8e10bea9428f816cfababe9815fe";
    assert_eq!(recipient.post(&path, body).result(), "set-aside");
    pictures.take("set-aside", "#/set-aside", "pre").await;
    for (_, browser) in pictures.browsers {
        browser.close().await;
    }
}
