//! A trial of templates and conditions before anything is sent: each sees invented events of every kind that its
//! destination wants, but for its condition.
//!
//! `appliance check-destinations` and the host at its start do this. The component does not: it reads its settings
//! for each request, so every POST would pay for it.

use chrono::{DateTime, Utc};

use super::destination::{
    DeliveryMode, Destination, DestinationFault, DestinationFormat, EventFilter, ExternalKeyFilter, Filter, Push,
};
use super::request::{self, EventToSend};
use super::template::{self, RenderError, RequestTemplate, TemplateContext};
use crate::archive::pack::RecordEntry;
use crate::event::{EventName, Lsid, Timestamp};
use crate::identity::Site;
use crate::keys::KeyParts;
use crate::record::Record;
use crate::report::{
    FetchedReport, ReportCustomer, ReportFile, ReportLinks, ReportRepresentative, ReportText, SessionReport,
};
use crate::session::{Timeline, name_rank};

/// The faults of all templates and conditions, in the order of the setting. Of each field, the first event for which
/// it fails.
pub fn faults(destinations: &[Destination]) -> Vec<DestinationFault> {
    let mut faults = Vec::new();
    for (number, destination) in destinations.iter().enumerate() {
        let invented = invent(&destination.filter);
        let tried: Vec<_> = invented.iter().filter_map(|event| event.fault(destination).err()).collect();
        for field in ["when", "url", "template.body"] {
            let mut reasons = tried.iter().filter(|fault| fault.field == field).map(|fault| &fault.reason);
            let Some(first) = reasons.next() else { continue };
            let others = match reasons.count() {
                0 => String::new(),
                others => format!(" ({others} more of {} invented events fail)", invented.len()),
            };
            faults.push(DestinationFault { place: format!("[{number}].{field}"), reason: format!("{first}{others}") });
        }
    }
    faults
}

/// The reason why no request can be built for an event, and the field to change.
struct FaultOfEvent {
    field: &'static str,
    reason: String,
}

impl FaultOfEvent {
    fn new(field: &'static str, reason: String) -> Self {
        Self { field, reason }
    }
}

/// An invented event, and its session at that moment.
struct Invented {
    /// Its name and special features, for messages.
    what: String,
    entry: RecordEntry,
    session: Option<Timeline>,
}

impl Invented {
    fn fault(&self, destination: &Destination) -> Result<(), FaultOfEvent> {
        let what = &self.what;
        let seen = TemplateContext::new(&self.entry, self.session.as_ref());
        let seen = seen.map_err(|reason| FaultOfEvent::new("template.body", reason))?;
        if let Some(condition) = &destination.filter.when {
            let holds = condition.holds(&seen).map(drop);
            holds.map_err(|reason| FaultOfEvent::new("when", format!("{reason}, for {what}")))?;
        }
        let DeliveryMode::Push(push) = &destination.mode else { return Ok(()) };
        if let DestinationFormat::Template(template) = &push.format {
            let seen = if template.takes_events { TemplateContext::of_several(vec![seen]) } else { seen };
            self.fault_of_template(push, template, &seen)?;
        }
        let event = EventToSend { entry: &self.entry, session: self.session.as_ref() };
        let made = request::request(push, &destination.secrets, &[event], None, NOW);
        made.map(drop)
            .map_err(|reason| FaultOfEvent::new("url", format!("does not make a request of {what}: {reason}")))
    }

    fn fault_of_template(
        &self,
        push: &Push,
        template: &RequestTemplate,
        seen: &TemplateContext,
    ) -> Result<(), FaultOfEvent> {
        let what = &self.what;
        template::path(&push.url.path, seen).map_err(|reason| {
            let advice = "exclude such events with external_key or events";
            FaultOfEvent::new("url", format!("cannot be built for {what}: {reason}; {advice}"))
        })?;
        template.render(seen).map(drop).map_err(|error| {
            let reason = match error {
                RenderError::Failed(reason) => format!("{reason}, for {what}"),
                RenderError::NotJson(error) if template.body.contains("\"{{") => {
                    format!("does not make valid JSON of {what}: {error}; a placeholder brings its own quotes")
                }
                RenderError::NotJson(error) => format!("does not make valid JSON of {what}: {error}"),
            };
            FaultOfEvent::new("template.body", reason)
        })
    }
}

/// The time of recording of the invented events. It has no meaning.
const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// The time of the first invented event, unless the destination's `from` is later.
const BEGIN: u64 = 1_700_000_000;

/// The values that the events of one invented session share.
struct Variety {
    with: &'static str,
    lsid: Option<&'static str>,
    name: &'static str,
    external_key: Option<&'static str>,
    custom: &'static [(&'static str, &'static str)],
}

const VARIETIES: [Variety; 5] = [
    Variety {
        with: "",
        lsid: Some("c69a8e10bea9428f816cfababe9815fe"),
        name: "Jane Doe",
        external_key: Some("TRIAL-1"),
        custom: &[("department", "Support"), ("computer", "PC-0042")],
    },
    Variety {
        with: " without external key, names and custom fields",
        lsid: Some("d69a8e10bea9428f816cfababe9815fe"),
        name: "",
        external_key: None,
        custom: &[],
    },
    Variety {
        with: " with quotes, line breaks and markup",
        lsid: Some("\"lsid\"<'&>{{%}}\\"),
        name: "\"Jane\" \\ {{ 7 * 7 }}\r\n\t<b>[Doe](https://example.com)</b> \u{202e}*\u{1f600}*",
        external_key: Some("\"KEY\" \\ {{ 7 * 7 }}\r\n/?#&=%41<!channel>"),
        custom: &[("quoted \"field\"", "\"a\"\r\nb"), ("{{ field }}", "")],
    },
    Variety {
        with: " with a variable that has two values",
        lsid: Some("e69a8e10bea9428f816cfababe9815fe"),
        name: "Jane Doe",
        external_key: Some("TRIAL-3"),
        custom: &[("department", "Support"), ("tags[]", "vip"), ("tags[]", "eu")],
    },
    // Only an unrecognised event can be without a session: the others do not parse, and are left out.
    Variety { with: " without a session", lsid: None, name: "", external_key: Some("TRIAL-2"), custom: &[] },
];

