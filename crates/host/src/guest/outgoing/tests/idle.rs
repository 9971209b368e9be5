//! Connections that a server closes while they are idle, just when the next request arrives.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::*;

/// How the server closes.
#[derive(Clone, Copy, Debug)]
enum Close {
    /// The server reads nothing: the client gets a reset.
    Unread,
    /// The server reads everything and ends its side: the client gets a FIN.
    Read,
    /// The server first sends the beginning of a status line.
    MidAnswer,
}

/// Answers the first request of each connection and closes it when the next one arrives. Counts the answers.
async fn hasty(close: Close, tls: Option<TlsAcceptor>) -> (TestServer, Arc<AtomicUsize>) {
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answered);
    let server = TestServer::start(move |_, stream| {
        let (answered, tls) = (Arc::clone(&counted), tls.clone());
        async move {
            match tls {
                None => {
                    let mut stream = stream;
                    first(&mut stream, &answered).await;
                    match close {
                        Close::Unread => drop(stream.peek(&mut [0]).await),
                        Close::Read | Close::MidAnswer => second(&mut stream, close).await,
                    }
                }
                Some(tls) => {
                    let mut stream = tls.accept(stream).await.unwrap();
                    first(&mut stream, &answered).await;
                    match close {
                        Close::Unread => drop(stream.get_ref().0.peek(&mut [0]).await),
                        Close::Read | Close::MidAnswer => second(&mut stream, close).await,
                    }
                }
            }
        }
    });
    (server.await, answered)
}

async fn first(stream: &mut (impl AsyncRead + tokio::io::AsyncWrite + Unpin), answered: &AtomicUsize) {
    request(stream).await.unwrap();
    answered.fetch_add(1, Ordering::SeqCst);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
}

async fn second(stream: &mut (impl AsyncRead + tokio::io::AsyncWrite + Unpin), close: Close) {
    // `None` at the end of a test, when the client is gone.
    if request(stream).await.is_some() && matches!(close, Close::MidAnswer) {
        stream.write_all(b"HTTP/1.1 2").await.unwrap();
    }
}

const REQUESTS: usize = 50;

#[tokio::test]
async fn a_request_on_a_connection_that_was_just_closed_is_sent_again_at_once() {
    for close in [Close::Unread, Close::Read] {
        let (server, answered) = hasty(close, None).await;
        let outgoing = outgoing_to(&server.url());
        for number in 0..REQUESTS {
            assert_eq!(outcome(&outgoing, &server.url()).await, "200", "{close:?}, request {number}");
        }
        assert_eq!(answered.load(Ordering::SeqCst), REQUESTS, "{close:?}: each is answered once");
    }
}

/// Messages of TLS itself, such as session tickets, do not count as an answer.
#[tokio::test]
async fn a_request_on_a_closed_tls_connection_is_sent_again() {
    let authority = Authority::new("An authority of the test");
    for close in [Close::Unread, Close::Read] {
        let (server, _) = hasty(close, Some(acceptor(&authority, certificate_for("127.0.0.1")))).await;
        let url = format!("https://{}/in", server.address);
        let options = OutgoingOptions { authorities: trusting(&authority), ..OutgoingOptions::default() };
        let outgoing = to_all(&format!(r#"[{{"name": "a", "url": "{url}", "private": true}}]"#), options);
        for number in 0..REQUESTS {
            assert_eq!(outcome(&outgoing, &url).await, "200", "{close:?}, request {number}");
        }
    }
}

/// The server may have processed the request.
#[tokio::test]
async fn a_request_is_not_sent_again_after_the_first_byte_of_an_answer() {
    let (server, answered) = hasty(Close::MidAnswer, None).await;
    let outgoing = outgoing_to(&server.url());
    assert_eq!(outcome(&outgoing, &server.url()).await, "200");
    assert_eq!(outcome(&outgoing, &server.url()).await, "connection terminated");
    assert_eq!((answered.load(Ordering::SeqCst), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_request_on_a_new_connection_is_sent_once() {
    let server = TestServer::start(|_, mut stream| async move { drop(request(&mut stream).await) }).await;
    let outgoing = outgoing_to(&server.url());
    for connections in 1..=3 {
        assert_eq!(outcome(&outgoing, &server.url()).await, "connection terminated");
        assert_eq!(server.connections(), connections);
    }
}

/// A restarted server closes several kept connections at once.
#[tokio::test]
async fn a_server_that_was_restarted_gets_each_request() {
    let gate = Arc::new(tokio::sync::Barrier::new(4));
    let waiting = Arc::clone(&gate);
    let server = TestServer::start(move |number, mut stream| {
        let gate = Arc::clone(&waiting);
        async move {
            request(&mut stream).await.unwrap();
            // The first four are answered together, so that there are four connections to keep.
            if number < 4 {
                gate.wait().await;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            let _ = stream.peek(&mut [0]).await;
        }
    });
    let server = server.await;
    let outgoing = outgoing_to(&server.url());
    let url = server.url();
    let all = futures_util::future::join_all((0..4).map(|_| outcome(&outgoing, &url))).await;
    assert_eq!(all, ["200"; 4]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..8 {
        assert_eq!(outcome(&outgoing, &url).await, "200");
    }
}
