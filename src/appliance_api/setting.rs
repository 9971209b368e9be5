//! The setting `appliances`: the appliances whose APIs are asked, and with which credentials. It is a JSON array of
//! objects.
//!
//! All faults are reported at once, each with its place. The client secret is never shown, not even by `Debug`.

use serde_json::{Map, Value};

use crate::event::Timestamp;
use crate::identity::Site;
use crate::json_setting::{parse_array, parse_time};
use crate::oauth::ClientSecret;
use crate::url::Url;

/// An appliance whose APIs are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appliance {
    /// The site that its sessions belong to.
    pub site: Site,
    /// Its origin. The path is always `/`.
    pub url: Url,
    /// The id of the API account.
    pub client_id: String,
    /// The secret of the API account.
    pub client_secret: ClientSecret,
    /// The parts of reports that are kept only on request.
    pub include: Include,
    /// The minutes between two checks.
    pub check_minutes: u32,
    /// Since when the appliance's sessions count. `None`: since a day before the first check.
    pub since: Option<Timestamp>,
    /// Whether its host name can resolve to an address that is not public.
    pub private: bool,
}

/// The parts of a report that are kept only on request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// Notes of representatives.
    pub notes: bool,
    /// Chat messages.
    pub chat: bool,
    /// The description of the customers' systems.
    pub system_information: bool,
}

/// A fault of the setting, and its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("appliances{place} {reason}")]
pub struct ApplianceFault {
    /// The place, such as `[1].url`. Empty for the setting as a whole.
    pub place: String,
    /// The fault. Repeats no secret.
    pub reason: String,
}

impl Appliance {
    /// The default of `check_minutes`.
    pub const CHECK_MINUTES: u32 = 5;

    /// Parses the setting. The error has all faults.
    pub fn read_all(text: &str) -> Result<Vec<Self>, Vec<ApplianceFault>> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let whole = |reason: String| ApplianceFault { place: String::new(), reason };
        let all = parse_array(text, "appliances").map_err(|reason| vec![whole(reason)])?;
        let mut faults = Vec::new();
        let mut read: Vec<Self> = Vec::new();
        for (number, value) in all.iter().enumerate() {
            let place = format!("[{number}]");
            let Value::Object(object) = value else {
                faults.push(ApplianceFault { place, reason: "is not an object".to_owned() });
                continue;
            };
            let mut fields = ApplianceFields { place: &place, object, faults: &mut faults };
            if let Some(appliance) = fields.appliance() {
                fields.compare(&appliance, &read);
                read.push(appliance);
            }
        }
        if all.len() > MOST {
            faults.push(whole(format!("has more than {MOST} appliances")));
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}

/// The largest number of appliances: each has requests under way, and keys of its own.
const MOST: usize = 32;

const FIELDS: [&str; 8] = ["site", "url", "client_id", "client_secret", "include", "check_minutes", "since", "private"];

/// An object of the setting, and the faults found so far.
struct ApplianceFields<'f> {
    place: &'f str,
    object: &'f Map<String, Value>,
    faults: &'f mut Vec<ApplianceFault>,
}

impl ApplianceFields<'_> {
    fn appliance(&mut self) -> Option<Appliance> {
        let unknown: Vec<_> = self.object.keys().filter(|name| !FIELDS.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            self.fault(&name, format!("is not a field; the fields are {}", FIELDS.join(", ")));
        }
        let site =
            self.required("site", |text| Site::parse(text).ok_or("is not 1 to 32 characters of A-Z, a-z, 0-9 and -"));
        let url = self.required("url", |text| Url::parse(text, check_no_path));
        let client_id = self.required("client_id", parse_client_id);
        let client_secret = self.required("client_secret", parse_client_secret);
        let include = self.include();
        let check_minutes = self.check_minutes();
        let since = self.optional("since", parse_time);
        let private = self.private();
        Some(Appliance {
            site: site?,
            url: url?,
            client_id: client_id?,
            client_secret: client_secret?,
            include,
            check_minutes,
            since,
            private,
        })
    }

    /// Reports what no two appliances may share: sessions of one site come from one appliance, and its reports cover
    /// all its public sites.
    fn compare(&mut self, appliance: &Appliance, others: &[Appliance]) {
        if others.iter().any(|other| other.site == appliance.site) {
            self.fault("site", "is used twice");
        }
        if others.iter().any(|other| other.url.has_origin_of(&appliance.url)) {
            self.fault("url", "is used twice; the reports of an appliance cover all its public sites");
        }
    }

    fn include(&mut self) -> Include {
        let mut include = Include::default();
        let all = match self.object.get("include") {
            None => return include,
            Some(Value::Array(all)) => all,
            Some(_) => {
                self.fault("include", "is not a list");
                return include;
            }
        };
        for (number, part) in all.iter().enumerate() {
            match part.as_str() {
                Some("notes") => include.notes = true,
                Some("chat") => include.chat = true,
                Some("system_information") => include.system_information = true,
                _ => self.fault(&format!("include[{number}]"), "is not one of notes, chat and system_information"),
            }
        }
        include
    }

    fn check_minutes(&mut self) -> u32 {
        let Some(value) = self.object.get("check_minutes") else { return Appliance::CHECK_MINUTES };
        let minutes = value.as_u64().and_then(|minutes| u32::try_from(minutes).ok());
        minutes.filter(|minutes| (1..=1440).contains(minutes)).unwrap_or_else(|| {
            self.fault("check_minutes", "is not a number from 1 to 1440");
            Appliance::CHECK_MINUTES
        })
    }

    fn private(&mut self) -> bool {
        match self.object.get("private") {
            None => false,
            Some(Value::Bool(private)) => *private,
            Some(_) => {
                self.fault("private", "is not true or false");
                false
            }
        }
    }

    fn required<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        if !self.object.contains_key(name) {
            self.fault(name, "is missing");
        }
        self.optional(name, parse)
    }

    fn optional<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        match self.object.get(name)?.as_str().ok_or("is not a string").and_then(parse) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(name, reason);
                None
            }
        }
    }

    fn fault(&mut self, field: &str, reason: impl Into<String>) {
        self.faults.push(ApplianceFault { place: format!("{}.{field}", self.place), reason: reason.into() });
    }
}

/// The paths of the APIs never differ, and a copied `/login` would lead to none of them.
fn check_no_path(path: &str) -> Result<(), &'static str> {
    if path == "/" { Ok(()) } else { Err("has a path or a query; give only https://HOST or https://HOST:PORT") }
}

fn parse_client_id(text: &str) -> Result<String, &'static str> {
    let is_id = (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if is_id { Ok(text.to_owned()) } else { Err("is not 1 to 256 visible ASCII characters without a colon") }
}

fn parse_client_secret(text: &str) -> Result<ClientSecret, &'static str> {
    let is_secret = (8..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_secret { Ok(ClientSecret(text.to_owned())) } else { Err("is not 8 to 512 visible ASCII characters") }
}
