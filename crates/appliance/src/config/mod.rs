//! The appliance's settings page as a file, `appliance.toml`. It is checked before anything is sent. A fault is
//! reported with its line and what was expected.
//!
//! | file | content |
//! |---|---|
//! | `fault.rs` | a fault and its line |
//! | `settings.rs` | checked settings |
//! | `tables.rs` | the tables of the file, and their checks |
//! | `values.rs` | texts that are checked while they are parsed: periods, URLs, addresses, secrets and names of events |

mod fault;
mod settings;
mod tables;
mod values;

pub use fault::ConfigError;
pub use settings::{Alert, Config, EmailRecipientSettings, HttpRecipientSettings, SessionSettings, SmtpSettings};
pub use values::{EmailEventName, Period};

use std::path::Path;

use fault::{ConfigFault, check_names, line};
use tables::{ConfigFile, SessionsTable};

impl Config {
    /// Loads and checks the file at `path`. Paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let fault = |what: String| ConfigError { file: path.to_owned(), line: None, what };
        let text = std::fs::read_to_string(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
        Self::parse(&text, path).map_err(|ConfigFault { at, what }| ConfigError {
            file: path.to_owned(),
            line: at.map(|at| line(&text, at.start)),
            what,
        })
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigFault> {
        let file: ConfigFile =
            toml::from_str(text).map_err(|error| ConfigFault { at: error.span(), what: error.message().to_owned() })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        if file.http_recipient.is_empty() && file.email_recipient.is_empty() {
            return Err(ConfigFault {
                at: None,
                what: "has no [[http_recipient]] and no [[email_recipient]]".to_owned(),
            });
        }
        let smtp = file.smtp.map(|smtp| smtp.check(folder)).transpose()?;
        let can_email = smtp.is_some();
        check_names(file.http_recipient.iter().map(|recipient| &recipient.name))?;
        check_names(file.email_recipient.iter().map(|recipient| &recipient.name))?;
        Ok(Self {
            queue: file.queue.map_or_else(|| path.with_extension("queue.db"), |queue| folder.join(queue)),
            sessions: file.sessions.map(SessionsTable::check).transpose()?,
            http: file.http_recipient.into_iter().map(|r| r.check(folder, can_email)).collect::<Result<_, _>>()?,
            email: file.email_recipient.into_iter().map(|r| r.check(text, can_email)).collect::<Result<_, _>>()?,
            smtp,
        })
    }
}
