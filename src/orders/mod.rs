//! Orders.
//!
//! Several programs write orders, which are kept whole, as the JSON objects they came as. This module reads them: id, time and
//! position, the form held in memory, the summary in streams, the card for the desk, the checks of a customer's submit and of
//! an admin's change, and the events of a store's watch and lists. It depends on neither HTTP nor a store.

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
mod search_text;
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
pub use status::{
    Lane, STATUSES, Status, StatusFacts, UnknownStatus, facts_of, finished, is_finished,
};
pub use watch::{SourceState, WatchEvent};
