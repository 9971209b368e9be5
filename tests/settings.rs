//! The table of settings, and the code and files that must match it: reading, `spin.toml`,
//! `docs/operate/settings.md`.

#[path = "support/generated.rs"]
mod generated;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use outbound_events::archive::compaction::Policy;
use outbound_events::settings::{self, Ingest, NAMES, SettingRow, Settings};

use generated::assert_generated;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// All settings, with this one configured.
fn with(name: &str, text: &str) -> Result<Settings, settings::SettingsError> {
    Settings::from_variables(|asked| Ok((asked == name).then(|| text.to_owned())))
}

#[test]
fn every_setting_of_the_table_is_read_and_no_other() {
    let asked = RefCell::new(BTreeSet::new());
    let nothing = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        Ok(None)
    };
    Settings::from_variables(nothing).unwrap();
    let table: BTreeSet<_> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(asked.take(), table);
    assert_eq!(table.len(), NAMES.len(), "no name is used twice");
    assert_eq!(settings::rows().iter().map(|row| row.name).collect::<Vec<_>>(), NAMES);
}

#[test]
fn an_explicit_default_equals_an_unset_setting() {
    let nothing = Settings::from_variables(|_| Ok(None)).unwrap();
    assert_eq!(Settings::from_variables(|_| Ok(Some(String::new()))).unwrap(), nothing);
    for SettingRow { name, default, .. } in settings::rows() {
        assert_eq!(with(name, &default).unwrap(), nothing, "{name}={default}");
    }
    assert_eq!((nothing.ingest, nothing.packing), (Ingest::Shut, Policy::default()));
}

#[test]
fn an_invalid_value_is_refused_by_name_and_not_repeated() {
    // Texts that no setting of a kind allows. Numbers are recognised by the text of the table.
    for SettingRow { name, allowed, secret, .. } in settings::rows() {
        let mut wrong =
            vec!["a-secret".to_owned(), "a secret!".to_owned(), "a-token-of-24-characters,a-secret".to_owned()];
        if let Some(range) = allowed.strip_prefix("a number from ") {
            let (least, most) = range.split_once(" to ").unwrap();
            let (least, most): (u64, u64) = (least.parse().unwrap(), most.parse().unwrap());
            wrong.extend([
                (most + 1).to_string(),
                format!("+{most}"),
                "-1".to_owned(),
                "1e3".to_owned(),
                " 1".to_owned(),
            ]);
            wrong.extend(least.checked_sub(1).map(|below| below.to_string()));
            for edge in [least, most] {
                assert!(with(name, &edge.to_string()).is_ok(), "{name}={edge}");
            }
        }
        // This is a valid name of a bucket.
        for text in wrong.iter().filter(|text| name != "bucket" || text.contains([' ', ','])) {
            let error = with(name, text).expect_err(name);
            assert_eq!(error.name, name);
            assert!(error.to_string().starts_with(&format!("the setting {name} is ")), "{error}");
            assert!(!secret || !error.to_string().contains("a-secret"), "{error}");
        }
    }
    let unreadable =
        Settings::from_variables(|name| if name == "bucket" { Err("locked".to_owned()) } else { Ok(None) });
    assert_eq!(unreadable.unwrap_err().to_string(), "the setting bucket cannot be read: locked");
}

#[test]
fn spin_toml_passes_every_setting_to_the_component() {
    let (mut variables, mut handed) = (String::new(), String::new());
    for SettingRow { name, default, secret, .. } in settings::rows() {
        let secret = if secret { ", secret = true" } else { "" };
        writeln!(variables, "{name} = {{ default = \"{default}\"{secret} }}").unwrap();
        writeln!(handed, "{name} = \"{{{{ {name} }}}}\"").unwrap();
    }
    assert_generated(&file("spin.toml"), "variables", &variables);
    assert_generated(&file("spin.toml"), "component variables", &handed);
}

#[test]
fn the_settings_page_matches_the_table() {
    let mut page = String::new();
    for SettingRow { name, default, allowed, secret, about } in settings::rows() {
        let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        let secret = if secret { " Secret." } else { "" };
        writeln!(page, "\n### `{name}`\n\n- Default: {default}.{secret}\n- Allowed: {allowed}.\n").unwrap();
        for line in about.lines() {
            writeln!(page, "{}", line.strip_prefix(' ').unwrap_or(line)).unwrap();
        }
    }
    page.push('\n');
    assert!(page.lines().all(|line| line.chars().count() <= 120), "{page}");
    assert_generated(&file("docs/operate/settings.md"), "settings", &page);
}
