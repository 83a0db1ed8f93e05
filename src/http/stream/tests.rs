use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use actix_web::{App, web};
use socket2::SockRef;

use super::*;
use crate::http::{
    Admission, AdmissionLimits, Deadlines, ServerSettings, SocketLimits, listen, serve,
};

/// Chunks that a test has laid out; `None` ends the body.
#[derive(Default)]
struct Script {
    chunks: Vec<Option<&'static str>>,
    polled: Rc<Cell<usize>>,
}

impl StreamSource for Script {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.polled.set(self.polled.get() + 1);
        match self.chunks.pop() {
            Some(chunk) => Poll::Ready(chunk.map(Bytes::from)),
            None => Poll::Pending,
        }
    }

    fn is_revoked(&mut self) -> bool {
        false
    }
}

fn admission() -> Arc<Admission> {
    let limits = AdmissionLimits {
        total: 100,
        per_address: 100,
    };
    Admission::new(limits, |address: IpAddr| address.is_loopback())
}

async fn detach(request: HttpRequest) -> HttpResponse {
    let version = request.version();
    detached(&request, HttpResponse::Ok(), move |socket| {
        let script = Script {
            chunks: vec![None, Some("two"), Some("first")],
            ..Script::default()
        };
        let stream = StreamConnection::new(socket, script, version);
        drop(actix_web::rt::spawn(stream.run()));
    })
    .expect("a connection that can be detached")
}

/// The whole answer to a request whose handler detaches the socket.
fn answer(version: &'static str) -> String {
    let settings = ServerSettings {
        workers: 1,
        deadlines: Deadlines {
            request: Duration::from_secs(5),
            idle: Duration::from_secs(5),
            write: Duration::from_secs(5),
        },
        sockets: SocketLimits {
            write_timeout: Duration::from_secs(5),
            send_buffer: 64 << 10,
        },
        shutdown_seconds: 1,
    };
    actix_web::rt::System::new().block_on(async move {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let app = || App::new().route("/", web::get().to(detach));
        let server = serve(listener, settings, admission(), None, app).expect("a server");
        let stop = server.stop();
        let server = actix_web::rt::spawn(server.run());
        let client = actix_web::rt::task::spawn_blocking(move || {
            let mut socket = std::net::TcpStream::connect(address).expect("a connection");
            socket
                .set_read_timeout(Some(Duration::from_secs(20)))
                .expect("a socket");
            write!(socket, "GET / {version}\r\nhost: a\r\n\r\n").expect("sent");
            let mut answer = String::new();
            // Without a flush after the head, the socket is never detached and nothing comes.
            socket.read_to_string(&mut answer).expect("an answer");
            answer
        });
        let answer = client.await.expect("no panic");
        stop.await;
        server.await.expect("no panic").expect("no error");
        answer
    })
}

#[test]
fn the_socket_is_detached_once_the_head_was_written() {
    let answer = answer("HTTP/1.1");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert_eq!(body, "5\r\nfirst\r\n3\r\ntwo\r\n0\r\n\r\n");
}

#[test]
fn clients_that_know_no_chunks_get_the_bytes_as_they_are() {
    let answer = answer("HTTP/1.0");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert_eq!(body, "firsttwo");
}

#[test]
fn a_stream_whose_write_has_failed_stays_over() {
    actix_web::rt::System::new().block_on(async {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("an address"))
            .expect("a connection");
        let (socket, _) = listener.accept().expect("the client's connection");
        socket.set_nonblocking(true).expect("a socket");
        let detached = DetachedSocket {
            transport: Transport::Plain(TcpStream::from_std(socket).expect("a socket")),
            place: admission()
                .admit(IpAddr::from([127, 0, 0, 1]))
                .expect("a place"),
        };
        let polled = Rc::new(Cell::new(0));
        let script = Script {
            polled: Rc::clone(&polled),
            ..Script::default()
        };
        let stream = StreamConnection::new(detached, script, Version::HTTP_11);
        poll_fn(|cx| Poll::Ready(stream.poll(cx).is_pending())).await;
        // Closed with what it was sent unread: the next write fails.
        SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket");
        drop(client);
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
        stream.source().chunks = vec![Some("lost")];
        stream.notify();
        assert!(stream.state.borrow().is_over, "the write has failed");
        let before = polled.get();
        stream.notify();
        assert!(stream.state.borrow().is_over);
        assert_eq!(polled.get(), before, "its source is not asked any more");
    });
}

#[test]
fn the_future_of_a_stream_is_one_pointer() {
    // With the tracker's token and tokio's own fields this fills the 128 bytes of a task.
    assert_eq!(size_of::<Running<Script>>(), size_of::<usize>());
}
