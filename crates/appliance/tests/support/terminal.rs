//! `appliance run` on a pseudo-terminal, and the content of its screen.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::recipient::root;

/// A usual width, and enough rows for all output of a test.
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
const ROWS: NonZeroU16 = NonZeroU16::new(2000).unwrap();

/// An appliance on a terminal of its own. Dropping it ends both.
pub struct Terminal {
    child: Child,
    written: PathBuf,
}

impl Terminal {
    /// Starts it with these settings, in a folder that keeps its queues.
    pub fn start(folder: &Path, config: &str) -> Self {
        let (settings, written) = (folder.join("appliance.toml"), folder.join("terminal"));
        std::fs::write(&settings, config).unwrap();
        std::fs::write(&written, "").unwrap();
        let python = root().join("target/python/bin/python");
        assert!(python.is_file(), "{} is not there; `cargo xtask test` installs it", python.display());
        let child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/terminal.py"))
            .arg(&written)
            .args([COLUMNS.to_string(), ROWS.to_string()])
            .args([env!("CARGO_BIN_EXE_appliance"), "run", "--config"])
            .arg(settings)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, written }
    }

    /// The rows of the screen that are not empty.
    pub fn lines(&self) -> Vec<String> {
        let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
        screen.process(&std::fs::read(&self.written).unwrap());
        let rows = screen.screen().rows(0, COLUMNS.get()).map(|row| row.trim_end().to_owned());
        rows.filter(|row| !row.is_empty()).collect()
    }

    /// Stops the appliance with SIGTERM, and waits for the end of its output.
    pub fn stop(&mut self) {
        let stopped = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(stopped.unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        }
        let _ = self.child.wait();
    }
}
