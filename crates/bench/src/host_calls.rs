//! The calls of a component to its host, by name. The bindings of all interfaces trace them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

/// How often each function was called, such as `key-value [method]store.set`. Dropping a handle is a call, too, but is
/// not traced.
pub type HostCalls = BTreeMap<String, u64>;

/// The name that the bindings give to their spans.
const IMPORT: &str = "wit-bindgen import";

/// Counts calls on this thread, until it is dropped.
pub struct CallCounter {
    calls: Arc<Mutex<HostCalls>>,
    #[expect(dead_code, reason = "held, not read")]
    guard: tracing::subscriber::DefaultGuard,
}

impl CallCounter {
    /// Counts from now on.
    pub fn start() -> Self {
        let calls = Arc::default();
        let layer = ImportLayer(Arc::clone(&calls));
        let subscriber = Registry::default().with(layer);
        Self { calls, guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The calls since the last time.
    pub fn take(&self) -> HostCalls {
        std::mem::take(&mut self.calls.lock())
    }
}

struct ImportLayer(Arc<Mutex<HostCalls>>);

impl<S: tracing::Subscriber> Layer<S> for ImportLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == IMPORT {
            let mut import = ImportFields::default();
            attributes.record(&mut import);
            *self.0.lock().entry(format!("{} {}", import.module, import.function)).or_default() += 1;
        }
    }
}

/// The fields of a span.
#[derive(Default)]
struct ImportFields {
    module: String,
    function: String,
}

impl Visit for ImportFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "module" => value.clone_into(&mut self.module),
            "function" => value.clone_into(&mut self.function),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
