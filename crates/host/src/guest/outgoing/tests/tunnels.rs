//! Requests through proxies.

use std::sync::Mutex;

use tokio::io::{AsyncWriteExt as _, copy_bidirectional};

use super::*;

const DESK: &str = "https://desk.example/in";

/// A proxy that answers every CONNECT with these bytes and forwards to one address. It records the heads.
async fn proxy(answer: &'static str, leads_to: Option<SocketAddr>) -> (TestServer, Arc<Mutex<Vec<String>>>) {
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&heads);
    let server = TestServer::start(move |_, mut stream| {
        let heads = Arc::clone(&kept);
        async move {
            let Some(head) = request(&mut stream).await else { return };
            heads.lock().unwrap().push(head);
            let _ = stream.write_all(answer.as_bytes()).await;
            if let Some(leads_to) = leads_to {
                let mut destination = TcpStream::connect(leads_to).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut destination).await;
            }
        }
    });
    (server.await, heads)
}

/// A destination with TLS behind a proxy. It records the heads.
async fn desk(authority: &Authority) -> (TestServer, Arc<Mutex<Vec<String>>>) {
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let (kept, tls) = (Arc::clone(&heads), acceptor(authority, certificate_for("desk.example")));
    let server = TestServer::start(move |_, stream| {
        let (heads, tls) = (Arc::clone(&kept), tls.clone());
        async move {
            let mut stream = tls.accept(stream).await.unwrap();
            while let Some(head) = request(&mut stream).await {
                heads.lock().unwrap().push(head);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
        }
    });
    (server.await, heads)
}

fn through(proxy: &str, url: &str, private: bool, authorities: Authorities) -> Outgoing {
    let proxies = ProxyRules::from_variables(|name| (name == "HTTPS_PROXY").then(|| proxy.to_owned()));
    let setting = format!(r#"[{{"name": "a", "url": "{url}", "private": {private}}}]"#);
    to_all(&setting, OutgoingOptions { authorities, proxies })
}

#[tokio::test]
async fn a_destination_is_reached_through_a_tunnel_that_is_kept() {
    let authority = Authority::new("An authority of the test");
    let (desk, asked) = desk(&authority).await;
    let (proxy, heads) = proxy("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", Some(desk.address)).await;
    let url = format!("http://user:p%40ss@{}", proxy.address);
    // Only the proxy can resolve the name.
    let outgoing = through(&url, DESK, false, trusting(&authority));
    for _ in 0..10 {
        assert_eq!(outcome(&outgoing, DESK).await, "200");
    }
    let heads = heads.lock().unwrap().clone();
    assert_eq!(heads.len(), 1, "{heads:?}");
    let head = heads[0].to_ascii_lowercase();
    assert!(head.starts_with("connect desk.example:443 http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: desk.example:443\r\n"), "{head}");
    assert!(heads[0].contains(" Basic dXNlcjpwQHNz\r\n"), "{head}");
    let asked = asked.lock().unwrap();
    assert_eq!((asked.len(), desk.connections()), (10, 1));
    assert!(asked.iter().all(|head| head.starts_with("POST /in HTTP/1.1\r\n")), "{asked:?}");
    assert!(asked.iter().all(|head| !head.to_ascii_lowercase().contains("proxy-")), "{asked:?}");
}

#[tokio::test]
async fn a_proxy_can_use_tls() {
    let authority = Authority::new("An authority of the test");
    let (desk, _) = desk(&authority).await;
    let (address, tls) = (desk.address, acceptor(&authority, certificate_for("127.0.0.1")));
    let proxy = TestServer::start(move |_, stream| {
        let tls = tls.clone();
        async move {
            let mut stream = tls.accept(stream).await.unwrap();
            request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut desk = TcpStream::connect(address).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut desk).await;
        }
    });
    let outgoing = through(&format!("https://{}", proxy.await.address), DESK, false, trusting(&authority));
    assert_eq!(outcome(&outgoing, DESK).await, "200");
}

#[tokio::test]
async fn a_proxy_without_a_tunnel_is_distinguished_from_the_destination() {
    for (answer, expected) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            "the proxy refused the tunnel: 407 Proxy Authentication Required",
        ),
        ("HTTP/1.0 403 Filtered\r\n\r\n<html>", "the proxy refused the tunnel: 403 Forbidden"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "the proxy refused the tunnel: 502 Bad Gateway"),
        ("HTTP/1.1 302 Found\r\nLocation: https://x\r\n\r\n", "the proxy refused the tunnel: 302 Found"),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "the proxy made no tunnel: its answer is not HTTP/1.1"),
        ("", "the proxy made no tunnel: connection closed before message completed"),
    ] {
        let (proxy, _) = proxy(answer, None).await;
        let outgoing = through(&format!("http://{}", proxy.address), DESK, false, Authorities::default());
        assert_eq!(outcome(&outgoing, DESK).await, expected);
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let outgoing = through(&format!("http://{closed}"), DESK, false, Authorities::default());
    assert_eq!(outcome(&outgoing, DESK).await, "the proxy cannot be reached: connection refused");
}

/// The proxy resolves names, so the host cannot check their addresses. It checks addresses in URLs.
#[tokio::test]
async fn a_literal_private_address_needs_private_also_through_a_proxy() {
    let (proxy, heads) = proxy("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", None).await;
    let proxy = format!("http://{}", proxy.address);
    let literal = "https://10.1.2.3:8443/in";
    let public = post(&through(&proxy, literal, false, Authorities::default()), literal).await;
    assert!(matches!(public, Err(Error::DestinationIpProhibited)), "{public:?}");
    assert!(heads.lock().unwrap().is_empty());
    let private = outcome(&through(&proxy, literal, true, Authorities::default()), literal).await;
    assert_eq!(private, "the proxy refused the tunnel: 403 Forbidden");
    assert!(heads.lock().unwrap()[0].starts_with("CONNECT 10.1.2.3:8443 "));
    // Loopback addresses are reached directly.
    let local = through(&proxy, "https://127.0.0.1:9/", true, Authorities::default());
    assert!(matches!(post(&local, "https://127.0.0.1:9/").await, Err(Error::ConnectionRefused)));
    assert_eq!(heads.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_an_error_at_the_start_if_a_destination_needs_it() {
    let start = |url: &str| {
        let proxies =
            ProxyRules::from_variables(|name| (name == "ALL_PROXY").then(|| "socks5://u:secret@x:1080".to_owned()));
        let setting = format!(r#"[{{"name": "a", "url": "{url}"}}]"#);
        let options = OutgoingOptions { proxies, ..OutgoingOptions::default() };
        Outgoing::new(&Destination::read_all(&setting).unwrap(), &[], options).map(drop)
    };
    let error = start(DESK).unwrap_err().to_string();
    assert!(error.starts_with("ALL_PROXY in the environment names a SOCKS proxy") && !error.contains("secret"));
    start("http://127.0.0.1:9/").unwrap();
}
