use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::order_schemas::Cursor;
use crate::routes::list_filters::MAX_MILLIS;

/// A day in the shop's time zone, or milliseconds since 1970. Empty: no filter.
pub(super) struct DayOrTime;

impl PartialSchema for DayOrTime {
    fn schema() -> RefOr<Schema> {
        let day = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
            .examples(["2026-02-23"]);
        #[expect(
            clippy::cast_precision_loss,
            reason = "the last millisecond of a year fits into 53 bits"
        )]
        let millis = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .maximum(Some(MAX_MILLIS as f64));
        AnyOfBuilder::new()
            .item(day)
            .item(millis)
            .item(no_filter())
            .description(Some(
                "A day in the shop's time zone (`shop.time_zone`), or milliseconds since 1970. Empty: no filter.",
            ))
            .into()
    }
}

impl ToSchema for DayOrTime {}

/// An amount of money. Empty: no filter.
pub(super) struct AmountFilter;

impl PartialSchema for AmountFilter {
    fn schema() -> RefOr<Schema> {
        let amount = ObjectBuilder::new()
            .schema_type(Type::Number)
            .examples([12.5]);
        AnyOfBuilder::new()
            .item(amount)
            .item(no_filter())
            .description(Some("An amount of money. Empty: no filter."))
            .into()
    }
}

impl ToSchema for AmountFilter {}

/// Maximum number of orders on a page, at least 1. Empty counts as absent.
pub(super) struct PageLimit;

impl PartialSchema for PageLimit {
    fn schema() -> RefOr<Schema> {
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1));
        AnyOfBuilder::new()
            .item(limit)
            .item(no_filter())
            .description(Some(
                "Maximum number of orders on a page. Empty counts as absent.",
            ))
            .into()
    }
}

impl ToSchema for PageLimit {}

/// Where a page begins. Empty counts as absent.
pub(super) struct PageStart;

impl PartialSchema for PageStart {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .item(Cursor::schema())
            .item(no_filter())
            .description(Some(
                "The `next` of the previous page. Empty counts as absent.",
            ))
            .into()
    }
}

impl ToSchema for PageStart {}

fn no_filter() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([""]))
}
