use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;
use crate::http::{Admission, AdmissionLimits, CertifiedPair};

struct Listening {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    certificates: Certificates,
    tls: Tls,
    admission: Arc<Admission>,
    roots: RootCertStore,
}

impl Listening {
    async fn start(limits: HandshakeLimits) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        let (chain, key) = (certificate.pem(), key.serialize_pem());
        let certificates = Certificates::new();
        certificates
            .set(CertifiedPair::from_pem(chain.as_bytes(), key.as_bytes()).expect("a pair"));
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("a root");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a listener");
        let admitted = AdmissionLimits {
            total: 100,
            per_address: 100,
        };
        Self {
            address: listener.local_addr().expect("an address"),
            listener,
            tls: Tls::new(&certificates, limits).expect("TLS"),
            certificates,
            admission: Admission::new(admitted, |_: IpAddr| false),
            roots,
        }
    }

    /// Accepts the next connection.
    async fn accept(&self) -> io::Result<TlsStream> {
        let (socket, client) = self.listener.accept().await?;
        let place = self.admission.admit(client.ip()).expect("a place");
        self.tls.accept(socket, &place).await
    }

    /// A client that sends a line and reads the answer, on a thread of its own.
    fn client(&self, protocols: &[&[u8]]) -> std::thread::JoinHandle<io::Result<String>> {
        self.sender(protocols, b"hello\n".to_vec())
    }

    /// A client that sends this and reads the answer.
    fn sender(
        &self,
        protocols: &[&[u8]],
        sent: Vec<u8>,
    ) -> std::thread::JoinHandle<io::Result<String>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let address = self.address;
        std::thread::spawn(move || {
            let name = ServerName::try_from("localhost").expect("a name");
            let session = ClientConnection::new(Arc::new(config), name).expect("a session");
            let socket = std::net::TcpStream::connect(address)?;
            socket.set_read_timeout(Some(Duration::from_secs(20)))?;
            let mut stream = StreamOwned::new(session, socket);
            stream.write_all(&sent)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })
    }
}

const LIMITS: HandshakeLimits = HandshakeLimits {
    patience: Duration::from_secs(20),
    strangers: 100,
};

/// Reads a line, answers with it, and ends.
async fn echo(mut stream: TlsStream) {
    let mut room = [0; 100];
    let mut read = tokio::io::ReadBuf::new(&mut room);
    poll_fn(|cx| stream.poll_read(cx, &mut read))
        .await
        .expect("a line");
    poll_fn(|cx| stream.poll_write(cx, read.filled()))
        .await
        .expect("written");
    poll_fn(|cx| stream.poll_shutdown(cx))
        .await
        .expect("an end");
}

async fn told(client: std::thread::JoinHandle<io::Result<String>>) -> io::Result<String> {
    let client = actix_web::rt::task::spawn_blocking(move || client.join());
    client.await.expect("no panic").expect("no panic")
}

#[test]
fn a_stranger_ends_the_oldest_handshake_of_strangers_at_the_limit() {
    actix_web::rt::System::new().block_on(async {
        let listening = Listening::start(HandshakeLimits {
            strangers: 1,
            ..LIMITS
        })
        .await;
        let mut stalled = std::net::TcpStream::connect(listening.address).expect("a connection");
        stalled.write_all(&[HANDSHAKE_RECORD]).expect("sent");
        let mut first = std::pin::pin!(listening.accept());
        while listening.tls.strangers.len() == 0 {
            let polled = poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_ready())).await;
            assert!(!polled);
            yield_now().await;
        }
        let client = listening.client(&[HTTP]);
        let (stalled, second) = tokio::join!(first, listening.accept());
        let error = stalled.err().expect("the other one took its place");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        echo(second.expect("a handshake")).await;
        assert_eq!(told(client).await.expect("an answer"), "hello\n");
        assert_eq!(listening.tls.strangers.len(), 0);
    });
}

#[test]
fn a_challenge_is_shown_to_the_authority_alone() {
    actix_web::rt::System::new().block_on(async {
        let listening = Listening::start(LIMITS).await;
        // Without a challenge, the authority gets an alert.
        let client = listening.client(&[ACME_PROTOCOL]);
        assert!(listening.accept().await.is_err());
        assert!(told(client).await.is_err());

        let held = listening.certificates.current().expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let challenge = CertificateParams::new(vec!["localhost".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        let pem = (challenge.pem(), key.serialize_pem());
        let pair = CertifiedPair::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).expect("a pair");
        listening.certificates.set_challenge("LocalHost", pair);
        let mut authority = Listening {
            roots: RootCertStore::empty(),
            ..listening
        };
        authority
            .roots
            .add(challenge.der().clone())
            .expect("a root");
        let client = authority.client(&[ACME_PROTOCOL]);
        assert!(authority.accept().await.is_err(), "it is for no request");
        assert_eq!(told(client).await.expect("a handshake, and the end"), "");

        // Browsers see the desk's certificate, which this client doesn't trust.
        let client = authority.client(&[HTTP, ACME_PROTOCOL]);
        assert!(authority.accept().await.is_err());
        assert!(told(client).await.is_err());
        authority.certificates.clear_challenge("localhost");
        let client = authority.client(&[ACME_PROTOCOL]);
        assert!(authority.accept().await.is_err());
        assert!(told(client).await.is_err());
        assert_eq!(authority.certificates.current(), Some(held));
    });
}

#[test]
fn nothing_is_presented_before_there_is_a_certificate() {
    actix_web::rt::System::new().block_on(async {
        let mut listening = Listening::start(LIMITS).await;
        listening.tls = Tls::new(&Certificates::new(), LIMITS).expect("TLS");
        let client = listening.client(&[HTTP]);
        assert!(listening.accept().await.is_err());
        let error = told(client).await.expect_err("an alert");
        assert!(error.to_string().contains("lert"), "{error}");
    });
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    actix_web::rt::System::new().block_on(async {
        let listening = Listening::start(LIMITS).await;
        let client = listening.client(&[HTTP]);
        let mut stream = listening.accept().await.expect("a handshake");
        let mut room = [0; 100];
        let mut read = tokio::io::ReadBuf::new(&mut room);
        poll_fn(|cx| stream.poll_read(cx, &mut read))
            .await
            .expect("a line");
        let long = vec![b'x'; 3 * session::MAX_PLAINTEXT];
        let mut sent = 0;
        while sent < long.len() {
            sent += poll_fn(|cx| stream.poll_write(cx, &long[sent..]))
                .await
                .expect("written");
        }
        assert_eq!(stream.held(), 0);
        poll_fn(|cx| stream.poll_shutdown(cx))
            .await
            .expect("an end");
        assert_eq!(told(client).await.expect("an answer").len(), long.len());
    });
}

#[test]
fn a_stream_ends_when_its_client_sends_too_much() {
    actix_web::rt::System::new().block_on(async {
        let listening = Listening::start(LIMITS).await;
        let client = listening.sender(&[HTTP], vec![b'x'; 100 << 10]);
        let mut stream = listening.accept().await.expect("a handshake");
        // The client has sent all, and waits for 20 seconds.
        let closed = poll_fn(|cx| stream.poll_closed(cx));
        let ended = timeout(Duration::from_secs(10), closed).await;
        ended.expect("an end");
        drop(stream);
        let _ = told(client).await;
    });
}
