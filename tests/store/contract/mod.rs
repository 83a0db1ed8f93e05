//! What callers of the store port rely on. Each test runs on every store.

pub(crate) mod admins;
pub(crate) mod changes;
pub(crate) mod lists;
pub(crate) mod passwords;
pub(crate) mod secrets;
pub(crate) mod sessions;
pub(crate) mod submits;
pub(crate) mod tokens;
pub(crate) mod watches;

use orderbell::orders::{Order, OrderId};
use orderbell::store::{AccountStore, OrderStore};

/// Makes a test of each function of the contract, on a fresh store from `$open`: an async function that returns the store, and
/// what has to live as long as the store.
macro_rules! contract_tests {
    ($open:path) => {
        $crate::contract::contract_tests! {
            @ $open;
            submits: [
                submits_are_numbered,
                fifty_at_once_are_numbered_one_to_fifty,
                a_repeated_key_places_nothing_new,
                a_key_counts_for_one_user_and_one_body,
            ];
            changes: [
                a_change_touches_what_it_says,
                an_acknowledgement_is_recorded_and_can_be_taken_back,
                one_of_several_that_expect_the_same_status_changes_it,
                what_admins_write_is_kept_until_null_removes_it,
                a_field_has_to_fit_the_order_as_it_is,
                the_author_of_a_status_is_recorded,
                a_removed_order_is_gone,
            ];
            lists: [
                a_list_is_paged_from_newest_to_oldest,
                a_list_ends_where_the_store_says_so,
                a_list_can_be_of_a_time,
            ];
            watches: [
                a_watch_delivers_the_state_and_every_change,
                open_orders_are_watched_however_old,
                a_removal_is_known_to_a_later_watch,
            ];
            admins: [
                admins_are_found,
                a_disabled_admin_has_no_sessions,
                the_token_of_a_phone_is_kept,
            ];
            passwords: [
                a_password_is_replaced_along_with_its_session,
                a_session_in_use_gets_a_fingerprint,
            ];
            sessions: [
                sessions_begin_and_end,
                an_admin_has_so_many_sessions,
                each_kind_of_sessions_has_a_number_of_its_own,
                a_session_in_use_outlasts_those_that_are_never_used_again,
            ];
            tokens: [
                tokens_are_kept_until_revoked,
                a_secret_is_made_once,
            ];
            secrets: [
                a_secret_is_replaced_only_where_it_is_as_expected,
                of_many_writers_of_a_secret_one_wins,
            ];
        }
    };
    (@ $open:path; $($subject:ident: [$($test:ident,)+];)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (store, _kept) = $open().await;
                $crate::contract::$subject::$test(std::sync::Arc::new(store)).await;
            }
        )+)+
    };
}
pub(crate) use contract_tests;

/// A store of orders and accounts.
pub(crate) trait Store: OrderStore + AccountStore + 'static {}
impl<T: OrderStore + AccountStore + 'static> Store for T {}

/// An order that exists.
pub(crate) async fn order(store: &impl Store, id: &OrderId) -> Order {
    store
        .get(id)
        .await
        .expect("the store answers")
        .expect("the order is there")
}
