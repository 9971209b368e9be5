//! Answers and bodies that do not end, or end badly.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::*;

/// What a server does after it has sent its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Hold,
    Close,
    Reset,
}

/// Answers a first request with these bytes, waits until the client closes the connection, and notifies the receiver.
async fn server(answer: &'static str, then: Then) -> (TestServer, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let (closed, notified) = tokio::sync::mpsc::unbounded_channel();
    let server = TestServer::start(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            request(&mut stream).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            match then {
                Then::Hold => {
                    while stream.read_u8().await.is_ok() {}
                    closed.send(()).unwrap();
                }
                Then::Close => {}
                Then::Reset => stream.set_zero_linger().unwrap(),
            }
        }
    });
    (server.await, notified)
}

const HOUR: Duration = Duration::from_secs(3600);

/// In each row: the answer, what the server does then, the status, and the part of the body that can be read at once.
const ANSWERS: &[(&str, Then, u16, &str)] = &[
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", Then::Hold, 200, "ab"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Then::Hold, 200, "abc"),
    ("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n", Then::Hold, 200, "data: x\n\n"),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 1\r\n\r\nx", Then::Hold, 202, "x"),
    (
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 400 Bad\r\nContent-Length: 1\r\n\r\nx",
        Then::Hold,
        400,
        "x",
    ),
    ("HTTP/1.0 200 OK\r\n\r\nab", Then::Hold, 200, "ab"),
    ("HTTP/1.0 200 OK\r\n\r\nab", Then::Close, 200, "ab"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", Then::Hold, 200, ""),
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", Then::Close, 200, "ab"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", Then::Reset, 200, ""),
    ("HTTP/1.1 204 No Content\r\n\r\n", Then::Hold, 204, ""),
];

#[tokio::test]
async fn a_status_is_returned_at_once_whatever_the_body_does() {
    for &(answer, then, status, expected) in ANSWERS {
        let (server, mut closed) = server(answer, then).await;
        let outgoing = outgoing_to(&server.url());
        let began = Instant::now();
        let answered = post(&outgoing, &server.url()).await;
        let answered = answered.unwrap_or_else(|error| panic!("{answer:?}, then {then:?}: {error}"));
        assert_eq!(answered.status(), status, "{answer:?}");
        let mut body = answered.into_body();
        let mut read = Vec::new();
        while read.len() < expected.len() {
            read.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!(String::from_utf8(read).unwrap(), expected, "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{answer:?}, then {then:?}: {:?}", began.elapsed());
        let is_whole = answer.ends_with("\r\n\r\nx") || status == 204;
        drop(body);
        if then == Then::Hold && !is_whole {
            let closed = tokio::time::timeout(Duration::from_secs(5), closed.recv()).await;
            assert_eq!(closed, Ok(Some(())), "{answer:?}: the connection outlives the body");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_of_the_body() {
    for (answer, then) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", Then::Close),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", Then::Reset),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno-length\r\n", Then::Hold),
    ] {
        let (server, _closed) = server(answer, then).await;
        let answered = post(&outgoing_to(&server.url()), &server.url()).await.unwrap();
        let error = answered.into_body().collect().await.unwrap_err();
        assert!(matches!(error, Error::HttpResponseIncomplete), "{answer:?}: {error}");
    }
}

/// The client reads little more of the body than the guest does.
#[tokio::test]
async fn a_body_without_an_end_is_not_read_ahead() {
    let (sent, mut progress) = tokio::sync::watch::channel(0_usize);
    let sent = Arc::new(sent);
    let server = TestServer::start(move |_, mut stream| {
        let sent = Arc::clone(&sent);
        async move {
            request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while stream.write_all(&[b'x'; 1 << 14]).await.is_ok() {
                sent.send_modify(|sent| *sent += 1 << 14);
            }
            sent.send_modify(|sent| *sent = usize::MAX);
            tokio::time::sleep(HOUR).await;
        }
    });
    let server = server.await;
    let mut body = post(&outgoing_to(&server.url()), &server.url()).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(!first.is_empty() && first.len() <= 64 << 10, "{}", first.len());
    // Until the server can send no more: everything sent by then is in the buffers of the two sockets.
    while tokio::time::timeout(Duration::from_millis(300), progress.changed()).await.is_ok() {}
    let in_sockets = *progress.borrow_and_update();
    assert!(in_sockets < 32 << 20, "{in_sockets}");
    drop(body);
    let closed = async {
        while *progress.borrow_and_update() != usize::MAX {
            progress.changed().await.unwrap()
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("the connection outlives the body");
}

/// Answers every request on every connection.
async fn steady(answer: &'static str) -> TestServer {
    let answer = move |_, mut stream: TcpStream| async move {
        while request(&mut stream).await.is_some() {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    TestServer::start(answer).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_use_the_same_connections_if_bodies_are_read_to_their_ends() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let server = steady(answer).await;
        let outgoing = outgoing_to(&server.url());
        for _ in 0..1000 {
            assert!(outcome(&outgoing, &server.url()).await.starts_with('2'));
        }
        // A request that begins before the connection is back in the pool makes another one, which is also kept.
        assert!(server.connections() <= 20, "{answer:?}: {}", server.connections());
    }
}
