//! Settings that nest as deep as they may: an instance's stack is large enough for them.

use http_body_util::{BodyExt as _, Full};
use outbound_events_host::guest::{Guest, Limits};
use outbound_events_host::store::KeyValueStore;
use serde_json::{Value, json};

use crate::support::{TOKEN, component, numbered};

/// Expressions with the most operators and brackets that are allowed.
fn deepest_expressions() -> Vec<(&'static str, String)> {
    let of = |text: &str| text.repeat(200);
    vec![
        ("signs", of("-") + "1"),
        ("negations", of("not ") + "1"),
        ("a sum", "1".to_owned() + &of(" + 1")),
        ("a joined text", "site".to_owned() + &of(" ~ site")),
        ("powers", "1".to_owned() + &"**1".repeat(100)),
        ("attributes", "event".to_owned() + &of(".data")),
        ("filters", "site".to_owned() + &of("|upper")),
        ("alternatives", "1".to_owned() + &" if site else 1".repeat(100)),
        ("ands", "site".to_owned() + &of(" and site")),
        ("comparisons", "1".to_owned() + &" in [1]".repeat(100)),
        ("brackets", "(".repeat(30) + "1" + &")".repeat(30)),
        ("lists", "[".repeat(30) + "1" + &"]".repeat(30)),
        ("a value of lists, as text", "[".repeat(30) + "1" + &"]".repeat(30) + "|string|tojson"),
        ("maps", "{'a':".repeat(30) + "1" + &"}".repeat(30)),
        ("indexes", "event".to_owned() + &"[event".repeat(30) + &"]".repeat(30)),
        ("calls of filters", "1".to_owned() + &"|default(1".repeat(30) + &")".repeat(30)),
        ("signs in brackets", "-(-".repeat(30) + "1" + &")".repeat(30)),
    ]
}

fn nested(start: &str, times: usize, inner: &str, end: &str) -> String {
    [&start.repeat(times), inner, &end.repeat(times)].concat()
}

fn deepest_templates() -> Vec<(&'static str, String)> {
    let mut templates: Vec<_> =
        deepest_expressions().into_iter().map(|(what, deep)| (what, ["{{ ", &deep, " }}"].concat())).collect();
    let brackets = ["{{ ", &nested("-----(", 30, "1", ")"), " }}"].concat();
    templates.extend([
        ("conditions", nested("{% if 1 %}", 145, "x", "{% endif %}")),
        ("scopes", nested("{% with x = 1 %}", 145, "x", "{% endwith %}")),
        ("filtered blocks", nested("{% filter upper %}", 145, "x", "{% endfilter %}")),
        ("captured blocks", nested("{% set x %}", 145, "x", "{% endset %}")),
        ("loops", nested("{% for x in [1] %}", 145, "x", "{% endfor %}")),
        ("signs in conditions", nested("{% if 1 %}", 143, &["{{ ", &"-".repeat(200), "1 }}"].concat(), "{% endif %}")),
        ("brackets in conditions", nested("{% if 1 %}", 86, &brackets, "{% endif %}")),
        ("brackets in loops", nested("{% for x in [1] %}", 86, &brackets, "{% endfor %}")),
        (
            "a list in a list, again and again",
            "{% set x = [x] %}".repeat(300) + "{{ x|tojson|length }}{{ x|string|length }}{{ x == x }}{{ x|join }}",
        ),
    ]);
    templates
}

struct WithoutSocket(Guest);

impl WithoutSocket {
    fn new(destinations: &Value) -> Self {
        let settings = [
            ("ingest_open", "true".to_owned()),
            ("read_tokens", TOKEN.to_owned()),
            ("tick_token", TOKEN.to_owned()),
            ("destinations", destinations.to_string()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
        let component = std::fs::read(component()).unwrap();
        Self(Guest::new(&component, KeyValueStore::memory(), settings, Limits::default()).unwrap())
    }

    /// The status and the body of an answer. An error if the component traps.
    async fn answer(&self, method: &str, path: &str, body: String) -> Result<(u16, String), String> {
        let request = http::Request::builder().method(method).uri(path).header("host", "x");
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
        let response = self.0.handle(request.body(body).unwrap()).await.map_err(|failure| failure.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((status, String::from_utf8(body.to_vec()).unwrap()))
    }
}

/// `-` 4,000 times used up the stack, and a template of 20,000 operators that of the whole host.
#[tokio::test]
async fn settings_that_nest_as_deep_as_they_may_need_no_more_than_the_stack() {
    let url = "http://127.0.0.1:9/";
    let templates = deepest_templates().into_iter().map(|(what, body)| {
        let template = json!({ "body": body, "content_type": "text/plain" });
        (what, json!({ "name": "deep", "url": url, "private": true, "format": "template", "template": template }))
    });
    let conditions = deepest_expressions()
        .into_iter()
        .map(|(what, when)| (what, json!({ "name": "deep", "url": url, "private": true, "when": when })));
    for (what, destination) in templates.chain(conditions) {
        let recipient = WithoutSocket::new(&json!([destination]));
        assert_eq!(recipient.answer("POST", "/", numbered(1)).await.map(|answer| answer.0), Ok(200), "{what}");
        assert_eq!(recipient.answer("GET", "/health", String::new()).await.map(|answer| answer.0), Ok(200), "{what}");
        let tick = recipient.answer("GET", "/tick", String::new()).await;
        assert_eq!(tick.as_ref().map(|answer| answer.0), Ok(200), "{what}: {tick:?}");
        let (_, state) = recipient.answer("GET", "/api/destinations", String::new()).await.unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        let state = &state["destinations"][0];
        // A condition that does not hold leaves nothing to send; all else was rendered, and nobody listens.
        let tried = state["last_error"].as_str().is_some_and(|error| error.contains("connection-refused"));
        assert!(tried || (state["pending"] == 0 && state["refused"] == 0), "{what}: {state}");
    }
}
