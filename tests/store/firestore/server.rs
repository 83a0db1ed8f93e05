//! A scripted Firestore, for messages and failures that the emulator never produces.

#![expect(
    clippy::disallowed_methods,
    reason = "holds the messages of one test, which must not wait"
)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use firestore::gcloud_sdk::google::firestore::v1::batch_get_documents_response::Result as Found;
use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{
    BatchGetDocumentsRequest, BatchGetDocumentsResponse, CommitRequest, CommitResponse, Document,
    ListenRequest, ListenResponse, RunQueryRequest, RunQueryResponse,
};
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::body::Body;
use firestore::gcloud_sdk::tonic::codegen::{Service, http};
use firestore::gcloud_sdk::tonic::server::{
    Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService,
};
use firestore::gcloud_sdk::tonic::transport::server::TcpIncoming;
use firestore::gcloud_sdk::tonic::{Code, Request, Response, Status, Streaming, transport};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_stream::Stream;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic_prost::ProstCodec;

type Answer<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Number of targets on the stream of orders, and on that of accounts.
const TARGETS: [usize; 2] = [4, 3];

/// A stream that the store has opened; it ends when this is dropped.
pub(crate) struct Listen {
    pub(crate) requests: Vec<ListenRequest>,
    answers: UnboundedSender<Result<ListenResponse, Status>>,
}

impl Listen {
    pub(crate) fn say(&self, messages: impl IntoIterator<Item = ResponseType>) {
        for message in messages {
            let response = ListenResponse {
                response_type: Some(message),
            };
            self.answers.send(Ok(response)).expect("the store listens");
        }
    }

    pub(crate) fn fail(self, code: Code) {
        self.answers
            .send(Err(Status::new(code, "because")))
            .expect("the store listens");
    }
}

/// What happens to commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCommit {
    /// They are made.
    Answer,
    /// They are taken, and not answered.
    Hold,
    /// They are answered with an error that leaves their outcome open, and reads after them aren't answered.
    FailAndHoldReads,
}

struct Shared {
    listens: UnboundedSender<Listen>,
    refusal: Mutex<Option<Code>>,
    documents: Mutex<HashMap<String, Document>>,
    commits: Mutex<Vec<CommitRequest>>,
    on_commits: Mutex<OnCommit>,
    /// Id of a document that no commit may write.
    unwritable: Mutex<Option<String>>,
    are_queries_held: AtomicBool,
    are_reads_held: AtomicBool,
    commit_time: Timestamp,
}

/// The server, on a port of its own.
pub(crate) struct Server {
    pub(crate) host: String,
    shared: Arc<Shared>,
    listens: UnboundedReceiver<Listen>,
}

impl Server {
    /// Starts a server whose commits are all made at `commit_time`.
    pub(crate) fn start(commit_time: Timestamp) -> Self {
        let (sender, listens) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            listens: sender,
            refusal: Mutex::default(),
            documents: Mutex::default(),
            commits: Mutex::default(),
            on_commits: Mutex::new(OnCommit::Answer),
            unwritable: Mutex::default(),
            are_queries_held: AtomicBool::new(false),
            are_reads_held: AtomicBool::new(false),
            commit_time,
        });
        let incoming =
            TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let host = incoming.local_addr().expect("an address").to_string();
        let serving = transport::Server::builder()
            .add_service(Rpc(Arc::clone(&shared)))
            .serve_with_incoming(incoming);
        tokio::spawn(serving);
        Self {
            host,
            shared,
            listens,
        }
    }

    /// The next stream that is opened.
    pub(crate) async fn listen(&mut self) -> Listen {
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(20), self.listens.recv());
        waiting
            .await
            .expect("a stream is opened in time")
            .expect("the server lives")
    }

    /// Refuses streams from now on.
    pub(crate) fn refuse(&self, code: Option<Code>) {
        *self.shared.refusal.lock().expect("not poisoned") = code;
    }

    /// Stores a document, for reads.
    pub(crate) fn keep(&self, document: Document) {
        let mut documents = self.shared.documents.lock().expect("not poisoned");
        documents.insert(document.name.clone(), document);
    }

    /// Sets what happens to commits from now on.
    pub(crate) fn on_commits(&self, what: OnCommit) {
        *self.shared.on_commits.lock().expect("not poisoned") = what;
    }

    /// Refuses commits that write a document of this id, as invalid.
    pub(crate) fn refuse_writes_of(&self, id: &str) {
        *self.shared.unwritable.lock().expect("not poisoned") = Some(id.to_owned());
    }

    /// Takes queries, and answers none.
    pub(crate) fn hold_queries(&self) {
        self.shared.are_queries_held.store(true, Ordering::Relaxed);
    }

    /// Answers reads again.
    pub(crate) fn answer_reads(&self) {
        self.shared.are_reads_held.store(false, Ordering::Relaxed);
    }

    pub(crate) fn commits(&self) -> Vec<CommitRequest> {
        self.shared.commits.lock().expect("not poisoned").clone()
    }
}

#[derive(Clone)]
struct Rpc(Arc<Shared>);

impl NamedService for Rpc {
    const NAME: &'static str = "google.firestore.v1.Firestore";
}

