//! What an order is.
//!
//! Orders arrive from several kinds of writers and are kept whole, as the JSON object they came as. This room knows how to read
//! one: its id, its place in time, how it is held in memory, the summary that streams carry, the card that the desk shows, what
//! a customer must send for one to be placed, what an admin may change, and what a store's watch and lists deliver. It knows no HTTP
//! and no store.

mod card;
mod change;
mod changed_by;
mod draft;
mod held;
mod id;
mod json_line;
mod list;
mod numeric;
mod order;
mod patch;
mod position;
mod search;
mod status;
mod watch;

pub use card::Card;
pub use change::{Change, FORGOTTEN_AFTER_MICROS, Snapshot, WindowLimits};
pub use draft::{DraftError, DraftLimits, FieldError, OrderDraft};
pub use held::HeldOrder;
pub use id::{InvalidOrderId, OrderId};
pub use json_line::json_line;
pub use list::{ListPage, ListQuery};
pub use order::{Order, Summary};
pub use patch::{CancelReason, Details, OrderPatch};
pub use position::{InvalidCursor, Position};
pub use search::Search;
pub use status::{FINISHED, Status, UnknownStatus, is_finished};
pub use watch::{SourceState, WatchEvent};
