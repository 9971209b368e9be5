//! The appliance's report of an ended session: what it knows of the session beyond its events.
//!
//! It is fetched from the appliance's Reporting API ([`crate::appliance_api`]), and stored as one more record of the
//! session ([`FetchedReport::record`]). A part that the appliance did not name is absent; nothing here is
//! checked beyond its type. Texts are the appliance's and its users', and are never markup.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use outbound_event::rfc3339;
use serde::{Deserialize, Serialize};

use crate::event::{Lsid, OutboundEvent, ReportJson, StoredReport, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::EventKey;
use crate::parse::{Problem, Problems};
use crate::record::Record;

/// The most bytes of one text of a report. A longer one is cut at a character.
pub const MAX_REPORT_TEXT_BYTES: usize = 16 * 1024;

/// A report, and when it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedReport {
    /// When it was fetched, by the recipient's clock. Of several reports of a session, the last one fetched counts.
    pub fetched: Timestamp,
    /// The report.
    pub report: SessionReport,
}

impl FetchedReport {
    /// The key and the bytes to store. `recorded` is the recording time of the session's newest record, so that what
    /// removes the session removes its report. If the record would exceed [`crate::record::MAX_RECORD_BYTES`], the
    /// longest lists of the report are cut.
    pub fn record(
        mut self,
        site: &Site,
        lsid: &Lsid,
        external_key: Option<String>,
        recorded: DateTime<Utc>,
    ) -> Result<(EventKey, Vec<u8>), Problems> {
        let links = std::mem::take(&mut self.report.links);
        let without_links = self.report.json()?;
        let id = Id::of_report(site, lsid, external_key.as_deref(), without_links.text().as_bytes());
        self.report.links = links;
        loop {
            let stored = StoredReport { fetched: self.fetched, json: self.report.json()? };
            let event = OutboundEvent::of_report(lsid.clone(), external_key.clone(), self.report.end, stored);
            let (key, mut record) = Record::new(event, site.clone(), recorded);
            record.id = id.text();
            match record.to_json() {
                Ok(value) => return Ok((EventKey { id, ..key }, value)),
                Err(_) if self.report.cut_longest_list() => {}
                Err(too_large) => return Err(too_large),
            }
        }
    }
}

/// The appliance's report of an ended session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// The type of the session, such as `support`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_type: Option<String>,
    /// The number that the appliance gave the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<String>,
    /// When the session began.
    #[serde(default, with = "rfc3339::optional", skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// When it ended.
    #[serde(with = "rfc3339")]
    pub end: Timestamp,
    /// Its length as the appliance gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u64>,
    /// The public site through which the customer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_site: Option<String>,
    /// The team that had the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The name of the main customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_customer: Option<String>,
    /// The name of the main representative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_representative: Option<String>,
    /// The number of files that were transferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_transferred: Option<u64>,
    /// The number of files that were moved or renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_moved: Option<u64>,
    /// The number of files that were deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_deleted: Option<u64>,
    /// The custom attributes by their code names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_attributes: BTreeMap<String, String>,
    /// The customers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customers: Vec<ReportCustomer>,
    /// The representatives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub representatives: Vec<ReportRepresentative>,
    /// Links to the appliance's pages of the session.
    #[serde(default, skip_serializing_if = "ReportLinks::is_empty")]
    pub links: ReportLinks,
    /// What was done with files, in the order of the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ReportFile>,
    /// The answers to exit surveys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surveys: Vec<ReportSurvey>,
    /// Notes of representatives, if the setting asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<ReportText>,
    /// Chat messages, if the setting asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chat: Vec<ReportText>,
    /// What was found out about the customers' systems, if the setting asks for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub system_information: Vec<ReportText>,
    /// Whether something was cut or left out, so that the record fits the store.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// A customer of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportCustomer {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address that the appliance saw, with or without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// The address in the customer's own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_address: Option<String>,
    /// The name of the computer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The company that the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The issue that the customer chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// What the customer wrote about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// A representative of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRepresentative {
    /// The number of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name that customers see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The address that the appliance saw, with or without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// The address in the representative's own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_address: Option<String>,
    /// The name of the computer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The seconds that the representative was in the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_involved: Option<u64>,
    /// Whether the representative owned the session in the end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub owner: bool,
}

