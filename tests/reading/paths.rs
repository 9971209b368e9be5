//! The page, the description of the API, and the names of paths.

use crate::support::{Memory, call};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outbound_events::service::route_name;
use sha2::{Digest, Sha256};

#[test]
fn the_page_runs_its_own_script_and_nothing_else() {
    let reply = call("GET", "/").answer(&Memory::default(), &[]);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = reply.header("content-security-policy");
    for (element, tag, source) in
        [("script", "<script type=\"module\">", "script-src"), ("style", "<style>", "style-src")]
    {
        let (_, rest) = reply.body.split_once(tag).unwrap();
        let (inside, _) = rest.split_once(&format!("</{element}>")).unwrap();
        let hash = STANDARD.encode(Sha256::digest(inside));
        assert!(policy.contains(&format!("{source} 'sha256-{hash}';")), "{policy}");
        // The policy allows one element of each kind, and the page has no other.
        assert_eq!(reply.body.matches(&format!("<{element}")).count(), 1);
    }
    assert!(policy.starts_with("default-src 'none';") && policy.contains("connect-src 'self'"), "{policy}");
    for outside in ["https://", "http://", "innerHTML", "style=", " onclick="] {
        let allowed = usize::from(outside == "http://");
        assert_eq!(reply.body.matches(outside).count(), allowed, "{outside}");
    }
}

/// The paths that the description names.
fn described() -> Vec<String> {
    let reply = call("GET", "/openapi.yaml").answer(&Memory::default(), &[]);
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/yaml"));
    let paths = reply.body.lines().filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':'));
    paths.map(|path| format!("/{path}")).collect()
}

#[test]
fn the_description_names_every_path() {
    let described = described();
    for path in [
        "/events",
        "/events/{site}",
        "/health",
        "/api/sessions",
        "/api/sessions/{site}/{lsid}",
        "/api/events",
        "/api/events/{id}",
        "/api/set-aside",
        "/api/set-aside/{id}",
        "/api/set-aside/{id}/retry",
        "/api/stats",
        "/api/pack",
    ] {
        assert!(described.contains(&path.to_owned()), "{path}");
    }
}

#[test]
fn route_names_match_the_description() {
    let id = "2f05d53ae1bf5e405e85fc15be441e99";
    let described = described();
    assert!(described.len() > 20, "{described:?}");
    for name in described {
        let path =
            name.replace("{site}", "hq").replace("{lsid}", "a%40b").replace("{name}", "desk").replace("{id}", id);
        let expected = if name == "/events" { "/events/{site}" } else { &name };
        assert_eq!(route_name(&path).map(|(name, _)| name), Some(expected), "{path}");
    }
    for path in
        ["/nowhere", "/events//", "/events/a b", "/events/hq/x", "/api", "/api/events/x", "/api/destinations/desk", "*"]
    {
        assert_eq!(route_name(path), None, "{path}");
    }
}

#[test]
fn only_ingest_paths_have_a_site() {
    for (path, site) in
        [("/", "default"), ("/events/", "default"), ("/events/hq/", "hq"), ("/api/sessions/hq/x", ""), ("/tick", "")]
    {
        let (_, named) = route_name(path).unwrap();
        assert_eq!(named.as_ref().map_or("", |site| site.as_str()), site, "{path}");
    }
}
