//! What an order is.
//!
//! Orders arrive from several kinds of writers and are kept whole, as the JSON object they came as. This room
//! knows how to read one: its id, its place in time, the summary that streams carry, the card that the desk shows,
//! and what a customer must send for one to be placed. It knows no HTTP and no store.

mod card;
mod change;
mod draft;
mod id;
mod order;
mod position;
mod status;

pub use card::Card;
pub use change::{Change, OrderPatch, Snapshot};
pub use draft::{DraftError, DraftLimits, FieldError, OrderDraft};
pub use id::{InvalidOrderId, OrderId};
pub use order::{Order, Summary};
pub use position::{InvalidCursor, Position};
pub use status::{Status, UnknownStatus};
