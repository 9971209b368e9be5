//! What the appliance knows of one session, at one moment: the content of a `SupportSession` report.

/// A session as a report shows it. Times are Unix seconds by the appliance's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmulatedSession {
    /// The logging session id.
    pub lsid: String,
    /// The sequential number, from 1.
    pub sequence: u64,
    /// When it started.
    pub started: u64,
    /// When it ended. `None` while it runs.
    pub ended: Option<u64>,
    /// The external key, if one is assigned.
    pub external_key: Option<String>,
    /// Custom attributes: code name and value.
    pub custom_attributes: Vec<(String, String)>,
    /// The numbers of files transferred, moved and deleted.
    pub files: [u64; 3],
    /// The address of the screen recording.
    pub recording: Option<String>,
    /// The addresses of the recordings of command shells.
    pub shell_recordings: Vec<String>,
    /// The customers, in the order in which they joined.
    pub customers: Vec<ReportedCustomer>,
    /// The representatives, in the order in which they joined.
    pub representatives: Vec<ReportedRepresentative>,
    /// The `gsnumber` of the primary representative.
    pub primary_representative: Option<u32>,
    /// The customer's exit survey: questions and answers.
    pub customer_survey: Vec<(String, String)>,
    /// The primary representative's exit survey.
    pub representative_survey: Vec<(String, String)>,
    /// What happened, ordered by time.
    pub details: Vec<ReportedDetail>,
}

/// A customer of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedCustomer {
    /// The number of the customer's connection, unique in the session.
    pub gsnumber: u32,
    /// The name.
    pub name: String,
    /// Address and port.
    pub public_ip: String,
    /// The address in the customer's network.
    pub private_ip: String,
    /// The computer's name.
    pub hostname: String,
    /// The computer's operating system.
    pub os: String,
    /// The company, as the customer stated it.
    pub company: String,
    /// The issue that the customer selected.
    pub issue: String,
    /// The customer's description of the issue.
    pub details: String,
}

/// A representative of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedRepresentative {
    /// The number of the representative's connection, unique in the session.
    pub gsnumber: u32,
    /// The id of the user account.
    pub id: u64,
    /// The user name.
    pub username: String,
    /// The name that colleagues see.
    pub private_name: String,
    /// The name that customers see.
    pub public_name: String,
    /// Address and port. IPv6 addresses are in brackets.
    pub public_ip: String,
    /// The address in the representative's network, or `Unknown`.
    pub private_ip: String,
    /// The computer's name.
    pub hostname: String,
    /// The computer's operating system.
    pub os: String,
    /// For how many seconds the representative was in the session.
    pub seconds_involved: u64,
    /// Whether the representative is the session's last owner.
    pub is_owner: bool,
}

/// One thing that happened in a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedDetail {
    /// When it happened.
    pub timestamp: u64,
    /// The event's type, such as `Chat Message`.
    pub event_type: String,
    /// Who did it.
    pub performed_by: Option<DetailActor>,
    /// To whom it was addressed.
    pub destination: Option<DetailActor>,
    /// A text of any length, such as a note.
    pub body: Option<String>,
    /// The name and the size in bytes of a file.
    pub file: Option<(String, u64)>,
    /// Names and values.
    pub values: Vec<(String, String)>,
    /// Names and values of system information.
    pub system_information: Vec<(String, String)>,
}

/// Someone in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailActor {
    /// `customer`, `representative` or `system`.
    pub role: &'static str,
    /// The number of the connection; 0 for the system.
    pub gsnumber: u32,
    /// The name.
    pub name: String,
}

impl EmulatedSession {
    /// An ended session of one customer and one representative, for tests.
    pub fn example(lsid: &str, started: u64, ended: u64) -> Self {
        let detail = |timestamp, event_type: &str| ReportedDetail {
            timestamp,
            event_type: event_type.to_owned(),
            ..ReportedDetail::default()
        };
        Self {
            lsid: lsid.to_owned(),
            sequence: 1,
            started,
            ended: Some(ended),
            customers: vec![ReportedCustomer {
                gsnumber: 1,
                name: "Erika Example".to_owned(),
                public_ip: "192.0.2.7:50123".to_owned(),
                private_ip: "10.0.0.7".to_owned(),
                hostname: "PC-00815".to_owned(),
                os: "Windows 11".to_owned(),
                ..ReportedCustomer::default()
            }],
            representatives: vec![ReportedRepresentative {
                gsnumber: 2,
                id: 12,
                username: "rep12".to_owned(),
                private_name: "Sam Example".to_owned(),
                public_name: "Sam".to_owned(),
                public_ip: "[2001:db8::12]:50124".to_owned(),
                private_ip: "Unknown".to_owned(),
                hostname: "DESK-12".to_owned(),
                os: "Unknown".to_owned(),
                seconds_involved: ended.saturating_sub(started),
                is_owner: true,
            }],
            primary_representative: Some(2),
            details: vec![detail(started, "Session Start"), detail(ended, "Session End")],
            ..Self::default()
        }
    }

    /// The session as a report shows it before its end is known.
    pub fn while_running(mut self) -> Self {
        if let Some(ended) = self.ended.take() {
            self.details.retain(|detail| detail.timestamp < ended);
        }
        self.recording = None;
        self.shell_recordings.clear();
        self.customer_survey.clear();
        self.representative_survey.clear();
        self
    }
}
