//! Drives Chromium through its own driver.

use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::recipient::{Recipient, root};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// A browser that is closed when it is dropped.
pub(super) struct Browser {
    driver: Child,
    pub(super) client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(super) async fn open(width: u32) -> Self {
        Self::with(json!({}), &[&format!("--window-size={width},1100")]).await
    }

    /// A phone is 390 points wide.
    pub(super) async fn phone() -> Self {
        Self::with(json!({"mobileEmulation": {"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2.0}}}), &[])
            .await
    }

    pub(super) async fn dark() -> Self {
        Self::with(json!({}), &["--window-size=1200,1100", "--blink-settings=preferredColorScheme=0"]).await
    }

    /// `options` are for Chromium's driver, `arguments` for Chromium itself.
    pub(super) async fn with(mut options: Value, arguments: &[&str]) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing; `cargo xtask test` installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("started successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let directory = format!("--user-data-dir={}", profile.path().display());
        let always = [
            "--headless=new",
            // The sandbox does not work in containers.
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en-GB",
            &directory,
        ];
        options["args"] = json!([always.as_slice(), arguments].concat());
        let capabilities = json!({"goog:chromeOptions": options});
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{}", port.unwrap()))
            .await
            .unwrap();
        Self { driver, client, _profile: profile }
    }

    pub(super) async fn close(self) {
        self.client.clone().close().await.unwrap();
    }

    pub(super) async fn find(&self, css: &str) -> Element {
        self.client.wait().at_most(Duration::from_secs(60)).for_element(Locator::Css(css)).await.unwrap()
    }

    pub(super) async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    pub(super) async fn text(&self) -> String {
        self.find("body").await.text().await.unwrap()
    }

    pub(super) async fn says(&self, words: &str) {
        until(words, async || self.text().await.contains(words)).await;
    }

    /// Opens the page and types the token, with nothing but the keyboard.
    pub(super) async fn enter(&self, recipient: &Recipient, token: &str) {
        self.client.goto(&format!("http://{}/", recipient.address)).await.unwrap();
        self.find("#token").await;
        let focused = self.client.active_element().await.unwrap();
        focused.send_keys(&format!("{token}{}", char::from(Key::Enter))).await.unwrap();
    }

    /// Opens the page as [`Self::enter`] does, and goes on to the list of sessions.
    pub(super) async fn enter_list(&self, recipient: &Recipient, token: &str) {
        self.enter(recipient, token).await;
        self.find("#views a[href='#/sessions']").await.click().await.unwrap();
        self.find("[name=state]").await;
    }

    /// Shows what a fragment of the URL names, such as `#/sessions?q=Ann`.
    pub(super) async fn show(&self, hash: &str) {
        self.client.execute("location.hash = arguments[0]", vec![json!(hash)]).await.unwrap();
    }

    /// The rules of axe-core that the page breaks, and where.
    pub(super) async fn faults(&self) -> Vec<String> {
        self.client.execute(&axe(), vec![]).await.unwrap();
        let run = "axe.run().then(arguments[0], arguments[0])";
        let found = self.client.execute_async(run, vec![]).await.unwrap();
        assert!(found["passes"].as_array().is_some_and(|passed| passed.len() > 10), "axe-core did not run: {found}");
        let broken = found["violations"].as_array().unwrap().iter();
        broken.map(|rule| format!("{}: {}", rule["id"], rule["nodes"])).collect()
    }

    pub(super) async fn is_wider_than_its_window(&self) -> bool {
        let wide = "return document.documentElement.scrollWidth > innerWidth";
        self.client.execute(wide, vec![]).await.unwrap() == json!(true)
    }

    /// How many buttons of cards are on screen.
    pub(super) async fn visible_buttons(&self) -> u64 {
        let count = "const buttons = [...document.querySelectorAll('section button')];
            return buttons.filter((button) => button.checkVisibility()).length";
        self.client.execute(count, vec![]).await.unwrap().as_u64().unwrap()
    }

    pub(super) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    pub(super) async fn choose(&self, name: &str, value: &str) {
        let field = self.find(&format!("[name={name}]")).await;
        let script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'));";
        let field = serde_json::to_value(field).unwrap();
        self.client.execute(script, vec![field, json!(value)]).await.unwrap();
    }
}

/// The source of axe-core, which `cargo xtask test` installs.
fn axe() -> String {
    let library = root().join("target/python/lib");
    let pythons = std::fs::read_dir(library).expect("axe-core is missing; `cargo xtask test` installs it");
    let mut files = pythons.map(|python| python.unwrap().path().join("site-packages/axe_playwright_python/axe.min.js"));
    std::fs::read_to_string(files.find(|file| file.is_file()).unwrap()).unwrap()
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

pub(super) async fn until<F: Future<Output = bool>>(what: &str, happened: impl Fn() -> F) {
    let started = Instant::now();
    while !happened().await {
        assert!(started.elapsed() < Duration::from_secs(60), "timed out waiting until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
