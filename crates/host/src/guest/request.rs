//! The life of a request: a place, a fresh instance, its answer, and the next instance made when this one is gone.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use outbound_events::service;
use tokio::runtime::Handle;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use crate::guest::answer::Answer;
use crate::guest::component::Guest;
use crate::guest::error::GuestError;
use crate::guest::offer::Turn;
use crate::guest::pool::{Instance, Pool};
use crate::guest::state::{State, used};
use crate::guest::tick_state;
use crate::measure::AtWork;

/// An instance that a request has taken. Its place is free only once it is gone: so they are dropped in this order.
struct InUse {
    store: Store<State>,
    #[expect(dead_code, reason = "held, not read")]
    permit: OwnedSemaphorePermit,
    whose: Whose,
    #[expect(dead_code, reason = "held, not read")]
    at_work: AtWork,
}

impl InUse {
    /// Whether it was an event's, or an unauthenticated client's, and no list of very many keys was made in it.
    fn is_an_events(&self) -> bool {
        matches!(self.whose, Whose::Events) && matches!(self.store.data().offer.turn, Turn::Waits(_))
    }
}

/// Whose request an instance is at.
enum Whose {
    /// An appliance's, or an unauthenticated client's.
    Events,
    /// A reader's or an administrator's, of whom few have a place.
    Readers(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit),
    /// Nobody's: what is due is done.
    Ticks,
}

impl Guest {
    /// Answers a request with an instance that no other request sees. `request` has a `Host` header or an authority in its
    /// URI.
    ///
    /// The instance may go on for a while after its response is there. Few readers have one at a time, and they compute on threads of
    /// their own: to list very many keys takes long, and events do not wait for it.
    pub async fn handle(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, GuestError> {
        let turn = Turn::Waits(Arc::clone(&self.long_lists));
        let path = request.uri().path();
        if !service::is_for_readers(path) {
            let whose = if path == tick_state::PATH { Whose::Ticks } else { Whose::Events };
            return self.answer(request, whose, turn).await;
        }
        let place = free(&self.readers, self.limits.wait).await.ok_or(GuestError::Readers)?;
        let (mut sender, answer) = oneshot::channel();
        let guest = self.clone();
        beside(async move {
            tokio::select! {
                answer = guest.answer(request, Whose::Readers(place), turn) => {
                    let _ = sender.send(answer);
                }
                // Nobody waits for it any more.
                () = sender.closed() => {}
            }
        });
        answer.await.unwrap_or(Err(GuestError::Silent))
    }

    /// Has the component do what is due. It may do so for as long as a destination hangs: nobody waits for that to list very many keys.
    pub(crate) async fn tick(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, GuestError> {
        self.answer(request, Whose::Ticks, Turn::Nobodys).await
    }

    async fn answer(
        &self,
        request: Request<WasiBody>,
        whose: Whose,
        turn: Turn,
    ) -> Result<Response<WasiBody>, GuestError> {
        let permit = free(&self.instances, self.limits.wait).await.ok_or(GuestError::Busy)?;
        let Instance { mut store, proxy } = self.pool.take().await?;
        store.data_mut().offer.turn = turn;
        let mut in_use = InUse { store, permit, whose, at_work: AtWork::new(&self.work) };
        let (sender, mut response) = oneshot::channel();
        let mut http = in_use.store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request).map_err(GuestError::Request)?;
        let out = http.new_response_outparam(sender).map_err(GuestError::Trap)?;
        let time = self.limits.time;
        let mut run: Run = Box::pin(async move {
            let call = proxy.wasi_http_incoming_handler().call_handle(&mut in_use.store, request, out);
            let ended = timeout(time, call).await;
            (Ended(ended), in_use)
        });
        // The guest runs in the connection's own task: no other thread is woken on the way of a small answer. Nobody but the guest
        // gives its response: to look for it when it has run is enough, and to be woken for it would be to run again for nothing.
        let ran = poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => match response.try_recv() {
                Err(TryRecvError::Empty) => Poll::Pending,
                early => Poll::Ready(Err(early)),
            },
        });
        let (ended, in_use) = match ran.await {
            Ok(ended) => ended,
            // The guest is not done: it gives the response's body, or goes on after it.
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
        let used = used(&in_use.store);
        self.renew_beside(in_use);
        let Ok(response) = response else { return Err(ended.failure().unwrap_or(GuestError::Silent)) };
        let mut response = response.map_err(GuestError::Error)?;
        if let Some(used) = used {
            response.extensions_mut().insert(used);
        }
        Ok(response)
    }

    /// Takes a response's body from a guest that is not done with it, so that it waits for no client. What goes wrong once all of the
    /// body is there does not take it back.
    async fn take(&self, response: Response<WasiBody>, mut run: Run) -> Result<Response<WasiBody>, GuestError> {
        let (head, body) = response.into_parts();
        let mut answer = Answer::new(body, &self.room);
        tokio::select! {
            biased;
            taken = answer.take() => {
                if let Err(error) = taken {
                    let (ended, _) = run.await;
                    return Err(ended.failure().unwrap_or(GuestError::BrokenOff(error)));
                }
                let (guest, is_whole) = (self.clone(), answer.is_whole());
                beside(async move {
                    tokio::select! {
                        (ended, in_use) = run => {
                            ended.note(is_whole);
                            renew(&guest.pool, in_use).await;
                        }
                        () = guest.ticks.cut.notified() => {}
                    }
                });
            }
            (ended, in_use) = &mut run => {
                if ended.is_failure() {
                    // Once the instance is gone, a body that it did not end seems to have ended.
                    tokio::select! {
                        biased;
                        _ = answer.take() => {}
                        () = ready(()) => {}
                    }
                    if !answer.is_whole() {
                        self.renew_beside(in_use);
                        return Err(ended.failure().unwrap_or(GuestError::Silent));
                    }
                }
                self.renew_beside(in_use);
                answer.take().await.map_err(GuestError::BrokenOff)?;
                ended.note(answer.is_whole());
            }
        }
        Ok(Response::from_parts(head, answer.boxed_unsync()))
    }

