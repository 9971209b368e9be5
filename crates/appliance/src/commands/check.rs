//! `appliance check-destinations` and `appliance check-template`: find faults before a setting is used.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use appliance::config::EmailEventName;
use appliance::destinations;
use appliance::macros::{EmailField, EmailTemplate, check};
use appliance::tls;
use outbound_events::forward::destination::Destination;
use outbound_events::forward::trial;

pub async fn check_destinations(file: &Path, send: bool, ca_certificates: &[PathBuf]) -> Result<bool> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let all = match Destination::read_all(&text) {
        Ok(all) => all,
        Err(faults) => {
            faults.iter().for_each(|fault| println!("{fault}"));
            return Ok(false);
        }
    };
    let faults = trial::faults(&all);
    if !faults.is_empty() {
        faults.iter().for_each(|fault| println!("{fault}"));
        return Ok(false);
    }
    let mut authorities = Vec::new();
    for file in ca_certificates {
        authorities.extend(tls::load_authorities(file)?);
    }
    let (entries, mut all_accepted) = (destinations::trial_events()?, true);
    for destination in &all {
        let (name, origin) = (&destination.name, destination.origin().unwrap_or("it pulls"));
        println!("{name}: no fault found ({origin})");
        if !send {
            continue;
        }
        match destinations::send(destination, &entries, &authorities).await? {
            None => println!("{name}: it pulls, so nothing is sent to it"),
            Some(answers) if answers.is_empty() => println!("{name}: no event of the session passes its filters"),
            Some(answers) => {
                all_accepted &= answers.iter().all(destinations::TrialAnswer::is_accepted);
                for answer in answers {
                    match answer.status {
                        Ok(status) => println!("{name}: {status} {}", answer.event),
                        Err(reason) => println!("{name}: {}: {reason}", answer.event),
                    }
                }
            }
        }
    }
    if all.is_empty() {
        println!("{} has no destinations", file.display());
    }
    Ok(all_accepted)
}

pub fn check_template(EmailEventName(event): EmailEventName, subject: &str, body: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(body).with_context(|| format!("{} cannot be read", body.display()))?;
    let in_subject = check(&EmailTemplate::parse(subject), event, EmailField::Subject);
    let in_body = check(&EmailTemplate::parse(&text), event, EmailField::Body);
    for finding in &in_subject {
        println!("subject, {finding}");
    }
    for finding in &in_body {
        println!("{}, {finding}", body.display());
    }
    let sound = in_subject.is_empty() && in_body.is_empty();
    if sound {
        println!("no fault found for \"{event}\"");
    }
    Ok(sound)
}
