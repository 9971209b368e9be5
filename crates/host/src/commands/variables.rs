//! Collects the settings from files, the environment and the command line.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use outbound_events::settings;
use outbound_events_host::env_file;

/// Spin's prefix of variables in the environment.
const PREFIX: &str = "SPIN_VARIABLE_";

/// Files with a setting each.
#[derive(Clone, Copy, Debug, Default)]
pub struct SettingFiles<'p> {
    /// With `destinations`.
    pub destinations: Option<&'p Path>,
    /// With `appliances`.
    pub appliances: Option<&'p Path>,
}

/// All settings from `--env-file`, the environment, `--destinations`, `--appliances` and `--variable NAME=VALUE`. Later
/// sources override earlier ones.
pub fn load(env_file: Option<&Path>, files: SettingFiles<'_>, given: &[String]) -> Result<HashMap<String, String>> {
    let mut variables = HashMap::new();
    if let Some(file) = env_file {
        let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        for (name, value) in env_file::parse(&text).with_context(|| format!("{} cannot be used", file.display()))? {
            let name = setting_of(name).with_context(|| format!("in {}", file.display()))?;
            variables.insert(name, value.to_owned());
        }
    }
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Ok(value) = value.into_string() else { bail!("{name} in the environment is not UTF-8") };
        variables.insert(setting_of(name).context("in the environment")?, value);
    }
    let files = [("destinations", files.destinations), ("appliances", files.appliances)];
    for (name, file) in files.into_iter().filter_map(|(name, file)| Some((name, file?))) {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let text = text.trim_start_matches('\u{feff}');
        // A half-written file must not count as an empty list: the backlogs of destinations would be packed.
        ensure!(!text.trim().is_empty(), "{} is empty; for no {name}, write []", file.display());
        variables.insert(name.to_owned(), text.to_owned());
    }
    // Not parsed by clap: its error repeats the argument, which can be a secret.
    for argument in given {
        let (name, value) = argument.split_once('=').context("a --variable is not NAME=VALUE")?;
        variables.insert(known(name).context("--variable")?, value.to_owned());
    }
    Ok(variables)
}

/// The setting of a variable name in the environment or in `--env-file`.
fn setting_of(name: &str) -> Result<String> {
    match name.strip_prefix(PREFIX) {
        Some(setting) if setting.bytes().any(|b| b.is_ascii_lowercase()) => {
            bail!("there is no setting {name}: write it in capitals, {PREFIX}{}", setting.to_ascii_uppercase())
        }
        Some(setting) => known(&setting.to_ascii_lowercase()),
        None => bail!("there is no setting {name}: names in the environment and in --env-file begin with {PREFIX}"),
    }
}

/// An error for an unknown name: ignoring it would leave the setting at its default unnoticed.
fn known(name: &str) -> Result<String> {
    if !settings::NAMES.contains(&name) {
        bail!("there is no setting {name:?}; the settings are {}", settings::NAMES.join(", "));
    }
    Ok(name.to_owned())
}
