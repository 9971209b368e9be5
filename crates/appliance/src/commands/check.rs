//! `appliance check-destinations` and `appliance check-template`: faults that are found before a setting is used.

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
        authorities.extend(tls::read(file)?);
    }
    let (entries, mut well) = (destinations::trial()?, true);
    for destination in &all {
        let (name, origin) = (&destination.name, destination.origin().unwrap_or("it pulls"));
        println!("{name}: no fault found ({origin})");
        if !send {
            continue;
        }
        match destinations::send(destination, &entries, &authorities).await? {
            None => println!("{name}: nothing is sent to one that pulls"),
            Some(said) if said.is_empty() => println!("{name}: its filters let none of the session's events through"),
            Some(said) => {
                well &= said.iter().all(destinations::TrialAnswer::is_taken);
                for said in said {
                    match said.answer {
                        Ok(status) => println!("{name}: {status} {}", said.event),
                        Err(reason) => println!("{name}: {}: {reason}", said.event),
                    }
                }
            }
        }
    }
    if all.is_empty() {
        println!("there is no destination in {}", file.display());
    }
    Ok(well)
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
        println!("No fault found for \"{event}\".");
    }
    Ok(sound)
}
