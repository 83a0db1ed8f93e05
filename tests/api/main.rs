//! Black-box tests: the service as its clients see it, over HTTP. Nothing here reaches into it.

mod access;
mod app;
mod cors;
mod desk;
mod firestore;
mod gzip;
mod limits;
mod logs;
mod openapi;
mod orders;
mod process;
mod recent;
mod sockets;
mod sse;
mod storm;
mod streams;
mod submit;
