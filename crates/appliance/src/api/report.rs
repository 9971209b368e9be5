//! A session as XML: the elements of `SupportSession` and `SupportSessionListing`, as the vendor's pages describe them.
//!
//! Namespaces differ by product and age, and so do some elements. `bomgar` puts what a customer stated into `info`;
//! `pra` lists sessions by attributes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;

use super::account::{DetailActor, EmulatedSession, ReportedCustomer, ReportedDetail, ReportedRepresentative};
use super::options::ReportNamespace;
use super::xml::{XmlWriter, is_allowed};

/// The list of full reports. `now` is the appliance's time, for the duration of running sessions.
pub fn session_list(sessions: &[EmulatedSession], namespace: ReportNamespace, now: u64) -> String {
    XmlWriter::document("session_list", namespace.uri(), |writer| {
        sessions.iter().for_each(|session| write_session(writer, session, namespace, now));
    })
}

/// An entry of a listing.
pub struct ListedSession {
    /// The lsid.
    pub lsid: String,
    /// The external key, if one is assigned.
    pub external_key: Option<String>,
    /// Whether there is a recording.
    pub has_recording: bool,
}

/// The listing: ids, external keys, and whether there is a recording. It has no times.
pub fn session_summary_list(sessions: &[ListedSession], namespace: ReportNamespace) -> String {
    XmlWriter::document("session_summary_list", namespace.uri(), |writer| {
        for session in sessions {
            let has_recording = if session.has_recording { "1" } else { "0" };
            let key = session.external_key.as_deref();
            let mut attributes = vec![("lsid", session.lsid.as_str())];
            if namespace == ReportNamespace::Pra {
                attributes.extend(key.map(|key| ("external_key", key)));
                attributes.push(("has_recording", has_recording));
                writer.element("session_summary", &attributes, |_| {});
                continue;
            }
            writer.element("session_summary", &attributes, |writer| {
                writer.text_element("external_key", &[], key.unwrap_or_default());
                writer.text_element("has_recording", &[], has_recording);
            });
        }
    })
}

/// An error.
pub fn error(message: &str, namespace: ReportNamespace) -> String {
    XmlWriter::document("error", namespace.uri(), |writer| writer.text(message))
}

fn write_session(writer: &mut XmlWriter, session: &EmulatedSession, namespace: ReportNamespace, now: u64) {
    writer.element("session", &[("lsid", &session.lsid)], |writer| {
        writer.text_element("session_type", &[], "support");
        writer.text_element("lseq", &[], &session.sequence.to_string());
        time(writer, "start_time", session.started);
        if let Some(ended) = session.ended {
            time(writer, "end_time", ended);
        }
        let seconds = session.ended.unwrap_or(now).saturating_sub(session.started);
        writer.text_element("duration", &[], &hours(seconds));
        writer.text_element("public_site", &[("id", "1")], "Default");
        writer.text_element("external_key", &[], session.external_key.as_deref().unwrap_or_default());
        writer.element("custom_attributes", &[], |writer| {
            for (code_name, value) in &session.custom_attributes {
                let attributes = [("display_name", code_name.as_str()), ("code_name", code_name)];
                writer.text_element("custom_attribute", &attributes, value);
            }
        });
        write_links(writer, session);
        for (name, count) in ["file_transfer_count", "file_move_count", "file_delete_count"].iter().zip(session.files) {
            writer.text_element(name, &[], &count.to_string());
        }
        if let Some(customer) = session.customers.first() {
            writer.text_element("primary_customer", &[("gsnumber", &customer.gsnumber.to_string())], &customer.name);
        }
        let primary =
            session.representatives.iter().find(|known| Some(known.gsnumber) == session.primary_representative);
        if let Some(primary) = primary {
            let attributes = [("gsnumber", &*primary.gsnumber.to_string()), ("id", &*primary.id.to_string())];
            writer.text_element("primary_rep", &attributes, &primary.private_name);
        }
        let customer = session.customers.first().map(|customer| customer.gsnumber);
        write_survey(writer, ["cust_survey_list", "cust_exit_survey"], customer, &session.customer_survey);
        let by = session.primary_representative;
        write_survey(writer, ["rep_survey_list", "rep_exit_survey"], by, &session.representative_survey);
        writer.element("customer_list", &[], |writer| {
            session.customers.iter().for_each(|customer| write_customer(writer, customer, namespace));
        });
        writer.element("rep_list", &[], |writer| {
            session.representatives.iter().for_each(|known| write_representative(writer, known));
        });
        writer.element("session_details", &[], |writer| {
            session.details.iter().for_each(|detail| write_detail(writer, detail));
        });
    });
}

/// Addresses, which exist for ended sessions only.
fn write_links(writer: &mut XmlWriter, session: &EmulatedSession) {
    if session.ended.is_none() {
        return;
    }
    let download = format!("https://appliance.example/session_download?lsid={}&dl_action=chat", session.lsid);
    writer.text_element("session_chat_view_url", &[], &format!("{download}&view=1"));
    writer.text_element("session_chat_download_url", &[], &download);
    if let Some(recording) = &session.recording {
        writer.text_element("session_recording_view_url", &[], recording);
        writer.text_element("session_recording_download_url", &[], &format!("{recording}?download=1"));
    }
    if session.shell_recordings.is_empty() {
        return;
    }
    writer.element("command_shell_recordings", &[], |writer| {
        for (instance, recording) in session.shell_recordings.iter().enumerate() {
            writer.element("command_shell_recording", &[("instance", &instance.to_string())], |writer| {
                writer.text_element("download_url", &[], &format!("{recording}?download=1"));
                writer.text_element("view_url", &[], recording);
            });
        }
    });
}