impl Service<http::Request<Body>> for Rpc {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let rpc = self.clone();
        Box::pin(async move {
            let method = request
                .uri()
                .path()
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned();
            Ok(match method.as_str() {
                "Listen" => {
                    Grpc::new(ProstCodec::default())
                        .streaming(rpc, request)
                        .await
                }
                "BatchGetDocuments" => {
                    Grpc::new(ProstCodec::default())
                        .server_streaming(rpc, request)
                        .await
                }
                "RunQuery" => {
                    Grpc::new(ProstCodec::default())
                        .server_streaming(Queries(rpc.0), request)
                        .await
                }
                "Commit" => Grpc::new(ProstCodec::default()).unary(rpc, request).await,
                _ => Status::unimplemented("not scripted").into_http(),
            })
        })
    }
}

impl StreamingService<ListenRequest> for Rpc {
    type Response = ListenResponse;
    type ResponseStream = UnboundedReceiverStream<Result<ListenResponse, Status>>;
    type Future = Answer<Self::ResponseStream>;

    fn call(&mut self, request: Request<Streaming<ListenRequest>>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            if let Some(code) = *shared.refusal.lock().expect("not poisoned") {
                return Err(Status::new(code, "because"));
            }
            let mut stream = request.into_inner();
            let mut requests = Vec::new();
            while requests.len() < expected_targets(&requests) {
                let Some(request) = stream.message().await? else {
                    return Err(Status::cancelled("the requests have ended"));
                };
                requests.push(request);
            }
            let (answers, receiver) = mpsc::unbounded_channel();
            // The test may be over.
            let _ = shared.listens.send(Listen { requests, answers });
            Ok(Response::new(UnboundedReceiverStream::new(receiver)))
        })
    }
}

/// How many targets a stream that has begun with these has.
fn expected_targets(requests: &[ListenRequest]) -> usize {
    let is_of_accounts = format!("{:?}", requests.first()).contains("\"admins\"");
    TARGETS[usize::from(is_of_accounts)]
}

impl ServerStreamingService<BatchGetDocumentsRequest> for Rpc {
    type Response = BatchGetDocumentsResponse;
    type ResponseStream = Answers<BatchGetDocumentsResponse>;
    type Future = Answer<Self::ResponseStream>;

    fn call(&mut self, request: Request<BatchGetDocumentsRequest>) -> Self::Future {
        let documents = self.0.documents.lock().expect("not poisoned");
        let found: Vec<_> = request
            .into_inner()
            .documents
            .into_iter()
            .map(|name| {
                let result = match documents.get(&name) {
                    Some(document) => Found::Found(document.clone()),
                    None => Found::Missing(name),
                };
                Ok(BatchGetDocumentsResponse {
                    result: Some(result),
                    ..BatchGetDocumentsResponse::default()
                })
            })
            .collect();
        let is_held = self.0.are_reads_held.load(Ordering::Relaxed);
        Box::pin(async move {
            if is_held {
                std::future::pending::<()>().await;
            }
            Ok(Response::new(
                Box::pin(tokio_stream::iter(found)) as Self::ResponseStream
            ))
        })
    }
}

/// Queries: no document matches.
struct Queries(Arc<Shared>);

impl ServerStreamingService<RunQueryRequest> for Queries {
    type Response = RunQueryResponse;
    type ResponseStream = Answers<RunQueryResponse>;
    type Future = Answer<Self::ResponseStream>;

    fn call(&mut self, _: Request<RunQueryRequest>) -> Self::Future {
        let is_held = self.0.are_queries_held.load(Ordering::Relaxed);
        Box::pin(async move {
            if is_held {
                std::future::pending::<()>().await;
            }
            Ok(Response::new(
                Box::pin(tokio_stream::empty()) as Self::ResponseStream
            ))
        })
    }
}

impl UnaryService<CommitRequest> for Rpc {
    type Response = CommitResponse;
    type Future = Answer<CommitResponse>;

    fn call(&mut self, request: Request<CommitRequest>) -> Self::Future {
        let request = request.into_inner();
        let unwritable = self.0.unwritable.lock().expect("not poisoned").clone();
        let is_unwritable = unwritable.is_some_and(|id| {
            let names = request
                .writes
                .iter()
                .filter_map(|write| match &write.operation {
                    Some(Operation::Update(document)) => Some(&document.name),
                    _ => None,
                });
            names
                .into_iter()
                .any(|name| name.ends_with(&format!("/{id}")))
        });
        self.0.commits.lock().expect("not poisoned").push(request);
        if is_unwritable {
            return Box::pin(async { Err(Status::invalid_argument("because")) });
        }
        let response = CommitResponse {
            commit_time: Some(self.0.commit_time),
            ..CommitResponse::default()
        };
        let what = *self.0.on_commits.lock().expect("not poisoned");
        if what == OnCommit::FailAndHoldReads {
            self.0.are_reads_held.store(true, Ordering::Relaxed);
        }
        Box::pin(async move {
            match what {
                OnCommit::Answer => Ok(Response::new(response)),
                OnCommit::Hold => std::future::pending().await,
                OnCommit::FailAndHoldReads => Err(Status::unavailable("cut off")),
            }
        })
    }
}
