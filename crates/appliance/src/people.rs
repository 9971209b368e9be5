//! The people in sessions: names in several scripts, derived from the seed.

use fake::Fake as _;
use fake::faker::name::raw::Name;
use fake::locales::{AR_SA, CY_GB, DE_DE, EN, FA_IR, FR_FR, JA_JP, PT_BR, TR_TR, ZH_CN};
use outbound_events::event::{Conference, Member, MemberRole};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// How many representatives an appliance has.
const REPRESENTATIVES: u64 = 40;

/// The teams of an appliance. A team's id is its index here, from 1.
const TEAMS: [&str; 6] =
    ["Service Desk", "Troubleshooting", "Réseau & Télécom", "SAP-Basis", "ネットワーク", "التطبيقات"];

/// A random name in one of ten locales and five scripts.
pub fn name(rng: &mut ChaCha8Rng) -> String {
    match rng.random_range(0..12) {
        0 => Name(AR_SA).fake_with_rng(rng),
        1 => Name(CY_GB).fake_with_rng(rng),
        2 => Name(DE_DE).fake_with_rng(rng),
        3 => Name(FA_IR).fake_with_rng(rng),
        4 => Name(FR_FR).fake_with_rng(rng),
        5 => Name(JA_JP).fake_with_rng(rng),
        6 => Name(PT_BR).fake_with_rng(rng),
        7 => Name(TR_TR).fake_with_rng(rng),
        8 => Name(ZH_CN).fake_with_rng(rng),
        _ => Name(EN).fake_with_rng(rng),
    }
}

/// A representative. The id and the seed determine everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representative {
    /// The id of the user account.
    pub id: u64,
    /// The user name.
    pub username: String,
    /// The display name that colleagues see.
    pub private_name: String,
    /// The display name that customers see.
    pub public_name: String,
}

impl Representative {
    /// A random representative of the appliance who is not among `excluded`.
    pub fn random(seed: u64, rng: &mut ChaCha8Rng, excluded: &[&Self]) -> Self {
        loop {
            let id = rng.random_range(1..=REPRESENTATIVES);
            if excluded.iter().all(|other| other.id != id) {
                return Self::with_id(seed, id);
            }
        }
    }

    fn with_id(seed: u64, id: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Sessions use the streams from 0 up.
        rng.set_stream(u64::MAX - id);
        let private_name = name(&mut rng);
        let public_name = private_name.split(' ').next().unwrap_or_default().to_owned();
        Self { id, username: format!("rep{id:02}"), private_name, public_name }
    }

    /// The representative as a member of a session.
    pub fn member(&self) -> Member {
        Member {
            role: MemberRole::Representative,
            name: self.private_name.clone(),
            user_id: Some(self.id.to_string()),
            username: Some(self.username.clone()),
        }
    }

    /// The representative as the owner of a session.
    pub fn conference(&self) -> Conference {
        Conference { kind: "rep".to_owned(), id: self.id.to_string(), name: self.private_name.clone() }
    }
}

/// A random team as the owner of a session, other than `current`.
pub fn random_team(rng: &mut ChaCha8Rng, current: Option<&Conference>) -> Conference {
    let teams: Vec<_> = (1..).zip(TEAMS).filter(|(_, name)| current.is_none_or(|owner| owner.name != *name)).collect();
    let (id, name) = teams.choose(rng).copied().unwrap_or((1, "Service Desk"));
    Conference { kind: "team".to_owned(), id: id.to_string(), name: name.to_owned() }
}
