//! Makes what the component serves smaller than its sources: all of it is a part of the component.
//!
//! | made | of |
//! |---|---|
//! | `page.html.gz` | `src/service/page/`: the style and the scripts, put into the page |
//! | `openapi.yaml.gz` | `src/service/openapi.yaml` |

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, io};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The page's scripts, in the order in which they run.
const SCRIPTS: [&str; 6] = ["base.js", "list.js", "session.js", "set_aside.js", "destinations.js", "start.js"];

fn main() -> io::Result<()> {
    let service = Path::new("src/service");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", service.join("page").display());
    println!("cargo::rerun-if-changed={}", service.join("openapi.yaml").display());
    write("page.html.gz", page(&service.join("page"))?.as_bytes())?;
    write("openapi.yaml.gz", &fs::read(service.join("openapi.yaml"))?)
}

fn write(name: &str, bytes: &[u8]) -> io::Result<()> {
    let to = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let mut gzip = GzEncoder::new(File::create(to.join(name))?, Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish().map(drop)
}

/// One file: what a browser has to ask for beside it could be another version's.
fn page(folder: &Path) -> io::Result<String> {
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let scripts = SCRIPTS.iter().map(|name| read(name)).collect::<io::Result<String>>()?;
    let page = read("page.html")?.replacen("<style>\n", &format!("<style>\n{}", read("page.css")?), 1);
    Ok(page.replacen("<script>\n", &format!("<script>\n{scripts}"), 1))
}
