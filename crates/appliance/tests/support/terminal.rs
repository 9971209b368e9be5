//! `appliance run` on a terminal: a real one of the kernel's, and what would stand on its screen.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::recipient::root;

/// As wide as many are, and as high as it takes to hold all that a test writes.
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
const ROWS: NonZeroU16 = NonZeroU16::new(2000).unwrap();

/// An appliance on a terminal of its own. Both end when it is dropped.
pub struct Terminal {
    child: Child,
    written: PathBuf,
}

impl Terminal {
    /// With these settings, in a folder that holds its queues.
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

    /// What is on the screen now.
    pub fn lines(&self) -> Vec<String> {
        let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
        screen.process(&std::fs::read(&self.written).unwrap());
        let rows = screen.screen().rows(0, COLUMNS.get()).map(|row| row.trim_end().to_owned());
        rows.filter(|row| !row.is_empty()).collect()
    }

    /// Stops the appliance as an administrator does, and waits until all is written.
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
