//! A support session, generated from a seed and a number: the same bytes in every run.

use outbound_events::event::{Conference, EventName, Member, MemberRole, Variables};
use outbound_events::record::EventData;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::people::{Representative, name, random_team};

/// The prefix of custom fields in a POST. The guide does not name it; this is the prefix of the Command API.
const CUSTOM_FIELD: &str = "session.custom.";

/// One session: its members and its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportSession {
    /// Its number, from 0: `%LSEQ%` less one.
    pub number: u64,
    /// Its logging session id, 32 hexadecimal digits.
    pub lsid: String,
    /// The customer's name.
    pub customer: String,
    /// The name of the customer's computer.
    pub computer: String,
    /// The last owner among the representatives; `None` if the customer left before one joined.
    pub primary: Option<Representative>,
    /// The numbers of files transferred, renamed and deleted.
    pub files: [u64; 3],
    /// Its events, ordered by time.
    pub steps: Vec<SessionStep>,
}

/// One event of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionStep {
    /// Seconds since the session started.
    pub after: u64,
    /// The event's name.
    pub event: EventName,
    data: EventData,
}

impl SessionStep {
    /// The external key at the time of the event.
    pub fn external_key(&self) -> Option<&str> {
        self.data.external_key.as_deref()
    }

    /// The new owner, of an owner change.
    pub fn owner(&self) -> Option<&Conference> {
        self.data.conference.as_ref()
    }

    /// The person who joined or left.
    pub fn member(&self) -> Option<&Member> {
        self.data.member.as_ref()
    }

    /// The custom fields: code name and value.
    pub fn custom_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields =
            self.data.variables.iter().filter_map(|(name, value)| Some((name.strip_prefix(CUSTOM_FIELD)?, value)));
        fields.filter_map(|(name, value)| Some((name, value.values().first()?.as_str())))
    }

    /// The body of the event's POST. `timestamp` is in Unix seconds.
    pub fn form(&self, timestamp: u64, custom_fields: bool) -> String {
        let mut data = self.data.clone();
        data.timestamp = timestamp;
        data.variables.retain(|name, _| custom_fields || !name.starts_with(CUSTOM_FIELD));
        // Texts under texts can always be encoded.
        serde_urlencoded::to_string(data.form()).unwrap_or_default()
    }
}

impl SupportSession {
    /// Generates session `number` of the appliance with this seed.
    pub fn generate(seed: u64, number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let session = Self {
            number,
            lsid: format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()),
            customer: name(&mut rng),
            computer: format!("PC-{:05}", rng.random_range(0..100_000)),
            primary: None,
            files: [rng.random_range(0..4), rng.random_range(0..2), rng.random_range(0..2)],
            steps: Vec::new(),
        };
        let custom = [
            ("department", ["Accounts", "Vertrieb", "営業"].choose(&mut rng).copied().unwrap_or_default().to_owned()),
            ("asset_tag", format!("A-{:06}", rng.random_range(0..1_000_000))),
        ];
        let custom = custom.map(|(name, value)| (format!("{CUSTOM_FIELD}{name}"), value.into())).into();
        Script { seed, rng, session, custom, now: 0, key: None, owner: None }.play()
    }

    /// Seconds from the start to the end of the session.
    pub fn ended_after(&self) -> u64 {
        self.after(EventName::End).unwrap_or_default()
    }

    /// Seconds from the start to the last event, such as a survey.
    pub fn length(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.after)
    }

    /// Seconds from the start to the first event of that name.
    fn after(&self, event: EventName) -> Option<u64> {
        self.steps.iter().find(|step| step.event == event).map(|step| step.after)
    }
}

/// When a session's external key is assigned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyAssignment {
    Never,
    AtOnce,
    Late,
    Changed,
}

/// A session while it is generated.
struct Script {
    seed: u64,
    rng: ChaCha8Rng,
    session: SupportSession,
    custom: Variables,
    now: u64,
    key: Option<String>,
    owner: Option<Conference>,
}

