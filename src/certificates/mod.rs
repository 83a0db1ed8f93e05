//! Certificates by ACME, and the plain HTTP listener beside HTTPS.
//!
//! The [machine] decides, without input or output, when to request, renew and try again, from a record that all instances share
//! through the store. [`Renewal`] carries this out. [`redirect`] answers on port 80: redirects to HTTPS, the authority's
//! questions, and a page that says why there is no certificate yet.

mod authority;
mod client;
mod held;
pub mod machine;
mod metrics;
mod problem;
pub mod record;
pub mod redirect;
mod renewal;
mod status;
#[cfg(test)]
mod tests;

pub use held::{RECORD, stored_chain};
pub use machine::Wanted;
pub use problem::{Problem, ProblemKind};
pub use renewal::{Renewal, RenewalSettings};
pub use status::Status;
