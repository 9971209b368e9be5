//! The unit, its drop-in for TLS, and the system calls that it allows.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{deploy_text, output_of};
use crate::authority::Authority;
use crate::support::{self, GUARDED, OPEN, Recipient, component, deploy, host, numbered, succeeds, to_its_end};
use crate::tls_harness::{connect, der, pair, shown, signal, wait_until};

const UNIT: &str = "systemd/outbound-events.service";
const TLS: &str = "systemd/outbound-events.service.d/tls.conf";

/// Copies the unit to a folder, with another program in place of the host, which is not installed here.
fn unit(folder: &Path, with_tls: bool) -> PathBuf {
    let install = |file: &str, path: &Path| {
        let text = deploy_text(file);
        let host = "ExecStart=/opt/outbound-events/outbound-events-host serve";
        assert!(text.contains(host), "{text}");
        fs::write(path, text.replace(host, "ExecStart=/bin/true serve")).unwrap();
    };
    let path = folder.join("outbound-events.service");
    install(UNIT, &path);
    if with_tls {
        let drop_ins = folder.join("outbound-events.service.d");
        fs::create_dir(&drop_ins).unwrap();
        install(TLS, &drop_ins.join("tls.conf"));
    }
    path
}

pub(super) fn systemd_accepts_the_unit_with_and_without_tls() {
    for with_tls in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        // It succeeds even if it ignores a line, and then prints a warning.
        let unit = unit(folder.path(), with_tls);
        let verify = output_of(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(unit));
        assert_eq!(verify, (true, String::new()), "TLS: {with_tls}");
    }
}

pub(super) fn the_unit_limits_the_exposure_of_the_service() {
    for (with_tls, threshold) in [(false, "--threshold=15"), (true, "--threshold=20")] {
        let folder = tempfile::tempdir().unwrap();
        let security = ["security", "--offline=yes", "--no-pager", threshold];
        let unit = unit(folder.path(), with_tls);
        let (enough, output) = output_of(Command::new("systemd-analyze").args(security).arg(unit));
        assert!(enough && output.contains("Overall exposure level"), "TLS: {with_tls}: {output}");
    }
}

/// The options of the last `ExecStart=`.
fn options(file: &str) -> BTreeSet<String> {
    let text = deploy_text(file).replace("\\\n", " ");
    let command = text.lines().filter_map(|line| line.strip_prefix("ExecStart=")).next_back().unwrap();
    command.split(" --").skip(1).map(|option| option.trim().to_owned()).collect()
}

pub(super) fn the_tls_drop_in_changes_only_the_listener() {
    let (plain, tls) = (options(UNIT), options(TLS));
    let changed: Vec<_> = plain.symmetric_difference(&tls).map(|option| option.split(' ').next().unwrap()).collect();
    assert_eq!(changed, ["listen", "listen", "tls-cert", "tls-key", "trust-forwarded"]);
}

const NOBODY: u32 = 65_534;
/// Stands for the group outbound-events-tls, which need not exist.
const TLS_GROUP: u32 = 64_999;
const LOW_PORT: &str = "127.0.7.43:443";

