//! The settings as they are given to the host: in a file, in the environment, on the command line.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use outbound_events::settings;
use outbound_events_host::env_file;

/// How Spin names a variable in the environment.
const PREFIX: &str = "SPIN_VARIABLE_";

/// All settings that are given in a file, in the environment, as a file of destinations, or on the command line as `NAME=VALUE`, where a
/// later one of these replaces an earlier one.
pub fn read(env_file: Option<&Path>, destinations: Option<&Path>, given: &[String]) -> Result<HashMap<String, String>> {
    let mut variables = HashMap::new();
    if let Some(file) = env_file {
        let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        for (name, value) in env_file::parse(&text).with_context(|| format!("{} cannot be used", file.display()))? {
            let name = of_environment(name).with_context(|| format!("in {}", file.display()))?;
            variables.insert(name, value.to_owned());
        }
    }
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Ok(value) = value.into_string() else { bail!("{name} in the environment is no text") };
        variables.insert(of_environment(name).context("in the environment")?, value);
    }
    if let Some(file) = destinations {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let text = text.trim_start_matches('\u{feff}');
        // One that is half written must not count as no destinations: their backlogs would be packed.
        ensure!(!text.trim().is_empty(), "{} is empty; for no destinations it holds []", file.display());
        variables.insert("destinations".to_owned(), text.to_owned());
    }
    // Not by the parser of the command: its error repeats the argument, which may be a secret.
    for argument in given {
        let (name, value) = argument.split_once('=').context("one --variable is not NAME=VALUE")?;
        variables.insert(known(name).context("--variable")?, value.to_owned());
    }
    Ok(variables)
}

/// The setting that a name in the environment, or in a file like it, stands for.
fn of_environment(name: &str) -> Result<String> {
    match name.strip_prefix(PREFIX) {
        Some(setting) if setting.bytes().any(|b| b.is_ascii_lowercase()) => bail!(
            "there is no setting {name}: names are in capitals there, such as {PREFIX}{}",
            setting.to_ascii_uppercase()
        ),
        Some(setting) => known(&setting.to_ascii_lowercase()),
        None => bail!("there is no setting {name}: there a setting's name begins with {PREFIX}"),
    }
}

/// A mistyped name would leave the setting at its default, and nobody would know.
fn known(name: &str) -> Result<String> {
    if !settings::NAMES.contains(&name) {
        bail!("there is no setting {name:?}; there are {}", settings::NAMES.join(", "));
    }
    Ok(name.to_owned())
}