impl Script {
    fn play(mut self) -> SupportSession {
        use KeyAssignment::{AtOnce, Changed, Late, Never};
        let assigned = [Never, AtOnce, Late, Changed].choose(&mut self.rng).copied().unwrap_or(Never);
        if matches!(assigned, AtOnce | Changed) {
            self.assign_key();
        }
        self.happens(EventName::Begin, |_| {});
        let queue = random_team(&mut self.rng, None);
        self.goes_to(queue);
        self.wait(0..3);
        self.customer_joins();
        self.wait(4..180);
        // Some customers leave before a representative joins.
        if !self.rng.random_ratio(1, 12) {
            let first = Representative::random(self.seed, &mut self.rng, &[]);
            self.take_over(first.clone());
            self.wait(20..200);
            if matches!(assigned, Late | Changed) {
                self.assign_key();
            }
            let last = self.work(first);
            self.wait(10..300);
            self.leaves(last.member());
        }
        self.customer_leaves();
        self.happens(EventName::End, |_| {});
        self.surveys();
        self.session
    }

    /// Optional reconnects, help and transfers. Returns the last owner.
    fn work(&mut self, first: Representative) -> Representative {
        if self.rng.random_ratio(1, 4) {
            self.customer_reconnects();
        }
        if self.rng.random_ratio(1, 4) {
            self.is_helped(&first);
        }
        match self.rng.random_range(0..8) {
            0..3 => self.transfer(first),
            3 => self.primary_leaves(first),
            _ => first,
        }
    }

    fn customer_reconnects(&mut self) {
        self.customer_leaves();
        self.wait(15..120);
        self.customer_joins();
        self.wait(10..120);
    }

    fn is_helped(&mut self, first: &Representative) {
        let helper = Representative::random(self.seed, &mut self.rng, &[first]);
        self.joins(helper.member());
        self.wait(60..400);
        self.leaves(helper.member());
        self.wait(5..60);
    }

    /// A transfer to another team, whose representative takes over before the first one leaves.
    fn transfer(&mut self, from: Representative) -> Representative {
        let to = random_team(&mut self.rng, self.owner.as_ref());
        self.goes_to(to);
        self.wait(5..240);
        let second = Representative::random(self.seed, &mut self.rng, &[&from]);
        self.take_over(second.clone());
        self.wait(1..60);
        self.leaves(from.member());
        second
    }

    /// The primary representative leaves and the customer stays: the session goes to a team, whose representative takes
    /// over.
    fn primary_leaves(&mut self, by: Representative) -> Representative {
        self.leaves(by.member());
        let to = random_team(&mut self.rng, self.owner.as_ref());
        self.goes_to(to);
        self.wait(5..240);
        let second = Representative::random(self.seed, &mut self.rng, &[&by]);
        self.take_over(second.clone());
        second
    }

    fn take_over(&mut self, representative: Representative) {
        self.joins(representative.member());
        self.goes_to(representative.conference());
        self.session.primary = Some(representative);
    }

    fn surveys(&mut self) {
        if self.session.primary.is_some() && self.rng.random_ratio(1, 2) {
            self.wait(5..120);
            self.happens(EventName::RepExitSurveyCompleted, |_| {});
        }
        if self.rng.random_ratio(1, 3) {
            self.wait(5..600);
            self.happens(EventName::CustomerExitSurveyCompleted, |_| {});
        }
    }

    /// The two forms seen in practice: a ticket's number, or JSON with line breaks.
    fn assign_key(&mut self) {
        let ticket = self.rng.random_range(0..10_000_000);
        self.key = Some(if self.rng.random_ratio(1, 5) {
            format!("{{\n\t\"ticket\": \"INC{ticket:07}\",\n\t\"share\": \"50% & more\"\n}}")
        } else {
            format!("INC{ticket:07}")
        });
    }

    fn customer(&self) -> Member {
        Member { role: MemberRole::Customer, name: self.session.customer.clone(), user_id: None, username: None }
    }

    fn customer_joins(&mut self) {
        self.joins(self.customer());
    }

    fn customer_leaves(&mut self) {
        self.leaves(self.customer());
    }

    fn joins(&mut self, member: Member) {
        self.happens(EventName::MemberAdded, |data| data.member = Some(member));
    }

    fn leaves(&mut self, member: Member) {
        self.happens(EventName::MemberDeparted, |data| data.member = Some(member));
    }

    fn goes_to(&mut self, owner: Conference) {
        self.owner = Some(owner.clone());
        self.happens(EventName::OwnerChanged, |data| data.conference = Some(owner));
    }

    fn wait(&mut self, seconds: std::ops::Range<u64>) {
        self.now += self.rng.random_range(seconds);
    }