/// An event that the guide does not list.
const UNRECOGNISED: &str = "support_conference_example";

/// The invented events that pass a filter, parsed like real ones.
fn invent(filter: &Filter) -> Vec<Invented> {
    let named = if let EventFilter::Named(names) = &filter.events { names.as_slice() } else { &[] };
    let others = named.iter().filter(|name| matches!(name, EventName::Unrecognised(_) | EventName::Report)).cloned();
    let mut names: Vec<_> = EventName::GUIDE.into_iter().chain(others).chain(EventName::parse(UNRECOGNISED)).collect();
    names.sort_by_key(name_rank);
    let site = filter.sites.as_ref().and_then(|sites| sites.first()).cloned().unwrap_or_default();
    let begin = filter.from.map_or(BEGIN, |from| from.seconds().max(BEGIN));
    let mut invented = Vec::new();
    for variety in &VARIETIES {
        let mut session = Vec::new();
        for (name, time) in names.iter().zip(begin..) {
            let entry = match name {
                EventName::Report => variety.report(time, filter, &site),
                _ => record(&variety.form(name, time, filter), &site),
            };
            let Some(entry) = entry else { continue };
            session.extend(entry.event().map(|event| (event, entry.delivered)));
            if wants(filter, &entry) {
                let what = format!("{}{}", name.as_str(), variety.with);
                let timeline = || Timeline::new(session.iter().map(|(event, delivered)| (event, *delivered)));
                invented.push(Invented { what, session: entry.key.lsid.as_ref().map(|_| timeline()), entry });
            }
        }
    }
    invented
}

impl Variety {
    fn external_key(&self, filter: &Filter) -> Option<String> {
        let prefix = if let ExternalKeyFilter::Prefix(prefix) = &filter.external_key { prefix } else { "" };
        self.external_key.map(|key| [prefix, key].concat())
    }

    /// A report in which every text is the name of this variety.
    fn report(&self, end: u64, filter: &Filter, site: &Site) -> Option<RecordEntry> {
        let (end, lsid) = (Timestamp::from_seconds(end)?, Lsid::parse(self.lsid?).ok()?);
        let (text, some) = (self.name.to_owned(), Some(self.name.to_owned()));
        let customer = ReportCustomer {
            name: some.clone(),
            hostname: some.clone(),
            os: some.clone(),
            company: some.clone(),
            issue: some.clone(),
            details: some.clone(),
            ..ReportCustomer::default()
        };
        let representative = ReportRepresentative {
            name: some.clone(),
            username: some.clone(),
            seconds_involved: Some(280),
            ..ReportRepresentative::default()
        };
        let said = ReportText { time: Some(end), by: some.clone(), text: text.clone() };
        let recording = Some("https://support.example.com/recording".to_owned());
        let report = SessionReport {
            start: Timestamp::from_seconds(BEGIN),
            duration_seconds: Some(333),
            primary_customer: some.clone(),
            primary_representative: some.clone(),
            files_transferred: Some(1),
            customers: vec![customer],
            representatives: vec![representative],
            links: ReportLinks { recording, ..ReportLinks::default() },
            files: vec![ReportFile { time: Some(end), action: text, by: some.clone(), name: some, bytes: Some(1) }],
            notes: vec![said.clone()],
            chat: vec![said],
            ..SessionReport::ended(end)
        };
        let fetched = FetchedReport { fetched: end, report };
        let (_, value) = fetched.record(site, &lsid, self.external_key(filter), NOW).ok()?;
        RecordEntry::parse(value).ok()
    }

    fn form(&self, event: &EventName, time: u64, filter: &Filter) -> String {
        let time = time.to_string();
        let mut pairs = vec![("event", event.as_str()), ("version", "1"), ("timestamp", &time)];
        pairs.extend(self.lsid.map(|lsid| ("lsid", lsid)));
        let external_key = self.external_key(filter);
        pairs.extend(external_key.as_deref().map(|key| ("external_key", key)));
        match event {
            EventName::OwnerChanged => pairs.extend([("conference_id", "team:5"), ("conference_name", self.name)]),
            EventName::MemberAdded => {
                pairs.extend([
                    ("type", "representative"),
                    ("name", self.name),
                    ("user_id", "12"),
                    ("username", "jdoe"),
                ]);
            }
            EventName::MemberDeparted => pairs.extend([("type", "customer"), ("name", self.name)]),
            _ => {}
        }
        pairs.extend(self.custom);
        serde_urlencoded::to_string(pairs).unwrap_or_default()
    }
}

fn record(form: &str, site: &Site) -> Option<RecordEntry> {
    let (_, value) = Record::from_form(form.as_bytes(), site, NOW).ok()?;
    RecordEntry::parse(value).ok()
}

fn wants(filter: &Filter, entry: &RecordEntry) -> bool {
    let key = entry.key.to_string();
    KeyParts::split(&key).is_some_and(|key| filter.wants(&key)) && filter.wants_record(&entry.value)
}