/// The answers are attributes, in which a line break is written as `\n`.
fn write_survey(writer: &mut XmlWriter, names: [&str; 2], by: Option<u32>, answers: &[(String, String)]) {
    if answers.is_empty() {
        return;
    }
    let ([list, survey], by) = (names, by.unwrap_or_default().to_string());
    writer.element(list, &[], |writer| {
        writer.element(survey, &[("gsnumber", &by)], |writer| {
            for (question, answer) in answers {
                let answer = answer.replace('\n', "\\n");
                writer.element("value", &[("name", question), ("value", &answer)], |_| {});
            }
        });
    });
}

fn write_customer(writer: &mut XmlWriter, customer: &ReportedCustomer, namespace: ReportNamespace) {
    writer.element("customer", &[("gsnumber", &customer.gsnumber.to_string())], |writer| {
        let facts = [
            ("username", &customer.name),
            ("public_ip", &customer.public_ip),
            ("private_ip", &customer.private_ip),
            ("hostname", &customer.hostname),
            ("os", &customer.os),
        ];
        facts.into_iter().for_each(|(name, value)| writer.text_element(name, &[], value));
        let stated = [("company", &customer.company), ("issue", &customer.issue), ("details", &customer.details)];
        if namespace == ReportNamespace::Bomgar {
            writer.text_element("primary_cust", &[], "1");
            writer.element("info", &[], |writer| {
                writer.text_element("name", &[], &customer.name);
                stated.into_iter().for_each(|(name, value)| writer.text_element(name, &[], value));
            });
        } else {
            stated.into_iter().for_each(|(name, value)| writer.text_element(name, &[], value));
        }
    });
}

fn write_representative(writer: &mut XmlWriter, known: &ReportedRepresentative) {
    let attributes = [("gsnumber", &*known.gsnumber.to_string()), ("id", &*known.id.to_string())];
    writer.element("representative", &attributes, |writer| {
        let facts = [
            ("username", known.username.as_str()),
            ("display_name", &known.private_name),
            ("public_display_name", &known.public_name),
            ("private_display_name", &known.private_name),
            ("public_ip", &known.public_ip),
            ("private_ip", &known.private_ip),
            ("hostname", &known.hostname),
            ("os", &known.os),
            ("session_owner", if known.is_owner { "1" } else { "0" }),
        ];
        facts.into_iter().for_each(|(name, value)| writer.text_element(name, &[], value));
        writer.text_element("seconds_involved", &[], &known.seconds_involved.to_string());
    });
}

fn write_detail(writer: &mut XmlWriter, detail: &ReportedDetail) {
    let timestamp = detail.timestamp.to_string();
    writer.element("event", &[("timestamp", &timestamp), ("event_type", &detail.event_type)], |writer| {
        for (name, actor) in [("performed_by", &detail.performed_by), ("destination", &detail.destination)] {
            if let Some(DetailActor { role, gsnumber, name: person }) = actor {
                writer.text_element(name, &[("type", role), ("gsnumber", &gsnumber.to_string())], person);
            }
        }
        match &detail.body {
            Some(body) if body.chars().all(is_allowed) => writer.text_element("body", &[], body),
            // A text that XML cannot hold.
            Some(body) => writer.text_element("encoded_body", &[], &STANDARD.encode(body)),
            None => {}
        }
        if let Some((name, bytes)) = &detail.file {
            writer.text_element("filename", &[], name);
            writer.text_element("filesize", &[], &bytes.to_string());
        }
        if !detail.values.is_empty() {
            writer.element("data", &[], |writer| {
                for (name, value) in &detail.values {
                    writer.element("value", &[("name", name), ("value", value)], |_| {});
                }
            });
        }
        write_system_information(writer, &detail.system_information);
    });
}

/// A category is a table: the names of its fields, and its rows.
fn write_system_information(writer: &mut XmlWriter, fields: &[(String, String)]) {
    if fields.is_empty() {
        return;
    }
    writer.element("system_information", &[], |writer| {
        writer.element("category", &[("name", "General")], |writer| {
            writer.element("description", &[], |writer| {
                fields.iter().for_each(|(name, _)| writer.text_element("field", &[("name", name)], name));
            });
            writer.element("data", &[], |writer| {
                writer.element("row", &[], |writer| {
                    fields.iter().for_each(|(name, value)| writer.text_element("field", &[("name", name)], value));
                });
            });
        });
    });
}

fn time(writer: &mut XmlWriter, name: &str, seconds: u64) {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let text = time.unwrap_or_default().to_rfc3339();
    writer.text_element(name, &[("timestamp", &seconds.to_string())], &text);
}

/// `HH:MM:SS`
fn hours(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}