    /// Lets an instance go, and makes one for a request to come. Not on the way of a request: to make an instance and to clear what
    /// this one leaves take as long as its work. What a reader or a tick has used may be large: that takes a thread of its own.
    fn renew_beside(&self, in_use: InUse) {
        let (pool, is_an_events) = (self.pool.clone(), in_use.is_an_events());
        let renew = async move { renew(&pool, in_use).await };
        if is_an_events {
            tokio::spawn(renew);
        } else {
            beside(renew);
        }
    }
}

async fn renew(pool: &Pool, in_use: InUse) {
    drop(in_use);
    pool.make_ahead().await;
}

/// A place, if one is free in time.
async fn free(places: &Arc<Semaphore>, time: Duration) -> Option<OwnedSemaphorePermit> {
    timeout(time, Arc::clone(places).acquire_owned()).await.ok()?.ok()
}

/// Has `work` done on a thread of its own, beside those that take events.
fn beside(work: impl Future<Output = ()> + Send + 'static) {
    spawn_blocking(move || Handle::current().block_on(work));
}

/// A guest under way.
type Run = Pin<Box<dyn Future<Output = (Ended, InUse)> + Send>>;

/// How a guest ended: by itself, by a trap, or because its time was over.
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

    /// Logs what went wrong after the response, of which the guest had given all, or not.
    fn note(&self, is_whole: bool) {
        match &self.0 {
            Ok(Ok(())) => {}
            Ok(Err(trap)) => tracing::error!("the component failed after its response: {trap:#}"),
            Err(_) if is_whole => tracing::error!("the component took too long after its response"),
            // Where there was no room for its answer, it could not go on before its client did.
            Err(_) => tracing::warn!(
                "an answer was cut off: clients that read slowly have left no room to keep it for its own"
            ),
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

    use super::{AtWork, Ended, Guest, GuestError, InUse, Turn, Whose, free};
    use crate::guest::limits::Limits;
    use crate::store::KeyValueStore;

    /// One that nobody calls.
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
        let permit = free(&guest.instances, guest.limits.wait).await.unwrap();
        let mut store = guest.pool.instance_store();
        store.data_mut().offer.turn = Turn::Waits(Arc::clone(&guest.long_lists));
        InUse { store, permit, whose: Whose::Events, at_work: AtWork::new(&guest.work) }
    }

    /// A body of which this is there. Whether it goes on, nobody knows; or that is all.
    fn body(there: &'static str, ended: bool) -> WasiBody {
        let frames = iter([Ok(Frame::data(Bytes::from(there)))]);
        if ended {
            StreamBody::new(frames).boxed_unsync()
        } else {
            StreamBody::new(frames.chain(pending())).boxed_unsync()
        }
    }

    /// It was a 200 of half a page, which breaks off, or seems to be all of it.
    #[tokio::test]
    async fn a_component_that_fails_before_its_response_is_whole_has_failed_and_after_that_it_has_answered() {
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
        // Their places are free once they are gone.
        let all = Arc::clone(&guest.instances).acquire_many_owned(guest.limits.instances).await;
        assert!(all.is_ok());
    }

    fn idle() -> Guest {
        let component = wat::parse_str(IDLE).unwrap();
        Guest::new(&component, KeyValueStore::memory(), [].into(), Limits::default()).unwrap()
    }

    /// What it wrote may be as much as an instance can have. And the lists of others wait until it is gone.
    #[tokio::test]
    async fn what_a_reader_or_a_tick_leaves_or_who_made_a_long_list_is_cleared_on_a_thread_of_its_own() {
        let guest = idle();
        let reader = Arc::clone(&guest.readers).acquire_owned().await.unwrap();
        let turn = Arc::clone(&guest.long_lists).acquire_owned().await.unwrap();
        type Become = Box<dyn FnOnce(&mut InUse)>;
        let which: [Become; 3] = [
            Box::new(|in_use| in_use.whose = Whose::Readers(reader)),
            Box::new(|in_use| in_use.whose = Whose::Ticks),
            Box::new(|in_use| in_use.store.data_mut().offer.turn = Turn::Its(turn)),
        ];
        assert!(in_use(&guest).await.is_an_events());
        for make in which {
            let mut in_use = in_use(&guest).await;
            make(&mut in_use);
            assert!(!in_use.is_an_events());
            guest.renew_beside(in_use);
        }
        let (readers, turn) = (guest.readers.acquire_many(guest.limits.readers), guest.long_lists.acquire());
        assert!(readers.await.is_ok() && turn.await.is_ok());
    }

    #[tokio::test]
    async fn when_an_instance_is_gone_its_place_is_free_and_the_next_one_is_made() {
        let guest = idle();
        assert_eq!(guest.pool.ready(), 0);
        guest.renew_beside(in_use(&guest).await);
        // The one task that waits here.
        yield_now().await;
        assert_eq!((guest.pool.ready(), guest.instances().in_use), (1, 0));
    }
}
