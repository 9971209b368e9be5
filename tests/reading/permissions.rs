//! Each request requires its token.

use super::harness::{READ, SETTINGS, filled};
use crate::support::{TOKEN, call, post};

#[test]
fn without_a_read_token_nothing_is_shown() {
    let store = filled();
    let all = ["/api/sessions", "/api/sessions/hq/one", "/api/events", "/api/set-aside", "/api/stats"];
    for uri in all {
        let bodies: Vec<_> = [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer wrong"),
            Some("Basic eDp5"),
            Some(&format!("Bearer {TOKEN}")),
        ]
        .into_iter()
        .map(|authorization| {
            let request = call("GET", uri);
            let request = authorization.map_or(call("GET", uri), |value| request.header("authorization", value));
            let reply = request.answer(&store, SETTINGS);
            assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{uri} {authorization:?}");
            reply.body
        })
        .collect();
        // The answer is the same for all wrong tokens.
        assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
        // A token in a URL would stay in histories and logs.
        assert_eq!(
            call("GET", &format!("{uri}?token={READ}&outbound_event_token={READ}")).answer(&store, SETTINGS).status,
            401
        );
        let closed = call("GET", uri).answer(&store, &[("ingest_open", "true")]);
        assert_eq!(closed.status, 503);
        assert!(closed.body.contains("set read_tokens"), "{}", closed.body);
        let other = call("GET", uri).header("authorization", "Bearer another-read-token").answer(&store, SETTINGS);
        assert_eq!(other.status, 200, "{uri}");
    }
    // A read token deletes nothing, an admin token reads nothing, and neither can send events.
    let store = filled();
    let bearer = |method: &str, uri: &str, token: &str, settings: &[(&str, &str)]| {
        call(method, uri).header("authorization", format!("Bearer {token}")).answer(&store, settings)
    };
    let id = "0".repeat(32);
    for (method, uri) in [
        ("DELETE", "/api/sessions/hq/one".to_owned()),
        ("DELETE", "/api/events?before=2026-01-01".to_owned()),
        ("DELETE", format!("/api/set-aside/{id}")),
        ("POST", format!("/api/set-aside/{id}/retry")),
        ("POST", "/api/pack".to_owned()),
    ] {
        let before = store.values.borrow().clone();
        let status = |token: &str, settings| bearer(method, &uri, token, settings).status;
        assert_eq!([status("another-read-token", SETTINGS), status("wrong", SETTINGS)], [403, 401], "{method} {uri}");
        let closed = &SETTINGS[..2];
        assert_eq!([status("another-read-token", closed), status("wrong", closed)], [403, 503], "{method} {uri}");
        assert_eq!(*store.values.borrow(), before);
        assert!([200, 404].contains(&status("an-admin-token-of-characters", SETTINGS)), "{method} {uri}");
    }
    assert_eq!(bearer("GET", "/api/stats", "an-admin-token-of-characters", SETTINGS).status, 401);
    let stats = bearer("GET", "/api/stats", "another-read-token", SETTINGS).body;
    assert!(stats.contains("\"admin\":false"), "{stats}");

    assert_eq!(
        post("/events").header("authorization", format!("Bearer {READ}")).body("x").answer(&store, SETTINGS).status,
        401
    );
}
