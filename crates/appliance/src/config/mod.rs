//! The appliance's settings page as a file, `appliance.toml`. What it holds is checked before anything is sent; a fault is
//! reported with the file's line and what was expected.
//!
//! | File | What is in it |
//! |---|---|
//! | `fault.rs` | what is wrong with a file, and on which line |
//! | `settings.rs` | checked settings |
//! | `tables.rs` | the file as it is written, and the checks of each of its tables |
//! | `values.rs` | texts that are checked as they are read: periods, URLs, addresses, secrets and names of events |

mod fault;
mod settings;
mod tables;
mod values;

pub use fault::ConfigError;
pub use settings::{Alert, Config, EmailRecipientSettings, HttpRecipientSettings, SessionSettings, SmtpSettings};
pub use values::{EmailEventName, Period};

use std::path::Path;

use fault::{ConfigFault, line, unique};
use tables::{ConfigFile, SessionsTable};

impl Config {
    /// Reads and checks the file at `path`. Paths in it start from its folder.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
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
        unique(file.http_recipient.iter().map(|recipient| &recipient.name))?;
        unique(file.email_recipient.iter().map(|recipient| &recipient.name))?;
        Ok(Self {
            queue: file.queue.map_or_else(|| path.with_extension("queue.db"), |queue| folder.join(queue)),
            sessions: file.sessions.map(SessionsTable::check).transpose()?,
            http: file.http_recipient.into_iter().map(|r| r.check(folder, can_email)).collect::<Result<_, _>>()?,
            email: file.email_recipient.into_iter().map(|r| r.check(text, can_email)).collect::<Result<_, _>>()?,
            smtp,
        })
    }
}
