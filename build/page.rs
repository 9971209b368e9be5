//! Makes the web page of `src/page/`: one document, since a second request could be answered by another version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::modules::{Fault, join_modules};

/// The module that needs all others.
const FIRST: &str = "app.js";

/// Where the styles are.
const STYLES_FOLDER: &str = "styles";

/// The styles in the order in which they are joined: of equal rules the last one counts.
const STYLES: [&str; 7] =
    ["base.css", "layout.css", "forms.css", "lists.css", "overview.css", "session.css", "media.css"];

/// The document, and the content security policy that it is served with.
pub struct Page {
    pub document: String,
    pub policy: String,
}

impl Page {
    /// An error says which file is wrong, and where.
    pub fn from_folder(folder: &Path) -> Result<Self, String> {
        let mut modules = BTreeMap::new();
        let failed = |path: &Path, error| format!("{} cannot be read: {error}", path.display());
        let within = |fault: Fault| format!("{}/{fault}", folder.display());
        let read = |path: &Path| fs::read_to_string(path).map_err(|error| failed(path, error));
        for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
            let path = entry.map_err(|error| failed(folder, error))?.path();
            if path.extension().is_some_and(|extension| extension == "js") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                modules.insert(name, read(&path)?);
            }
        }
        // The policy hashes what stands between the tags, line ends included.
        let script = format!("\n{}", join_modules(FIRST, &modules).map_err(&within)?);
        let mut style = String::from("\n");
        for name in STYLES {
            let source = read(&folder.join(STYLES_FOLDER).join(name))?;
            style.push_str(&short_style(name, &source).map_err(&within)?);
        }
        check_styles(&folder.join(STYLES_FOLDER))?;
        let document = read(&folder.join("index.html"))?;
        let document = insert(&document, "<style>", &style).map_err(&within)?;
        let document = insert(&document, "<script type=\"module\">", &script).map_err(&within)?;
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            hash(&script),
            hash(&style)
        );
        Ok(Self { document, policy })
    }
}

/// A style that is not in the list would be left out.
fn check_styles(folder: &Path) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names.find(|name| !STYLES.contains(&name.as_str())) {
        Some(name) => Err(format!("{}/{name}: add it to STYLES in build/page.rs", folder.display())),
        None => Ok(()),
    }
}

/// A style without comments, empty lines and indentation.
fn short_style(name: &str, style: &str) -> Result<String, Fault> {
    let mut short = String::new();
    for (number, line) in (1..).zip(style.lines().map(str::trim)).filter(|(_, line)| !line.is_empty()) {
        match (line.starts_with("/*"), line.ends_with("*/"), line.contains("</style")) {
            (true, true, _) => {}
            (false, false, false) => {
                short.push_str(line);
                short.push('\n');
            }
            _ => return Err(Fault::new(name, number, "a comment must be one line of its own")),
        }
    }
    Ok(short)
}

/// Puts `text` behind the one `tag` of the document, in place of the line end there.
fn insert(document: &str, tag: &str, text: &str) -> Result<String, Fault> {
    match document.split_once(&format!("{tag}\n")) {
        Some((before, after)) if !after.contains(tag) => Ok([before, tag, text, after].concat()),
        _ => Err(Fault::new("index.html", 1, format!("{tag} must be there once, at the end of a line"))),
    }
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
