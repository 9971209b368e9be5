//! What is served as it is becomes smaller at build time, since all of it is a part of the component.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::{env, io};

use flate2::Compression;
use flate2::write::GzEncoder;

const SERVED: [&str; 2] = ["page.html", "openapi.yaml"];

fn main() -> io::Result<()> {
    let to = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    for name in SERVED {
        let from = Path::new("src/service").join(name);
        println!("cargo::rerun-if-changed={}", from.display());
        let mut gzip = GzEncoder::new(File::create(to.join(name).with_added_extension("gz"))?, Compression::best());
        io::copy(&mut File::open(from)?, &mut gzip)?;
        gzip.finish()?;
    }
    Ok(())
}
