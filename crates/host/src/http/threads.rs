//! The threads that serve connections, one per processor. A connection stays on its thread.
//!
//! With a work-stealing scheduler, threads wake each other for most events and find nothing to do: for a single client,
//! that was more than half of all calls to the kernel. So each thread has its own scheduler. A guest that computes for
//! long yields regularly, and work that is known to take long runs on other threads.

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

/// How long blocking work of a thread can take once the thread must end.
const LAST_WORK: Duration = Duration::from_secs(3);

/// The threads end when this is dropped.
pub struct Threads(Vec<Thread>);

struct Thread {
    runtime: Handle,
    /// Each connection of the thread holds a clone.
    connections: Arc<()>,
    #[expect(dead_code, reason = "held, not read")]
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Threads {
    pub fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (0..processors).map(|_| Thread::start()).collect::<Result<_, _>>().map(Self)
    }

    /// Serves a connection on the thread with the fewest connections.
    pub fn serve<S>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) -> S + Send + 'static) -> io::Result<()>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        // A socket is registered with one thread: register it with the other.
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

    /// Ends the threads with their connections and waits for them, but not for a thread that is blocked by its disk.
    pub async fn end(self) {
        let threads: Vec<_> = self.0.into_iter().map(|Thread { ended, .. }| ended).collect();
        // An error means that the thread panicked, so it has ended too.
        let all = spawn_blocking(move || threads.into_iter().for_each(|thread| _ = thread.join()));
        let _ = timeout(LAST_WORK + Duration::from_secs(1), all).await;
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (started, starts) = mpsc::channel();
        // The scheduler is made on the thread: dropping one here, if the thread cannot start, would block this runtime.
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

/// Between two steps of a computing guest, tasks from other threads are polled each time, sockets every second time.
fn scheduler() -> io::Result<Runtime> {
    Builder::new_current_thread().global_queue_interval(1).event_interval(2).enable_all().build()
}

/// Keeps a timer pending that is due before any other. A new timer wakes the thread that waits for sockets, unless an
/// earlier one is pending; and every request starts a few timers, all longer than this one.
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
    async fn connections_are_distributed_evenly_and_end_with_their_threads() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let threads = Threads::start().unwrap();
        let (report, mut reports) = unbounded_channel();
        let mut clients = Vec::new();
        for _ in 0..threads.0.len() * 3 {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let report = report.clone();
            let serve = async move |stream: TcpStream| {
                report.send(thread::current().id()).unwrap();
                pending::<()>().await;
                drop(stream);
            };
            threads.serve(stream, serve).unwrap();
        }
        let mut counts = HashMap::new();
        for _ in &clients {
            *counts.entry(reports.recv().await.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), threads.0.len());
        assert!(counts.values().all(|&connections| connections == 3), "{counts:?}");
        threads.end().await;
        for mut client in clients {
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
