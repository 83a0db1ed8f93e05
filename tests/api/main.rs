//! Black-box tests: the service as its clients see it, over HTTP. Nothing here reaches into it.

mod access;
mod account;
mod app;
mod cors;
mod desk;
mod firestore;
mod firestore_accounts;
mod firestore_open;
mod gzip;
mod legacy;
mod limits;
mod logs;
mod open;
mod openapi;
mod order_filters;
mod orders;
mod passwords;
mod process;
mod recent;
mod sockets;
mod sse;
mod storm;
mod streams;
mod submit;
mod throttle;
