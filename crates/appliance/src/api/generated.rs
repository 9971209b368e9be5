//! The account of a generated session: its steps, and between them the chat, notes, files and system information.

use outbound_events::event::{EventName, Member, MemberRole};

use crate::content::{CUSTOMER_OS, CUSTOMER_SURVEY, ChatSpeaker, REPRESENTATIVE_SURVEY, SurveyAnswer};
use crate::session::{SessionStep, SupportSession};

use super::account::{DetailActor, EmulatedSession, ReportedCustomer, ReportedDetail, ReportedRepresentative};

/// The `gsnumber` of the only customer.
const CUSTOMER: u32 = 1;

/// How much of a session is known.
#[derive(Clone, Copy, Debug)]
pub struct KnownPart {
    /// Seconds since the start.
    pub after: u64,
    /// Whether the end is known. If not, nothing after it is known either.
    pub ended: bool,
}

/// The account of a session that started at `started`, in Unix seconds.
pub fn account(session: &SupportSession, started: u64, known: KnownPart) -> EmulatedSession {
    let mut account = SessionAccount {
        session,
        started,
        report: EmulatedSession {
            lsid: session.lsid.clone(),
            sequence: session.number + 1,
            started,
            ..EmulatedSession::default()
        },
        coming: Vec::new(),
        joined: Vec::new(),
    };
    let is_known = |step: &&SessionStep| step.after <= known.after && (known.ended || step.event != EventName::End);
    for step in session.steps.iter().take_while(is_known) {
        account.happen_before(step.after);
        account.step(step);
    }
    account.happen_before(known.after);
    account.finish(known)
}

/// An account while it is written.
struct SessionAccount<'a> {
    session: &'a SupportSession,
    started: u64,
    report: EmulatedSession,
    /// What happens between the steps: seconds since the start, and the event. Ordered by time.
    coming: Vec<(u64, ReportedDetail)>,
    /// The representatives in the session: `gsnumber`, and since when.
    joined: Vec<(u32, u64)>,
}