/// A folder for the unprivileged user, with the host and the component: theirs can be unreachable for that user.
fn installed(folder: &Path) -> PathBuf {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    let state = folder.join("state");
    for path in [&state, &folder.join("lineage"), &folder.join("tls")] {
        fs::create_dir(path).unwrap();
    }
    chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
    chown(folder.join("tls"), Some(0), Some(TLS_GROUP)).unwrap();
    fs::set_permissions(folder.join("tls"), Permissions::from_mode(0o750)).unwrap();
    fs::copy(component(), folder.join("component.wasm")).unwrap();
    let program = folder.join("host");
    fs::copy(host().get_program(), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    state
}

/// The host as the drop-in runs it: without the rights of root, and with a group that can read the key.
fn unprivileged(folder: &Path, capability: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--groups", "64999", "--no-new-privs"]);
    for set in ["--inh-caps", "--ambient-caps", "--bounding-set"] {
        command.arg(format!("{set}=-all{capability}"));
    }
    command.arg(folder.join("host")).args(["serve", "--listen", LOW_PORT, "--variable", OPEN]);
    command.arg("--component").arg(folder.join("component.wasm"));
    command.arg("--store").arg(folder.join("state/store.db"));
    command.arg("--tls-cert").arg(folder.join("tls/fullchain.pem"));
    command.arg("--tls-key").arg(folder.join("tls/privkey.pem"));
    command.env("XDG_CACHE_HOME", folder.join("state")).current_dir(folder);
    command
}

/// Runs certbot's deploy hook for a new certificate, as certbot does.
fn renew(folder: &Path, (certificate, key): &(String, String)) {
    fs::write(folder.join("lineage/fullchain.pem"), certificate).unwrap();
    fs::write(folder.join("lineage/privkey.pem"), key).unwrap();
    let mut hook = Command::new("sh");
    hook.arg(deploy("systemd/certbot-deploy-hook")).env("RENEWED_LINEAGE", folder.join("lineage"));
    hook.env("FOLDER", folder.join("tls")).env("GROUP", TLS_GROUP.to_string());
    assert!(succeeds(&mut hook));
}

pub(super) fn an_unprivileged_host_serves_port_443_and_reloads_a_renewed_certificate() {
    let folder = tempfile::tempdir().unwrap();
    installed(folder.path());
    let authority = Authority::new("own");
    let (old, new) = (pair(&authority), pair(&authority));
    renew(folder.path(), &old);
    let key = fs::metadata(folder.path().join("tls/privkey.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o640);
    let reserved = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if reserved.trim().parse::<u16>().is_ok_and(|first| first > 443) {
        let output = to_its_end(unprivileged(folder.path(), ""));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("cannot listen on 127.0.7.43:443") && error.contains("Permission denied"), "{error}");
    }
    let recipient = Recipient::start_host(&[], |_| unprivileged(folder.path(), ",+net_bind_service"));
    assert_eq!(recipient.address, LOW_PORT.parse::<SocketAddr>().unwrap());
    assert_eq!(connect(&recipient, &authority).post("/", numbered(1)).result(), "stored");
    assert_eq!(shown(&recipient, &authority), der(&old.0));
    renew(folder.path(), &new);
    // What `systemctl reload` does.
    assert!(deploy_text(TLS).contains("\nExecReload=/bin/kill -HUP $MAINPID\n"));
    signal(&recipient, "-HUP");
    wait_until("the new certificate is used", || shown(&recipient, &authority) == der(&new.0));
    assert!(!recipient.log().contains("ERROR"), "{}", recipient.log());
}

/// Traces the system calls while the host starts, stores events, refuses requests and stops.
pub(super) fn the_unit_allows_every_system_call_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let recipient = Recipient::start_host(&[GUARDED], |host| {
        let mut strace = Command::new("strace");
        strace.args(["--follow-forks", "--seccomp-bpf", "--signal=none", "--output"]).arg(&trace);
        strace.arg(host.get_program()).args(host.get_args());
        // An empty cache, so that the host compiles the component.
        strace.env("XDG_CACHE_HOME", folder.path());
        strace
    });
    for n in 0..10 {
        recipient.post("/events?outbound_event_token=a-token-of-24-characters", numbered(n));
        recipient.post("/events", numbered(n));
    }
    let strace = recipient.child.id().to_string();
    let host = support::children(&strace).pop().unwrap();
    assert!(Command::new("kill").args(["-TERM", &host]).status().unwrap().success());
    let mut recipient = recipient;
    assert!(recipient.child.wait().unwrap().success(), "{}", recipient.log());
    let trace = fs::read_to_string(trace).unwrap();
    let called: BTreeSet<_> = trace.lines().filter_map(called).collect();
    assert!(called.contains("fdatasync") && called.contains("accept4"), "{called:?}");
    let mut allowed = allowed();
    // SQLite calls it only as root, and the service is not root.
    allowed.insert("fchown".to_owned());
    let refused: Vec<_> = called.into_iter().filter(|call| !allowed.contains(*call)).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// The call of a line such as `1234 openat(AT_FDCWD, …`. `None` for a continuation such as `1234 <... futex resumed>`.
fn called(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}

/// The calls that the unit allows. Each line adds or removes groups and calls.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for filter in deploy_text(UNIT).lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let names = filter.trim_start_matches('~').split(' ').flat_map(calls_of);
        if filter.starts_with('~') {
            names.for_each(|name| _ = allowed.remove(&name));
        } else {
            allowed.extend(names);
        }
    }
    allowed
}

/// A call, or the calls of a group and its subgroups.
fn calls_of(name: &str) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return [name.to_owned()].into();
    }
    let (known, said) = output_of(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]));
    assert!(known, "{said}");
    let names = said.lines().filter_map(|line| line.strip_prefix("    ")).filter(|name| !name.starts_with('#'));
    names.flat_map(calls_of).collect()
}
