//! `appliance check-destinations`, `check-appliances` and `check-template`: find faults before a setting is used.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use appliance::appliances;
use appliance::config::EmailEventName;
use appliance::destinations;
use appliance::macros::{EmailField, EmailTemplate, check};
use appliance::tls;
use outbound_events::appliance_api::Appliance;
use outbound_events::forward::destination::Destination;
use outbound_events::forward::trial;
use rustls::pki_types::CertificateDer;

pub async fn check_destinations(file: &Path, send: bool, ca_certificates: &[PathBuf]) -> Result<bool> {
    let text = read(file)?;
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
    let authorities = load_authorities(ca_certificates)?;
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

pub async fn check_appliances(file: &Path, ca_certificates: &[PathBuf]) -> Result<bool> {
    let all = match Appliance::read_all(&read(file)?) {
        Ok(all) => all,
        Err(faults) => {
            faults.iter().for_each(|fault| println!("{fault}"));
            return Ok(false);
        }
    };
    let authorities = load_authorities(ca_certificates)?;
    let mut all_work = true;
    for appliance in &all {
        let site = appliance.site.as_str();
        match appliances::ask(appliance, &authorities).await? {
            Ok(trial) => {
                let ended = if trial.ended == 1 { "1 session" } else { &format!("{} sessions", trial.ended) };
                let clock = trial.clock_difference().map_or(String::new(), |words| format!("; {words}"));
                println!("{site}: ok, {ended} ended in the last hour{clock} ({})", appliance.url.origin());
            }
            Err(fault) => {
                all_work = false;
                println!("{site}: {fault}");
            }
        }
    }
    if all.is_empty() {
        println!("{} has no appliances", file.display());
    }
    Ok(all_work)
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn load_authorities(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>> {
    let mut authorities = Vec::new();
    for file in files {
        authorities.extend(tls::load_authorities(file)?);
    }
    Ok(authorities)
}

pub fn check_template(EmailEventName(event): EmailEventName, subject: &str, body: &Path) -> Result<bool> {
    let text = read(body)?;
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