    fn happens(&mut self, event: EventName, with: impl FnOnce(&mut EventData)) {
        let mut data = EventData {
            event: event.as_str().to_owned(),
            version: "1".to_owned(),
            timestamp: 0,
            lsid: Some(self.session.lsid.clone()),
            external_key: self.key.clone(),
            conference: None,
            member: None,
            variables: self.custom.clone(),
            fetched: None,
            report: None,
        };
        with(&mut data);
        self.session.steps.push(SessionStep { after: self.now, event, data });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use outbound_events::event::{EventKind, EventName};
    use outbound_events::identity::Site;
    use outbound_events::parse::parse;
    use outbound_events::record::Record;

    use super::SupportSession;

    fn sessions() -> impl Iterator<Item = SupportSession> {
        (0..1_000).map(|number| SupportSession::generate(7, number))
    }

    #[test]
    fn a_seed_and_a_number_determine_a_session() {
        assert_eq!(SupportSession::generate(7, 3), SupportSession::generate(7, 3));
        assert_ne!(SupportSession::generate(7, 3).lsid, SupportSession::generate(7, 4).lsid);
        assert_ne!(SupportSession::generate(7, 3).lsid, SupportSession::generate(8, 3).lsid);
    }

    #[test]
    fn every_event_is_valid_and_unique() {
        let mut ids = BTreeSet::new();
        for session in sessions() {
            for step in &session.steps {
                let event = parse(step.form(1_767_600_000 + step.after, true).as_bytes()).unwrap();
                let (_, record) = Record::new(event, Site::default(), chrono::DateTime::UNIX_EPOCH);
                assert!(ids.insert(record.id), "{step:?}");
            }
        }
    }

    #[test]
    fn sessions_are_consistent() {
        for session in sessions() {
            let events: Vec<_> =
                session.steps.iter().map(|step| parse(step.form(step.after, false).as_bytes()).unwrap()).collect();
            assert!(events.iter().is_sorted_by_key(|event| event.timestamp()), "{session:?}");
            assert_eq!(events[0].kind(), &EventKind::Begin);
            let count = |name| events.iter().filter(|event| event.kind().name() == name).count();
            assert_eq!((count(EventName::Begin), count(EventName::End)), (1, 1));
            // Every member who joins also leaves, and only members leave.
            let mut present = Vec::new();
            for event in &events {
                match event.kind() {
                    EventKind::MemberAdded(member) => {
                        assert!(!present.contains(member), "{session:?}");
                        present.push(member.clone());
                    }
                    EventKind::MemberDeparted(member) => {
                        let index = present.iter().position(|m| m == member).unwrap_or_else(|| panic!("{session:?}"));
                        present.remove(index);
                    }
                    EventKind::End => assert!(present.is_empty(), "{session:?}"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_thousand_sessions_cover_every_variant() {
        let all: Vec<_> = sessions().collect();
        let some = |what: &str, holds: &dyn Fn(&SupportSession) -> bool| {
            let count = all.iter().filter(|session| holds(session)).count();
            assert!((30..970).contains(&count), "{what}: {count}");
        };
        let keys = |session: &SupportSession| {
            session.steps.iter().map(|step| step.data.external_key.clone()).collect::<Vec<_>>()
        };
        let has = |session: &SupportSession, event: EventName| session.after(event).is_some();
        some("no representative joined", &|session| session.primary.is_none());
        some("a transfer", &|session| {
            session.steps.iter().filter(|step| step.data.conference.as_ref().is_some_and(|c| c.kind == "team")).count()
                > 1
        });
        some("the primary representative left", &|session| {
            session
                .steps
                .windows(2)
                .any(|pair| pair[0].event == EventName::MemberDeparted && pair[1].event == EventName::OwnerChanged)
        });
        some("a key from the start", &|session| keys(session)[0].is_some());
        some("a key later on", &|session| keys(session)[0].is_none() && keys(session).last().unwrap().is_some());
        some("another key", &|session| {
            keys(session)[0].is_some() && keys(session)[0] != *keys(session).last().unwrap()
        });
        some("a name in another script", &|session| !session.customer.chars().any(|c| c.is_ascii()));
        some("the customer's survey", &|session| has(session, EventName::CustomerExitSurveyCompleted));
        some("the representative's survey", &|session| has(session, EventName::RepExitSurveyCompleted));
    }

    #[test]
    fn custom_fields_are_sent_only_on_request() {
        let session = SupportSession::generate(1, 1);
        let fields = |custom| parse(session.steps[0].form(1, custom).as_bytes()).unwrap().variables().len();
        assert_eq!((fields(false), fields(true)), (0, 2));
    }
}
