//! Events as an appliance sends them.
#![allow(dead_code, reason = "shared by tests that each use a part")]

/// A session begins.
pub const BEGIN: &str =
    "event=support_conference_begin&version=1&timestamp=1700000000&lsid=c69a8e10bea9428f816cfababe9815fe";

/// The body of each of the guide's seven events, as an appliance sends it.
pub fn seven() -> [(&'static str, String); 7] {
    let form = |event: &str, more: &str| {
        format!(
            "event={event}&version=22.1.1&timestamp=1700000000&lsid=c69a8e10bea9428f816cfababe9815fe&external_key=INC-1{more}"
        )
    };
    let with = |event: &'static str, more: &str| (event, form(event, more));
    [
        with("support_conference_begin", ""),
        with("support_conference_end", ""),
        with("support_conference_owner_changed", "&conference_id=team%3A5&conference_name=Troubleshooting"),
        with("support_conference_member_added", "&type=representative&name=John+Smith&user_id=12&username=jsmith"),
        with("support_conference_member_departed", "&type=customer&name=J%C3%BCrgen"),
        with("support_conference_customer_exit_survey_completed", ""),
        with("support_conference_rep_exit_survey_completed", ""),
    ]
}
