//! The life of a request: a permit, an instance, its answer, and what becomes of the instance: it serves again, or the
//! next one is made after it is dropped.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use outbound_events::service;
use tokio::runtime::Handle;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use crate::guest::answer::AnswerBody;
use crate::guest::component::Guest;
use crate::guest::error::GuestError;
use crate::guest::offer::ListTurn;
use crate::guest::pool::{Instance, InstancePool};
use crate::guest::state::used;
use crate::guest::tick_state;
use crate::measure::AtWork;

/// An instance in use by a request. The fields are dropped in this order: the permit is free only after the instance is
/// gone.
struct InUse {
    instance: Instance,
    #[expect(dead_code, reason = "held, not read")]
    permit: OwnedSemaphorePermit,
    instance_use: InstanceUse,
    #[expect(dead_code, reason = "held, not read")]
    at_work: AtWork,
}

impl InUse {
    /// Whether it served no reader and no tick, and listed no large number of keys, so that clearing it is quick.
    fn is_quick_to_clear(&self) -> bool {
        matches!(self.instance_use, InstanceUse::Events | InstanceUse::Public)
            && matches!(self.instance.store.data().offer.turn, ListTurn::Waiting(_))
    }
}

/// The kind of request that an instance serves.
enum InstanceUse {
    /// A POST of an appliance or an unauthenticated client. An answer of 200 to it is that of an event.
    Events,
    /// The page, the description of the API, the health check.
    Public,
    /// A request of a reader or an administrator. The number of these is limited.
    Readers(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit),
    /// A tick.
    Ticks,
}

