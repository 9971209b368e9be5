//! The setting `destinations`: valid and invalid values, and that its secrets are never shown.

use outbound_events::forward::destination::{DeliveryMode, Destination};
use outbound_events::settings::Settings;
use serde_json::{Value, json};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";

fn faults(all: &Value) -> Vec<String> {
    match Destination::read_all(&all.to_string()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn valid_destinations_are_accepted() {
    let cases = [
        json!([]),
        json!([{ "name": "a", "url": "https://example.com" }]),
        json!([{ "name": "a-1", "url": "https://example.com:8443/x?y=z", "format": "cloudevents", "secret": SECRET }]),
        json!([{ "name": "a", "url": "https://example.com/x", "secret": [SECRET, SECRET], "private": true }]),
        json!([{ "name": "a", "url": "http://127.0.0.1:4000/in" }, { "name": "b", "url": "http://[::1]/in" }]),
        json!([{ "name": "a", "url": "http://localhost:4000/events/hq?outbound_event_token=x", "format": "form" }]),
        json!([{ "name": "a", "url": "https://hooks.slack.com/services/x", "format": "template", "template": "slack" }]),
        json!([{ "name": "a", "url": "https://x.atlassian.net/rest/api/3/issue/{{ event.data.external_key }}/comment",
                 "format": "template", "template": "jira", "external_key": "present" }]),
        json!([{ "name": "a", "url": "https://example.com/x", "format": "template",
                 "template": { "method": "PUT", "content_type": "text/plain", "body": "{{ title }}" } }]),
        json!([{ "name": "a", "format": "pull", "secret": SECRET }]),
        json!([{ "name": "a", "url": "https://example.com", "headers": { "Authorization": "Basic eA==" },
                 "events": ["support_conference_end", "some_new_event"], "sites": ["hq"], "external_key": "INC",
                 "from": "2026-01-01T00:00:00Z" }]),
        json!([{ "name": "a", "url": "https://example.com", "format": "otlp", "batch": {},
                 "auth": { "basic": { "username": "jürgen", "password": "p:w" } },
                 "when": "event.data.variables[\"session.custom.department\"] == \"IT\"" }]),
        json!([{ "name": "a", "url": "https://example.com", "format": "splunk-hec",
                 "splunk_hec": { "index": "i", "sourcetype": "s", "host": "h" },
                 "batch": { "max_events": 1000, "max_bytes": 1000000, "max_wait_seconds": 0 } }]),
        json!([{ "name": "a", "url": "https://example.com", "format": "ndjson", "auth": { "bearer": "abc" },
                 "batch": { "max_events": 1, "max_bytes": 1000, "max_wait_seconds": 5 } }]),
        json!([{ "name": "a", "url": "https://example.com", "format": "template", "template": "sentinel", "batch": {},
                 "auth": { "oauth2": { "token_url": "https://login.example/t?v=2", "client_id": "a", "client_secret": "b",
                 "scope": "c", "audience": "d", "credentials_in": "header" } } }]),
        json!([{ "name": "a", "url": "https://example.com", "format": "template", "batch": {},
                 "template": { "body": "{{ events }}", "takes": "events" } }]),
        json!([{ "name": "a", "format": "pull", "secret": SECRET, "when": "session.state == \"ended\"" }]),
    ];
    for case in cases {
        assert_eq!(faults(&case), Vec::<String>::new(), "{case}");
    }
    assert_eq!(Destination::read_all("").unwrap(), []);
}

#[test]
fn every_fault_is_reported_with_its_place() {
    let with = |field: &str, value: Value| {
        let mut one = json!({ "name": "a", "url": "https://example.com" });
        one[field] = value;
        json!([one])
    };
    let template = |body: &str| json!([{ "name": "a", "url": "https://example.com", "format": "template", "template": { "body": body } }]);
    let cases = [
        (json!({}), "destinations is not an array"),
        (json!([1]), "destinations[0] is not an object"),
        (json!([{ "url": "https://example.com" }]), "destinations[0].name is missing"),
        (json!([{ "name": "a" }]), "destinations[0].url is missing"),
        (with("name", json!("A b")), "destinations[0].name is not 1 to 32"),
        (with("url", json!("http://example.com")), "destinations[0].url is not an https"),
        (with("url", json!("http://10.0.0.1/")), "destinations[0].url is not an https"),
        (with("url", json!("ftp://example.com")), "destinations[0].url is not an https"),
        (with("url", json!("https://")), "destinations[0].url is not an https"),
        (with("url", json!("https://user:pass@example.com/")), "destinations[0].url has a user"),
        (with("url", json!("https://example.com/#x")), "destinations[0].url has a fragment"),
        (with("url", json!("https://example.com/a b")), "destinations[0].url has a path"),
        (with("url", json!(1)), "destinations[0].url is not a string"),
        (with("format", json!("xml")), "destinations[0].format is not one of"),
        (with("template", json!("slack")), "destinations[0].template is only for the format template"),
        (with("secret", json!("whsec_short")), "destinations[0].secret[0] is not whsec_"),
        (with("secret", json!([SECRET, "x"])), "destinations[0].secret[1] is not whsec_"),
        (with("headers", json!("x")), "destinations[0].headers is not an object"),
        (with("headers", json!({ "Host": "x" })), "destinations[0].headers.Host is set by the request"),
        (with("headers", json!({ "Webhook-Id": "x" })), "destinations[0].headers.Webhook-Id is set by"),
        (with("headers", json!({ "a b": "x" })), "destinations[0].headers.a b is not a valid header name"),
        (with("headers", json!({ "a": "x\ny" })), "destinations[0].headers.a is not a valid header value"),
        (with("headers", json!({ "X-A": "x", "x-a": "y" })), "destinations[0].headers.x-a is given twice"),
        (with("events", json!([])), "destinations[0].events is not a list"),
        (with("events", json!(["support_conference_end", "A"])), "destinations[0].events[1] is not 1 to 64"),
        (with("sites", json!(["a.b"])), "destinations[0].sites[0] is not 1 to 32"),
        (with("external_key", json!("")), "destinations[0].external_key is empty"),
        (with("from", json!("yesterday")), "destinations[0].from is not a time"),
        (with("private", json!("yes")), "destinations[0].private is not true or false"),
        (with("urll", json!("x")), "destinations[0].urll is not a field"),
        (with("when", json!("")), "destinations[0].when is empty"),
        (with("when", json!(true)), "destinations[0].when is not a string"),
        (with("when", json!("event.data ==")), "destinations[0].when fails (line 1): unexpected end"),
        (with("when", json!("a b")), "destinations[0].when fails (line 1): unexpected input after expression"),
        (with("when", json!("x".repeat(5_000))), "destinations[0].when is longer than 4,000 bytes"),
        (
            with("when", json!("-".repeat(201) + "1")),
            "destinations[0].when has 201 operators in one expression; at most 200",
        ),
        (with("when", json!(vec!["1"; 202].join("~"))), "destinations[0].when has 201 operators"),
        (with("when", json!("(".repeat(31) + "1")), "destinations[0].when has 31 brackets in each other; at most 30"),
        (with("batch", json!(true)), "destinations[0].batch is not an object"),
        (with("batch", json!({ "max_event": 1 })), "destinations[0].batch.max_event is not a field"),
        (with("batch", json!({ "max_events": 0 })), "destinations[0].batch.max_events is not a number from 1 to 1000"),
        (with("batch", json!({ "max_events": 1001 })), "destinations[0].batch.max_events is not a number"),
        (with("batch", json!({ "max_bytes": 1_000_001 })), "destinations[0].batch.max_bytes is not a number from 1000"),
        (
            with("batch", json!({ "max_wait_seconds": 6 })),
            "destinations[0].batch.max_wait_seconds is not a number from 0",
        ),
        (with("batch", json!({ "max_wait_seconds": -1 })), "destinations[0].batch.max_wait_seconds is not a number"),
        (with("splunk_hec", json!({})), "destinations[0].splunk_hec is only for the format splunk-hec"),
        (with("auth", json!("x")), "destinations[0].auth is not an object with one of basic, bearer and oauth2"),
        (with("auth", json!({})), "destinations[0].auth is not an object with one of"),
        (with("auth", json!({ "basic": {}, "bearer": "x" })), "destinations[0].auth is not an object with one of"),
        (with("auth", json!({ "digest": {} })), "destinations[0].auth is not an object with one of"),
        (with("auth", json!({ "basic": "x" })), "destinations[0].auth.basic is not an object"),
        (
            with("auth", json!({ "basic": { "username": "a:b", "password": "c" } })),
            "destinations[0].auth.basic.username has a colon",
        ),
        (with("auth", json!({ "basic": { "username": "a" } })), "destinations[0].auth.basic.password is missing"),
        (
            with("auth", json!({ "basic": { "username": "a", "password": "c", "realm": "d" } })),
            "destinations[0].auth.basic.realm is not a field",
        ),
        (with("auth", json!({ "bearer": "a b" })), "destinations[0].auth.bearer is not a token"),
        (with("auth", json!({ "bearer": "" })), "destinations[0].auth.bearer is not a token"),
        (with("auth", json!({ "oauth2": {} })), "destinations[0].auth.oauth2.token_url is missing"),
        (
            with(
                "auth",
                json!({ "oauth2": { "token_url": "http://login.example/", "client_id": "a", "client_secret": "b" } }),
            ),
            "destinations[0].auth.oauth2.token_url is not an https",
        ),
        (
            with("auth", json!({ "oauth2": { "token_url": "https://login.example/", "client_id": "a" } })),
            "destinations[0].auth.oauth2.client_secret is missing",
        ),
        (
            with(
                "auth",
                json!({ "oauth2": { "token_url": "https://login.example/", "client_id": "a", "client_secret": "b",
         "credentials_in": "query" } }),
            ),
            "destinations[0].auth.oauth2.credentials_in is not body or header",
        ),
        (
            with(
                "auth",
                json!({ "oauth2": { "token_url": "https://login.example/", "client_id": "a", "client_secret": "b",
         "scopes": "c" } }),
            ),
            "destinations[0].auth.oauth2.scopes is not a field",
        ),
        (
            json!([{ "name": "a", "url": "https://example.com", "auth": { "bearer": "x" },
                     "headers": { "Authorization": "Bearer y" } }]),
            "destinations[0].auth and headers.Authorization are both given",
        ),
        (
            json!([{ "name": "a", "url": "https://example.com", "format": "form", "batch": {} }]),
            "destinations[0].batch is not for the format form",
        ),
        (
            json!([{ "name": "a", "url": "https://example.com", "format": "template", "template": "slack", "batch": {} }]),
            "destinations[0].batch is only for a template that has \"takes\": \"events\"",
        ),
        (
            json!([{ "name": "a", "url": "https://example.com", "format": "template",
                     "template": { "body": "{}", "takes": "all" } }]),
            "destinations[0].template.takes is not event or events",
        ),
        (
            json!([{ "name": "a", "url": "https://example.com", "format": "splunk-hec", "splunk_hec": { "index": "" } }]),
            "destinations[0].splunk_hec.index is not 1 to 256",
        ),
        (
            json!([{ "name": "a", "format": "pull", "secret": SECRET, "batch": {} }]),
            "destinations[0].batch is not for the format pull",
        ),
        (template("{{ unclosed"), "destinations[0].template.body fails"),
        (
            json!([{ "name": "a", "url": "https://example.com", "format": "template" }]),
            "destinations[0].template is missing",
        ),
        (
            json!([{ "name": "a", "url": "https://example.com", "format": "template", "template": "x" }]),
            "destinations[0].template is not a ready template",
        ),
        (json!([{ "name": "a", "format": "pull" }]), "destinations[0].secret is missing"),
        (
            json!([{ "name": "a", "format": "pull", "secret": SECRET, "url": "https://example.com" }]),
            "destinations[0].url is not for the format pull",
        ),
    ];
    for (case, fault) in cases {
        let found = faults(&case);
        assert!(found.iter().any(|found| found.starts_with(fault)), "{case}: {found:?}");
    }
    let two =
        json!([{ "name": "a", "url": "https://example.com" }, { "name": "a", "url": "http://example.com", "x": 1 }]);
    assert_eq!(faults(&two).len(), 2, "all faults at once, and an invalid URL does not hide a second one: {two}");
    assert!(Destination::read_all("[{\"secret\": \"whsec_").unwrap_err()[0].to_string().contains("line 1"));
}

#[test]
fn a_header_that_the_platform_forbids_is_refused() {
    // The list of wasmtime-wasi-http, which Spin and our host use: sending would fail for every event.
    let forbidden = [
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "proxy-connection",
        "Transfer-Encoding",
        "UPGRADE",
        "Host",
        "HTTP2-Settings",
    ];
    for name in forbidden.into_iter().chain(["Content-Length", "Content-Type", "TE", "Trailer", "Expect", "Webhook-Id"])
    {
        let found = faults(&json!([{ "name": "a", "url": "https://x.example", "headers": { name: "timeout=5" } }]));
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("destinations[0].headers.{name} ")),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn a_url_must_have_a_valid_host_and_port() {
    const PORT: &str = "has a port that is not 1 to 65535";
    const HOST: &str = "has a host that is not valid";
    const RULE: &str = "is not an https URL or an http URL of a loopback address";
    let (long, label) = ("x".repeat(10_000), "x".repeat(63));
    let cases = [
        ("https://desk.example:84430/in", PORT),
        ("https://desk.example:44e3", PORT),
        ("http://127.0.0.1:99999/in", PORT),
        ("https://x.example:65536", PORT),
        ("https://x.example:0/", PORT),
        ("https://x.example:/", PORT),
        ("https://x.example:+443/", PORT),
        ("https://x.example:-1/", PORT),
        ("https://x.example: 443/", PORT),
        ("https://x.example:443 /", PORT),
        ("https://x.example:000443/", PORT),
        ("https://x.example:443:443/", PORT),
        ("https://x.example:\u{664}\u{664}\u{663}/", PORT),
        ("https://[::1]:99999/", PORT),
        ("https://[::1]:/", PORT),
        ("https://[::1]443/", PORT),
        ("https://[::1/", PORT),
        ("https://::1/", PORT),
        ("https://[fe80::1%25eth0]/", HOST),
        ("https://[::1%1]/", HOST),
        ("https://[v1.x]/", HOST),
        ("https://[]/", HOST),
        ("https://x]/", HOST),
        ("https://.../", HOST),
        ("https://./", HOST),
        ("https://x..example/", HOST),
        ("https://.x.example/", HOST),
        ("https://x.example../", HOST),
        ("https://a%62c.example/", HOST),
        ("https://x example/", HOST),
        (" https://x.example/", RULE),
        ("https://b\u{fc}ro.example/", HOST),
        ("https://x.example\\@y.example/", "has a user"),
        ("https://x.example\\y/", HOST),
        ("https://x,y.example/", HOST),
        ("https://2130706433/", HOST),
        ("https://0x7f.1/", HOST),
        ("https://0x7f000001/", HOST),
        ("https://127.1/", HOST),
        ("https://0177.0.0.1/", HOST),
        ("https://256.0.0.1/", HOST),
        ("https://127.0.0.1./", HOST),
        ("https://x.0x/", HOST),
        ("http://localhost.:80/", RULE),
        ("http://localhost.example/", RULE),
        ("http://127.0.0.1.example/", RULE),
        ("http://[::ffff:127.0.0.1]/", RULE),
        ("http://0.0.0.0/", RULE),
        ("https:///x", RULE),
        ("https://:443/", RULE),
        ("https:/x.example/", RULE),
        ("//x.example/", RULE),
        ("https://user@x.example/", "has a user"),
        ("https://@x.example/", "has a user"),
        (&format!("https://x.example/{long}"), "is longer than 8,000 bytes"),
        (&format!("https://{label}x.example/"), HOST),
        (&format!("https://{}/", [label.as_str(); 4].join(".")), HOST),
    ];
    for (url, fault) in cases {
        for format in ["cloudevents", "form"] {
            let found = faults(&json!([{ "name": "a", "url": url, "format": format }]));
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("destinations[0].url {fault}")),
                "{url}: {found:?}"
            );
        }
    }
    let long = format!("https://x.example/{}", "x".repeat(7_000));
    let longest_name = format!("https://{label}.{label}.{label}.example:65535");
    let valid = [
        ("https://desk.example:8443/in", "https://desk.example:8443"),
        ("HTTPS://Desk.Example:1/In", "https://desk.example:1"),
        ("https://x.example:00443/", "https://x.example:00443"),
        ("https://x.example?a=b:99999@c", "https://x.example"),
        ("https://x.example/a:99999/@b", "https://x.example"),
        ("https://x_y-z.example/", "https://x_y-z.example"),
        ("https://xn--bro-hoa.example/", "https://xn--bro-hoa.example"),
        ("https://desk.svc.cluster.local.:8443/", "https://desk.svc.cluster.local.:8443"),
        ("https://desk/", "https://desk"),
        ("https://1.x1/", "https://1.x1"),
        ("https://203.0.113.7:8443/", "https://203.0.113.7:8443"),
        ("https://[2001:DB8::7]:8443/x", "https://[2001:db8::7]:8443"),
        ("https://[::ffff:203.0.113.7]/", "https://[::ffff:203.0.113.7]"),
        ("http://[::1]:4000/in", "http://[::1]:4000"),
        ("http://127.8.9.10/", "http://127.8.9.10"),
        ("HTTP://LOCALHOST:4000", "http://localhost:4000"),
        (long.as_str(), "https://x.example"),
        (longest_name.as_str(), longest_name.as_str()),
    ];
    for (url, origin) in valid {
        let read = Destination::read_all(&json!([{ "name": "a", "url": url }]).to_string());
        assert_eq!(read.unwrap()[0].origin(), Some(origin), "{url}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let all = json!([
        { "name": "a", "url": "https://example.com/services/T0/XYZZY?token=XYZZY", "secret": SECRET, "headers": { "x": "XYZZY" } },
        { "name": "b", "format": "pull", "secret": SECRET },
        { "name": "d", "url": "https://example.com", "auth": { "basic": { "username": "a", "password": "XYZZY" } } },
        { "name": "e", "url": "https://example.com", "auth": { "bearer": "XYZZY" } },
        { "name": "f", "url": "https://example.com", "auth": { "oauth2": { "token_url": "https://login.example/XYZZY",
            "client_id": "a", "client_secret": "XYZZY" } } },
    ]);
    let settings =
        |text: String| Settings::from_variables(move |name| Ok((name == "destinations").then(|| text.clone())));
    let shown = format!("{:?}", settings(all.to_string()).unwrap());
    assert!(shown.contains("https://example.com/…"), "{shown}");
    let broken = [
        json!([{ "name": "a", "url": "http://example.com/XYZZY", "secret": "whsec_XYZZY", "headers": { "host": "XYZZY" } }]).to_string(),
        json!([{ "name": "a", "url": "https://example.com/XYZZY XYZZY", "external_key": 1 }]).to_string(),
        json!([{ "name": "a", "url": "https://example.com", "auth": { "basic": { "username": "XYZZY:", "password": "XYZZY\n" } } }]).to_string(),
        json!([{ "name": "a", "url": "https://example.com", "auth": { "bearer": "XYZZY XYZZY" } }]).to_string(),
        json!([{ "name": "a", "url": "https://example.com", "auth": { "oauth2": { "token_url": "http://login.example/XYZZY",
            "client_id": "a", "client_secret": "XYZZY\n" } } }]).to_string(),
        "[{\"secret\": \"XYZZY\"".to_owned(),
        "\"XYZZY\"".to_owned(),
    ];
    let errors: String = broken.into_iter().map(|text| settings(text).unwrap_err().to_string()).collect();
    for text in [&shown, &errors] {
        assert!(!text.contains("XYZZY") && !text.contains(SECRET), "{text}");
    }
}

#[test]
fn a_destination_that_pulls_accepts_only_its_own_secrets() {
    let all = json!([{ "name": "b", "format": "pull", "secret": [SECRET] }]);
    let all = Destination::read_all(&all.to_string()).unwrap();
    assert_eq!(all[0].mode, DeliveryMode::Pull);
    assert!(all[0].secrets.contain(SECRET));
    assert!(!all[0].secrets.contain("whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1v") && !all[0].secrets.contain(""));
}
