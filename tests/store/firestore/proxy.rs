//! A TCP proxy that cuts, refuses and freezes.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// They work.
    Open,
    /// They are closed, and new ones at once.
    Refused,
    /// They stay open, and nothing gets through.
    Frozen,
    /// Requests get through, answers don't.
    Mute,
}

/// A proxy in front of an address.
pub(crate) struct Proxy {
    address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    /// Counts up when all connections of the moment are to be cut.
    cuts: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn new(target: String, traffic: Traffic) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("an address"),
            traffic: watch::Sender::new(traffic),
            cuts: watch::Sender::new(0),
        };
        let (traffic, cuts) = (proxy.traffic.subscribe(), proxy.cuts.subscribe());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, target.clone(), traffic.clone(), cuts.clone()));
            }
        });
        proxy
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }

    /// Resets every connection; new ones can be made.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn serve(
    client: TcpStream,
    target: String,
    mut traffic: watch::Receiver<Traffic>,
    mut cuts: watch::Receiver<u64>,
) {
    cuts.mark_unchanged();
    if *traffic.borrow() == Traffic::Refused {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let refused = traffic.clone();
    tokio::select! {
        () = pump(from_client, to_server, traffic.clone(), &[Traffic::Frozen]) => {}
        () = pump(from_server, to_client, refused, &[Traffic::Frozen, Traffic::Mute]) => {}
        _ = cuts.changed() => {}
        _ = traffic.wait_for(|traffic| *traffic == Traffic::Refused) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut traffic: watch::Receiver<Traffic>,
    closed: &[Traffic],
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if traffic
            .wait_for(|traffic| !closed.contains(traffic))
            .await
            .is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