impl Guest {
    /// Answers a request. `request` has a `Host` header or an authority in its URI.
    ///
    /// A fresh instance serves it, unless it is one for events and instances are reused ([`Limits::reuse_instances`]).
    ///
    /// The instance can go on after its response. Requests of readers are limited in number and run on separate
    /// threads, so that events do not wait for long lists of keys.
    pub async fn handle(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, GuestError> {
        let turn = ListTurn::Waiting(Arc::clone(&self.long_lists));
        let path = request.uri().path();
        if !service::is_for_readers(path) {
            let instance_use = match request.method() {
                _ if tick_state::is_tick(path) => InstanceUse::Ticks,
                &Method::POST => InstanceUse::Events,
                _ => InstanceUse::Public,
            };
            return self.answer(request, instance_use, turn).await;
        }
        let permit = acquire(&self.readers, self.limits.wait).await.ok_or(GuestError::Readers)?;
        let (mut sender, answer) = oneshot::channel();
        let guest = self.clone();
        spawn_on_own_thread(async move {
            tokio::select! {
                answer = guest.answer(request, InstanceUse::Readers(permit), turn) => {
                    let _ = sender.send(answer);
                }
                // The client is gone.
                () = sender.closed() => {}
            }
        });
        answer.await.unwrap_or(Err(GuestError::Silent))
    }

    /// Runs a tick. It can take as long as a destination hangs, so requests that list keys do not wait for it.
    pub(crate) async fn tick(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, GuestError> {
        self.answer(request, InstanceUse::Ticks, ListTurn::Exempt).await
    }

    async fn answer(
        &self,
        request: Request<WasiBody>,
        instance_use: InstanceUse,
        turn: ListTurn,
    ) -> Result<Response<WasiBody>, GuestError> {
        let permit = acquire(&self.instances, self.limits.wait).await.ok_or(GuestError::Busy)?;
        let reusable = matches!(instance_use, InstanceUse::Events).then(|| self.pool.take_reusable()).flatten();
        let mut instance = match reusable {
            Some(instance) => instance,
            None => self.pool.take().await?,
        };
        instance.store.data_mut().offer.turn = turn;
        let mut in_use = InUse { instance, permit, instance_use, at_work: AtWork::new(&self.durations) };
        let (sender, mut response) = oneshot::channel();
        let mut http = in_use.instance.store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request).map_err(GuestError::Request)?;
        let out = http.new_response_outparam(sender).map_err(GuestError::Trap)?;
        let time = self.limits.time;
        let mut run: GuestRun = Box::pin(async move {
            let Instance { proxy, store, .. } = &mut in_use.instance;
            let call = proxy.wasi_http_incoming_handler().call_handle(store, request, out);
            let ended = timeout(time, call).await;
            (Ended(ended), in_use)
        });
        // The guest runs in the task of the connection, so that a small answer wakes no other thread. Only the guest
        // sends its response: checking for it after each run is enough, and a wake-up for it would poll once more for
        // nothing.
        let ran = poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => match response.try_recv() {
                Err(TryRecvError::Empty) => Poll::Pending,
                early => Poll::Ready(Err(early)),
            },
        });
        let (ended, in_use) = match ran.await {
            Ok(ended) => ended,
            // The guest still runs: it writes the body of the response, or works after it.
            Err(response) => {
                let response = response.map_err(|_| GuestError::Silent)?.map_err(GuestError::Error)?;
                return self.take(response, run).await;
            }
        };
        let response = response.try_recv();
        if ended.is_failure()
            && let Ok(response) = response
        {
            return self.take(response.map_err(GuestError::Error)?, Box::pin(ready((ended, in_use)))).await;
        }
        let used = used(&in_use.instance.store);
        let is_ok = matches!(&response, Ok(Ok(response)) if response.status() == StatusCode::OK);
        self.reuse_or_renew(in_use, is_ok && !ended.is_failure());
        let Ok(response) = response else { return Err(ended.failure().unwrap_or(GuestError::Silent)) };
        let mut response = response.map_err(GuestError::Error)?;
        if let Some(used) = used {
            response.extensions_mut().insert(used);
        }
        Ok(response)
    }

    /// Buffers the body of a response from a guest that still runs, so that the guest waits for no client. A failure
    /// after the end of the body does not revoke the response.
    async fn take(&self, response: Response<WasiBody>, mut run: GuestRun) -> Result<Response<WasiBody>, GuestError> {
        let (head, body) = response.into_parts();
        let is_ok = head.status == StatusCode::OK;
        let mut answer = AnswerBody::new(body, &self.room);
        tokio::select! {
            biased;
            taken = answer.take() => {
                if let Err(error) = taken {
                    let (ended, _) = run.await;
                    return Err(ended.failure().unwrap_or(GuestError::BrokenOff(error)));
                }
                let (guest, is_whole) = (self.clone(), answer.is_whole());
                spawn_on_own_thread(async move {
                    tokio::select! {
                        (ended, in_use) = run => {
                            ended.note(is_whole);
                            if let Err(in_use) = guest.reuse(in_use, is_ok && !ended.is_failure()) {
                                renew(&guest.pool, in_use).await;
                            }
                        }
                        () = guest.ticks.cut.notified() => {}
                    }
                });
            }
            (ended, in_use) = &mut run => {
                if ended.is_failure() {
                    // After the instance is dropped, an incomplete body looks complete.
                    tokio::select! {
                        biased;
                        _ = answer.take() => {}
                        () = ready(()) => {}
                    }
                    if !answer.is_whole() {
                        self.renew_later(in_use);
                        return Err(ended.failure().unwrap_or(GuestError::Silent));
                    }
                }
                self.reuse_or_renew(in_use, is_ok && !ended.is_failure());
                answer.take().await.map_err(GuestError::BrokenOff)?;
                ended.note(answer.is_whole());
            }
        }
        Ok(Response::from_parts(head, answer.boxed_unsync()))
    }

    /// Keeps an instance for another event if it can serve one, and replaces it otherwise. `succeeded`: it ended by
    /// itself, and its request was answered 200.
    fn reuse_or_renew(&self, in_use: InUse, succeeded: bool) {
        if let Err(in_use) = self.reuse(in_use, succeeded) {
            self.renew_later(in_use);
        }
    }

    fn reuse(&self, in_use: InUse, succeeded: bool) -> Result<(), InUse> {
        if !succeeded || !matches!(in_use.instance_use, InstanceUse::Events) || !in_use.is_quick_to_clear() {
            return Err(in_use);
        }
        // The permit is dropped after the instance is kept.
        self.pool.keep(in_use.instance).map_err(|instance| InUse { instance, ..in_use })
    }

    /// Drops an instance and makes one for a future request, outside the path of this one: clearing an instance and
    /// making one take as long as serving an event. The memory of a reader or a tick can be large, so it is cleared on
    /// another thread.
    fn renew_later(&self, in_use: InUse) {
        let (pool, is_quick) = (self.pool.clone(), in_use.is_quick_to_clear());
        let renew = async move { renew(&pool, in_use).await };
        if is_quick {
            tokio::spawn(renew);
        } else {
            spawn_on_own_thread(renew);
        }
    }
}

async fn renew(pool: &InstancePool, in_use: InUse) {
    drop(in_use);
    pool.make_ahead().await;
}

/// A permit. `None` if none is free within `time`.
async fn acquire(permits: &Arc<Semaphore>, time: Duration) -> Option<OwnedSemaphorePermit> {
    timeout(time, Arc::clone(permits).acquire_owned()).await.ok()?.ok()
}

/// Runs `work` on its own thread, apart from those that serve events.
fn spawn_on_own_thread(work: impl Future<Output = ()> + Send + 'static) {
    spawn_blocking(move || Handle::current().block_on(work));
}

/// A running guest.
type GuestRun = Pin<Box<dyn Future<Output = (Ended, InUse)> + Send>>;

/// How a guest ended: by itself, by a trap, or by its time limit.
struct Ended(Result<wasmtime::Result<()>, Elapsed>);

impl Ended {
    fn is_failure(&self) -> bool {
        !matches!(self.0, Ok(Ok(())))
    }

    fn failure(self) -> Option<GuestError> {
        match self.0 {
            Ok(Ok(())) => None,
            Ok(Err(trap)) => Some(GuestError::Trap(trap)),
            Err(_) => Some(GuestError::Slow),
        }
    }