impl SessionAccount<'_> {
    fn detail(&self, after: u64, event_type: &str) -> ReportedDetail {
        ReportedDetail {
            timestamp: self.started + after,
            event_type: event_type.to_owned(),
            ..ReportedDetail::default()
        }
    }

    /// Adds what happens between two steps, up to `after`.
    fn happen_before(&mut self, after: u64) {
        let due = self.coming.iter().take_while(|(at, _)| *at <= after).count();
        self.report.details.extend(self.coming.drain(..due).map(|(_, detail)| detail));
    }

    fn step(&mut self, step: &SessionStep) {
        if let Some(key) = step.external_key() {
            self.report.external_key = Some(key.to_owned());
        }
        self.report.custom_attributes =
            step.custom_fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let after = step.after;
        let detail = match step.event {
            EventName::Begin => self.detail(after, "Session Start"),
            EventName::End => {
                self.report.ended = Some(self.started + after);
                self.detail(after, "Session End")
            }
            EventName::OwnerChanged => self.owner_changes(step),
            EventName::MemberAdded => {
                let actor = step.member().map(|member| self.joins(member, after));
                ReportedDetail { performed_by: actor, ..self.detail(after, "Conference Member Added") }
            }
            EventName::MemberDeparted => {
                let actor = step.member().map(|member| self.leaves(member, after));
                ReportedDetail { performed_by: actor, ..self.detail(after, "Conference Member Departed") }
            }
            EventName::CustomerExitSurveyCompleted => {
                self.report.customer_survey = answers(&CUSTOMER_SURVEY);
                let values = self.report.customer_survey.clone();
                let actor = Some(self.customer());
                ReportedDetail { performed_by: actor, values, ..self.detail(after, "Customer Exit Survey") }
            }
            EventName::RepExitSurveyCompleted => {
                self.report.representative_survey = answers(&REPRESENTATIVE_SURVEY);
                let values = self.report.representative_survey.clone();
                let actor = self.primary();
                ReportedDetail { performed_by: actor, values, ..self.detail(after, "Representative Survey") }
            }
            EventName::Unrecognised(_) | EventName::Report => return,
        };
        self.report.details.push(detail);
    }

    fn owner_changes(&mut self, step: &SessionStep) -> ReportedDetail {
        let Some(owner) = step.owner() else { return self.detail(step.after, "Conference Owner Changed") };
        let id = (owner.kind == "rep").then(|| owner.id.parse().ok()).flatten();
        let representative = self.report.representatives.iter().find(|known| Some(known.id) == id);
        let actor = match representative {
            Some(known) => actor("representative", known.gsnumber, &owner.name),
            None => actor("system", 0, &owner.name),
        };
        if actor.gsnumber > 0 {
            self.report.primary_representative = Some(actor.gsnumber);
        }
        ReportedDetail {
            destination: Some(actor),
            values: vec![("owner".to_owned(), owner.name.clone())],
            ..self.detail(step.after, "Conference Owner Changed")
        }
    }

    fn joins(&mut self, member: &Member, after: u64) -> DetailActor {
        if member.role != MemberRole::Representative {
            if self.report.customers.is_empty() {
                self.report.customers.push(self.reported_customer());
                if self.session.primary.is_none() {
                    self.chat(after);
                }
            }
            return self.customer();
        }
        let id = member.user_id.as_deref().and_then(|id| id.parse().ok()).unwrap_or_default();
        let known = self.report.representatives.iter().find(|known| known.id == id).map(|known| known.gsnumber);
        let gsnumber = known.unwrap_or_else(|| {
            let gsnumber = self.report.representatives.len() as u32 + CUSTOMER + 1;
            self.report.representatives.push(representative(gsnumber, id, member));
            gsnumber
        });
        self.joined.push((gsnumber, after));
        if known.is_none() && self.session.primary.as_ref().is_some_and(|primary| primary.id == id) {
            self.work(gsnumber, after);
        }
        actor("representative", gsnumber, &member.name)
    }

    fn leaves(&mut self, member: &Member, after: u64) -> DetailActor {
        if member.role != MemberRole::Representative {
            return self.customer();
        }
        let username = member.username.as_deref().unwrap_or_default();
        let Some(known) = self.report.representatives.iter_mut().find(|known| known.username == username) else {
            return actor("representative", 0, &member.name);
        };
        if let Some(at) = self.joined.iter().position(|(gsnumber, _)| *gsnumber == known.gsnumber) {
            known.seconds_involved += after - self.joined.remove(at).1;
        }
        actor("representative", known.gsnumber, &member.name)
    }

    /// What the primary representative does in the first ten seconds, the shortest time in a session.
    fn work(&mut self, gsnumber: u32, after: u64) {
        let Some(primary) = &self.session.primary else { return };
        let by = actor("representative", gsnumber, &primary.private_name);
        let system = self.session.system_information().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let collected = ReportedDetail {
            performed_by: Some(by.clone()),
            system_information: system.into(),
            ..self.detail(after + 1, "System Information Retrieved")
        };
        self.coming.push((after + 1, collected));
        self.chat(after + 1);
        let kinds = ["File Upload", "File Moved", "File Deleted"];
        for (event_type, count) in kinds.into_iter().zip(self.session.files) {
            for number in 1..=count {
                let file = (format!("{}-{number}.log", event_type.to_lowercase().replace(' ', "-")), number * 1_024);
                let detail = ReportedDetail {
                    performed_by: Some(by.clone()),
                    destination: Some(self.customer()),
                    file: Some(file),
                    ..self.detail(after + 6, event_type)
                };
                self.coming.push((after + 6, detail));
            }
        }
        let note = ReportedDetail {
            performed_by: Some(by),
            body: Some(self.session.notes().to_owned()),
            ..self.detail(after + 8, "Session Note Added")
        };
        self.coming.push((after + 8, note));
    }

    /// A line of the chat each second.
    fn chat(&mut self, after: u64) {
        let representative = || match &self.session.primary {
            Some(primary) => {
                let known = self.report.representatives.iter().find(|known| known.id == primary.id);
                actor("representative", known.map_or(0, |known| known.gsnumber), &primary.private_name)
            }
            None => actor("system", 0, "Everyone"),
        };
        for ((speaker, text), second) in self.session.chat().into_iter().zip(1..) {
            let (by, to) = match speaker {
                ChatSpeaker::Customer => (self.customer(), representative()),
                ChatSpeaker::Representative => (representative(), self.customer()),
            };
            let detail = ReportedDetail {
                performed_by: Some(by),
                destination: Some(to),
                body: Some(text.to_owned()),
                ..self.detail(after + second, "Chat Message")
            };
            self.coming.push((after + second, detail));
        }
    }

    fn customer(&self) -> DetailActor {
        actor("customer", CUSTOMER, &self.session.customer)
    }

    fn reported_customer(&self) -> ReportedCustomer {
        let [public_ip, private_ip] = self.session.customer_addresses();
        ReportedCustomer {
            gsnumber: CUSTOMER,
            name: self.session.customer.clone(),
            public_ip: format!("{public_ip}:{}", 50_000 + self.session.number % 10_000),
            private_ip,
            hostname: self.session.computer.clone(),
            os: CUSTOMER_OS.to_owned(),
            issue: "Printing & scanning".to_owned(),
            details: "The printer says \"100%\" <and stops>.".to_owned(),
            company: "Example GmbH & Co. KG".to_owned(),
        }
    }

    fn primary(&self) -> Option<DetailActor> {
        let gsnumber = self.report.primary_representative?;
        let known = self.report.representatives.iter().find(|known| known.gsnumber == gsnumber)?;
        Some(actor("representative", gsnumber, &known.private_name))
    }

    fn finish(mut self, known: KnownPart) -> EmulatedSession {
        for representative in &mut self.report.representatives {
            let here = self.joined.iter().filter(|(gsnumber, _)| *gsnumber == representative.gsnumber);
            representative.seconds_involved += here.map(|(_, since)| known.after.saturating_sub(*since)).sum::<u64>();
            representative.is_owner = Some(representative.gsnumber) == self.report.primary_representative;
        }
        if known.ended {
            // As the emails have it.
            self.report.files = self.session.files;
            if self.session.primary.is_some() {
                self.report.recording = Some(self.session.recording_url("screen"));
                self.report.shell_recordings =
                    ["shell/1", "shell/2"].map(|kind| self.session.recording_url(kind)).into();
            }
        } else {
            let count = |event_type: &str| {
                self.report.details.iter().filter(|detail| detail.event_type == event_type).count() as u64
            };
            self.report.files = [count("File Upload"), count("File Moved"), count("File Deleted")];
        }
        self.report
    }
}

fn actor(role: &'static str, gsnumber: u32, name: &str) -> DetailActor {
    DetailActor { role, gsnumber, name: name.to_owned() }
}

fn answers(survey: &[SurveyAnswer]) -> Vec<(String, String)> {
    survey.iter().map(|(question, answer)| ((*question).to_owned(), (*answer).to_owned())).collect()
}

fn representative(gsnumber: u32, id: u64, member: &Member) -> ReportedRepresentative {
    ReportedRepresentative {
        gsnumber,
        id,
        username: member.username.clone().unwrap_or_default(),
        private_name: member.name.clone(),
        public_name: member.name.split(' ').next().unwrap_or_default().to_owned(),
        public_ip: format!("[2001:db8::{id:x}]:{}", 51_000 + id),
        private_ip: "Unknown".to_owned(),
        hostname: format!("DESK-{id:02}"),
        os: "Unknown".to_owned(),
        seconds_involved: 0,
        is_owner: false,
    }
}
