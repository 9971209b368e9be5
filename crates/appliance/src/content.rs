//! What is said, noted and collected in an emulated session. Emails and reports are written from it, so they agree.

use crate::session::SupportSession;

/// The person who writes a line of the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatSpeaker {
    /// The customer.
    Customer,
    /// The primary representative.
    Representative,
}

/// A question of an exit survey and its answer.
pub type SurveyAnswer = (&'static str, &'static str);

/// The customer's exit survey.
pub const CUSTOMER_SURVEY: [SurveyAnswer; 2] =
    [("How satisfied are you?", "5 of 5"), ("Anything to add?", "Quick and friendly.")];

/// The representative's exit survey.
pub const REPRESENTATIVE_SURVEY: [SurveyAnswer; 2] =
    [("Was the problem solved?", "Yes"), ("How hard was it?", "2 of 5")];

/// The operating system of every customer.
pub const CUSTOMER_OS: &str = "Windows 11";

impl SupportSession {
    /// The lines of the chat, in order.
    pub fn chat(&self) -> Vec<(ChatSpeaker, &'static str)> {
        use ChatSpeaker::{Customer, Representative};
        match self.primary {
            Some(_) => vec![
                (Representative, "Hello, how can I help?"),
                (Customer, "The printer says 100% but prints nothing."),
                (Representative, "I will have a look."),
            ],
            None => vec![(Customer, "Hello? Is anyone there?")],
        }
    }

    /// The notes of the representative.
    pub fn notes(&self) -> &'static str {
        "Restarted the print spooler; the queue is empty again."
    }

    /// What was collected about the customer's computer: name and value.
    pub fn system_information(&self) -> [(&'static str, &str); 3] {
        [("Computer name", &self.computer), ("Operating system", CUSTOMER_OS), ("Memory", "16 GB")]
    }

    /// The customer's public and private IP address.
    pub fn customer_addresses(&self) -> [String; 2] {
        let host = self.number % 254 + 1;
        [format!("192.0.2.{host}"), format!("10.0.0.{host}")]
    }

    /// The address of a recording, such as `screen` or `shell/1`.
    pub fn recording_url(&self, kind: &str) -> String {
        format!("https://appliance.example/recordings/{}/{kind}", self.lsid)
    }
}

/// The answers of a survey as the text of an email.
pub fn survey_text(answers: &[SurveyAnswer]) -> String {
    let lines: Vec<_> = answers.iter().map(|(question, answer)| format!("{question}\n  {answer}")).collect();
    lines.join("\n")
}