    /// Logs a failure after the response. `is_whole`: the guest had written the whole body.
    fn note(&self, is_whole: bool) {
        match &self.0 {
            Ok(Ok(())) => {}
            Ok(Err(trap)) => tracing::error!("the component failed after its response: {trap:#}"),
            Err(_) if is_whole => tracing::error!("the component took too long after its response"),
            // Without room in the buffer, the guest had to wait for its client.
            Err(_) => tracing::warn!("an answer was cut off: answers for slow clients have filled the buffer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use futures_util::stream::{iter, pending};
    use http::Response;
    use http_body_util::{BodyExt as _, StreamBody};
    use hyper::body::Frame;
    use tokio::task::yield_now;
    use wasmtime_wasi_http::WasiBody;

    use super::{AtWork, Ended, Guest, GuestError, InUse, InstanceUse, ListTurn, acquire};
    use crate::guest::limits::Limits;
    use crate::store::KeyValueStore;

    /// A component that is never called.
    const IDLE: &str = r#"(component
        (import "wasi:http/types@0.2.0" (instance $types
            (export "incoming-request" (type (sub resource)))
            (export "response-outparam" (type (sub resource)))))
        (alias export $types "incoming-request" (type $request))
        (alias export $types "response-outparam" (type $out))
        (core module $module (func (export "handle") (param i32 i32)))
        (core instance $instance (instantiate $module))
        (func $handle (param "request" (own $request)) (param "response-out" (own $out))
            (canon lift (core func $instance "handle")))
        (instance $handler (export "handle" (func $handle)))
        (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;

    async fn in_use(guest: &Guest) -> InUse {
        let permit = acquire(&guest.instances, guest.limits.wait).await.unwrap();
        let mut instance = guest.pool.make().await.unwrap();
        instance.store.data_mut().offer.turn = ListTurn::Waiting(Arc::clone(&guest.long_lists));
        InUse { instance, permit, instance_use: InstanceUse::Events, at_work: AtWork::new(&guest.durations) }
    }

    /// A body that begins with `first`, and ends after it or never.
    fn body(first: &'static str, ended: bool) -> WasiBody {
        let frames = iter([Ok(Frame::data(Bytes::from(first)))]);
        if ended {
            StreamBody::new(frames).boxed_unsync()
        } else {
            StreamBody::new(frames.chain(pending())).boxed_unsync()
        }
    }

    /// Without this rule, the client would get 200 with half a page that looks complete.
    #[tokio::test]
    async fn a_component_that_fails_before_the_end_of_its_response_has_failed() {
        let guest = idle();
        for ended in [false, true] {
            let trap = || Ended(Ok(Err(wasmtime::Error::msg("a trap"))));
            let run = Box::pin(ready((trap(), in_use(&guest).await)));
            match guest.take(Response::new(body("half", ended)), run).await {
                Ok(response) => {
                    assert!(ended);
                    assert_eq!(response.collect().await.unwrap().to_bytes(), "half");
                }
                Err(error) => assert!(!ended && matches!(error, GuestError::Trap(_)), "{error}"),
            }
        }
        // Dropped instances return their permits.
        let all = Arc::clone(&guest.instances).acquire_many_owned(guest.limits.instances).await;
        assert!(all.is_ok());
    }

    fn idle() -> Guest {
        let component = wat::parse_str(IDLE).unwrap();
        Guest::new(&component, KeyValueStore::memory(), [].into(), Limits::default()).unwrap()
    }

    /// Such an instance can have written all of its memory, and other lists wait until it is dropped.
    #[tokio::test]
    async fn instances_of_readers_ticks_and_long_lists_are_cleared_on_another_thread() {
        let guest = idle();
        let reader = Arc::clone(&guest.readers).acquire_owned().await.unwrap();
        let turn = Arc::clone(&guest.long_lists).acquire_owned().await.unwrap();
        type MakeSlow = Box<dyn FnOnce(&mut InUse)>;
        let cases: [MakeSlow; 3] = [
            Box::new(|in_use| in_use.instance_use = InstanceUse::Readers(reader)),
            Box::new(|in_use| in_use.instance_use = InstanceUse::Ticks),
            Box::new(|in_use| in_use.instance.store.data_mut().offer.turn = ListTurn::Held(turn)),
        ];
        assert!(in_use(&guest).await.is_quick_to_clear());
        for make_slow in cases {
            let mut in_use = in_use(&guest).await;
            make_slow(&mut in_use);
            assert!(!in_use.is_quick_to_clear());
            guest.renew_later(in_use);
        }
        let (readers, turn) = (guest.readers.acquire_many(guest.limits.readers), guest.long_lists.acquire());
        assert!(readers.await.is_ok() && turn.await.is_ok());
    }

    #[tokio::test]
    async fn dropping_an_instance_returns_its_permit_and_makes_the_next_one() {
        let guest = idle();
        assert_eq!(guest.pool.ready(), 0);
        guest.renew_later(in_use(&guest).await);
        // Runs the spawned task.
        yield_now().await;
        assert_eq!((guest.pool.ready(), guest.instances().in_use), (1, 0));
    }
}
