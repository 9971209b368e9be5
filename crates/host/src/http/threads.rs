//! Threads that connections are dealt out to, one for each processor. A connection stays where it is.
//!
//! Where threads share what is to be done, each wakes another for most of what happens, and it finds nothing: for one sender alone
//! that was more than half of all calls to the kernel. So each has its own. A guest that computes for long lets others run again and
//! again, and what is known to take long has other threads.

use std::future::Future;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// How long what still blocks on one may take once it is to end.
const LAST_WORK: Duration = Duration::from_secs(3);

/// Ended by being dropped.
pub struct Threads(Vec<Thread>);

struct Thread {
    runtime: Handle,
    /// Held by each connection that it has.
    connections: Arc<()>,
    #[expect(dead_code, reason = "held, not read")]
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Threads {
    /// Starts them.
    pub fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (0..processors).map(|_| Thread::start()).collect::<Result<_, _>>().map(Self)
    }

    /// Has a connection served by the one that has the fewest.
    pub fn give<S>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) -> S + Send + 'static) -> io::Result<()>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        // One thread's sockets are not another's.
        let stream = stream.into_std()?;
        let alive = self.0.iter().filter(|thread| !thread.ended.is_finished());
        let thread = alive.min_by_key(|thread| Arc::strong_count(&thread.connections));
        let thread = thread.ok_or_else(|| io::Error::other("all threads have ended"))?;
        let counted = Arc::clone(&thread.connections);
        thread.runtime.spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::error!("a connection was not accepted: {error}"),
            }
            drop(counted);
        });
        Ok(())
    }

    /// Ends them, with the connections that are left, and waits until they have ended, but not for one that hangs with its disk.
    pub async fn end(self) {
        let threads: Vec<_> = self.0.into_iter().map(|Thread { ended, .. }| ended).collect();
        // One that panicked has ended too.
        let all = spawn_blocking(move || threads.into_iter().for_each(|thread| _ = thread.join()));
        let _ = timeout(LAST_WORK + Duration::from_secs(1), all).await;
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (started, starts) = mpsc::channel();
        // The scheduler is made there: if there can be no thread, none is let go here, where it could not wait for its own.
        let serve = move || match scheduler() {
            Ok(runtime) => {
                let _ = started.send(Ok(runtime.handle().clone()));
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = keep_a_timer() => {}
                    }
                });
                runtime.shutdown_timeout(LAST_WORK);
            }
            Err(error) => _ = started.send(Err(error)),
        };
        let ended = thread::Builder::new().name("connections".to_owned()).spawn(serve)?;
        let runtime = starts.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, connections: Arc::default(), stop, ended })
    }
}

/// Between any two steps of one that computes, what other threads have sent is taken up, and each second time what sockets have.
fn scheduler() -> io::Result<Runtime> {
    Builder::new_current_thread().global_queue_interval(1).event_interval(2).enable_all().build()
}

/// A limit of time that begins wakes who waits for sockets, unless another timer is due before it is over. Every request has a few
/// such limits, all of them longer than this.
async fn keep_a_timer() {
    loop {
        sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::future::pending;
    use std::thread;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc::unbounded_channel;

    use super::Threads;

    #[tokio::test]
    async fn connections_are_dealt_out_evenly_and_end_with_their_threads() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let threads = Threads::start().unwrap();
        let (told, mut tells) = unbounded_channel();
        let mut clients = Vec::new();
        for _ in 0..threads.0.len() * 3 {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let told = told.clone();
            let serve = async move |stream: TcpStream| {
                told.send(thread::current().id()).unwrap();
                pending::<()>().await;
                drop(stream);
            };
            threads.give(stream, serve).unwrap();
        }
        let mut of_each = HashMap::new();
        for _ in &clients {
            *of_each.entry(tells.recv().await.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(of_each.len(), threads.0.len());
        assert!(of_each.values().all(|&connections| connections == 3), "{of_each:?}");
        threads.end().await;
        for mut client in clients {
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