/// Links to the appliance's pages of a session. They are opened there, and can expire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportLinks {
    /// The chat, to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// The chat, to download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_download: Option<String>,
    /// The recording, to watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// The recording, to download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_download: Option<String>,
}

impl ReportLinks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Something that was done with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFile {
    /// When.
    #[serde(default, with = "rfc3339::optional", skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The appliance's words for it, such as `File Upload`.
    pub action: String,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The file's name, perhaps with its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file's size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The answers of one person to an exit survey.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSurvey {
    /// `customer` or `representative`.
    pub by: String,
    /// The answers by the names of the questions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, String>,
}

/// A note, a chat message or a part of a system's description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportText {
    /// When.
    #[serde(default, with = "rfc3339::optional", skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Who wrote it, or whose system it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The text.
    pub text: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl SessionReport {
    /// A report of which only the end is known.
    pub fn ended(end: Timestamp) -> Self {
        Self {
            session_type: None,
            sequence_number: None,
            start: None,
            end,
            duration_seconds: None,
            public_site: None,
            team: None,
            primary_customer: None,
            primary_representative: None,
            files_transferred: None,
            files_moved: None,
            files_deleted: None,
            custom_attributes: BTreeMap::new(),
            customers: Vec::new(),
            representatives: Vec::new(),
            links: ReportLinks::default(),
            files: Vec::new(),
            surveys: Vec::new(),
            notes: Vec::new(),
            chat: Vec::new(),
            system_information: Vec::new(),
            truncated: false,
        }
    }

    fn json(&self) -> Result<ReportJson, Problems> {
        ReportJson::of(self).map_err(|error| Problem::of_body(error.to_string()).into())
    }

    /// Leaves out the second half of the longest list. False if every list is empty.
    fn cut_longest_list(&mut self) -> bool {
        fn json_bytes(list: &impl Serialize) -> usize {
            serde_json::to_vec(list).map_or(0, |json| json.len())
        }
        let bytes = [
            json_bytes(&self.system_information),
            json_bytes(&self.chat),
            json_bytes(&self.notes),
            json_bytes(&self.files),
            json_bytes(&self.surveys),
            json_bytes(&self.customers),
            json_bytes(&self.representatives),
            json_bytes(&self.custom_attributes),
        ];
        let longest = bytes.iter().enumerate().max_by_key(|(_, bytes)| **bytes);
        // An empty list is `[]`.
        let Some((longest, _)) = longest.filter(|(_, bytes)| **bytes > 2) else { return false };
        match longest {
            0 => halve(&mut self.system_information),
            1 => halve(&mut self.chat),
            2 => halve(&mut self.notes),
            3 => halve(&mut self.files),
            4 => halve(&mut self.surveys),
            5 => halve(&mut self.customers),
            6 => halve(&mut self.representatives),
            _ => {
                let half = self.custom_attributes.len() / 2;
                if let Some(first) = self.custom_attributes.keys().nth(half).cloned() {
                    self.custom_attributes.split_off(&first);
                }
            }
        }
        self.truncated = true;
        true
    }
}

fn halve<T>(list: &mut Vec<T>) {
    list.truncate(list.len() / 2);
}

/// The part of a stored report that lists of sessions need. What cannot be read is absent: the report stays one, and
/// is shown as it is stored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReportOutline {
    #[serde(with = "rfc3339::optional")]
    pub(crate) start: Option<Timestamp>,
    pub(crate) team: Option<String>,
    pub(crate) primary_representative: Option<String>,
    pub(crate) customers: Vec<OutlinePerson>,
    pub(crate) representatives: Vec<OutlinePerson>,
}

/// A customer or representative of a [`ReportOutline`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OutlinePerson {
    pub(crate) name: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) company: Option<String>,
}

impl ReportOutline {
    pub(crate) fn read(report: &ReportJson) -> Self {
        serde_json::from_str(report.text()).unwrap_or_default()
    }
}
