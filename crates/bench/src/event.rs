//! The events for all contenders: the guide's seven in rotation, each unique.

use chrono::DateTime;
use outbound_events::identity::Site;
use outbound_events::keys::EventKey;
use outbound_events::parse::parse;
use outbound_events::record::Record;

/// The body of event `number`. Seven consecutive events are one session, one per second.
pub fn form(number: u64) -> String {
    let (session, step) = (number / 7, number % 7);
    let (event, more) = match step {
        0 => ("support_conference_begin", ""),
        1 => ("support_conference_owner_changed", "&conference_id=team%3A5&conference_name=Troubleshooting"),
        2 => ("support_conference_member_added", "&type=customer&name=J%C3%BCrgen+M%C3%BCller"),
        3 => (
            "support_conference_member_added",
            "&type=representative&name=John+Smith&user_id=12&username=jsmith%40example.com",
        ),
        4 => ("support_conference_member_departed", "&type=customer&name=J%C3%BCrgen+M%C3%BCller"),
        5 => ("support_conference_end", ""),
        _ => ("support_conference_customer_exit_survey_completed", ""),
    };
    format!(
        "event={event}&version=24.2.1&timestamp={}&lsid={}&external_key=INC{:07}{more}",
        1_700_000_000 + number,
        lsid(session),
        session % 10_000_000
    )
}

/// A body of each of the guide's seven events.
pub fn seven() -> Vec<String> {
    [0, 1, 3, 4, 5, 6].map(form).into_iter().chain([form(6).replace("customer_exit", "rep_exit")]).collect()
}

/// A session id. Like an appliance's, they are distributed over all values.
fn lsid(session: u64) -> String {
    let spread = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    };
    format!("{:016x}{:016x}", spread(session.wrapping_add(1)), spread(!session))
}

/// The key and the record of event `number`.
pub fn stored(number: u64) -> anyhow::Result<(EventKey, Vec<u8>)> {
    // A constant time: its length in the record is always the same.
    let now = DateTime::from_timestamp(1_767_323_045, 678_000_000).unwrap_or_default();
    let (key, record) = Record::new(parse(form(number).as_bytes())?, Site::default(), now);
    Ok((key, record.to_json()?))
}
