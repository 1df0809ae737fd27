//! The fleet, tested as its clients meet it: on real Postgres, Kafka and Redis, two replicas of every service, HTTP in,
//! HTTP and Kafka out. Each test has its own customers, products and orders, so that all of them run together.
//!
//! The services are processes of this very binary, which runs one where [`SERVICE`] names it.

mod access;
mod admins;
mod alone;
mod api;
mod buyers;
mod cache;
mod cursors;
mod dead_letters;
mod faults;
mod ground;
mod idempotency;
mod input;
mod issuer;
mod keycloak;
mod operations;
mod orders;
mod problems;
mod races;
mod refunds;
mod shop;
mod sockets;
mod tokens;
mod versions;

use ground::Ground;
use libtest_mimic::{Arguments, Trial};
use shop::Shop;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use testkit::fleet::{Plan, SERVICE};

/// One trial for each function. One that is not named here is dead code, which the lints refuse.
macro_rules! trials {
    ($shared:expr, $($module:ident :: $test:ident),+ $(,)?) => {
        vec![$({
            let shared = Arc::clone($shared);
            Trial::test(concat!(stringify!($module), "::", stringify!($test)), move || {
                shared.trial(async |fleet| $module::$test(Shop::open(fleet).await?).await)
            })
        }),+]
    };
}

fn main() -> ExitCode {
    if let Some(name) = std::env::var_os(SERVICE) {
        return serve(&name.to_string_lossy());
    }
    let mut arguments = Arguments::from_args();
    // They wait for the fleet most of the time.
    arguments.test_threads.get_or_insert(8);
    let shared = Arc::new(Ground::new(Plan::whole()));
    let mut trials = trials![
        &shared,
        sockets::clients_that_never_finish_are_cut,
        cache::a_product_is_loaded_once_however_many_ask,
        cache::answers_stay_right_whatever_becomes_of_redis,
        cache::reads_are_quick_without_redis,
        cursors::every_order_is_listed_once_while_new_ones_are_placed,
        cursors::every_product_is_listed_once_in_every_order,
        cursors::the_other_lists_are_whole_too,
        access::a_customer_sees_only_what_is_theirs,
        access::an_admin_sees_everybodys,
        access::tokens_are_needed_and_roles_are_kept,
        admins::an_admin_is_made_at_the_command_line,
        admins::no_admin_is_made_of_what_can_not_be,
        api::the_specifications_name_every_call_and_its_security,
        api::tokens_and_roles_are_asked_for_as_declared,
        api::every_call_and_its_errors,
        buyers::ten_units_and_two_hundred_buyers,
        buyers::one_unit_and_five_hundred_buyers,
        dead_letters::admins_alone_see_them,
        dead_letters::poison_stops_nobody,
        dead_letters::a_record_is_redriven_once,
        dead_letters::what_is_unknown_or_known_is_skipped_and_counted,
        idempotency::a_repeat_gets_the_first_answer,
        idempotency::a_refusal_is_an_answer_too,
        idempotency::a_key_is_its_callers_own,
        idempotency::repeats_at_once_make_one_order,
        idempotency::a_repeat_waits_for_the_first,
        input::bad_bodies_are_named,
        input::what_nobody_asked_for_is_refused,
        input::bad_forms_get_the_error_of_oauth,
        input::bad_paths_and_methods_are_problems,
        input::bad_queries_are_named,
        issuer::a_customer_registers_and_is_known,
        issuer::what_can_not_register_is_told_why,
        issuer::a_name_is_registered_once,
        issuer::a_malformed_grant_gets_the_error_of_oauth,
        issuer::a_refresh_token_used_twice_ends_its_family,
        issuer::a_family_ends_as_a_whole,
        issuer::a_revoked_login_is_over,
        issuer::a_client_that_goes_away_spoils_nothing,
        issuer::the_issuer_can_be_discovered,
        issuer::keys_rotate_and_no_token_is_refused,
        issuer::unknown_users_look_like_wrong_passwords,
        issuer::failures_close_an_account_and_an_address,
        operations::every_replica_tells_how_it_is,
        operations::pages_of_this_computer_may_call,
        operations::ids_and_traces_are_the_clients,
        operations::a_service_that_is_told_to_end_finishes_first,
        orders::a_paid_order_is_confirmed_and_told_of,
        orders::an_order_short_of_stock_is_rejected,
        orders::a_declined_order_can_be_paid_again,
        orders::a_declined_order_expires,
        orders::an_order_cancelled_while_declined_is_voided,
        orders::an_order_cancelled_after_payment_is_refunded,
        orders::an_order_is_shipped_and_delivered,
        orders::a_provider_that_does_not_answer_charges_once,
        orders::a_provider_that_fails_twice_charges_once,
        orders::prices_come_from_the_catalogue,
        problems::orders_that_can_not_be,
        races::cancel_races_with_payment,
        races::orders_that_cross_each_other_do_not_lock_up,
        refunds::an_admin_pays_back_a_part,
        refunds::more_than_was_captured_is_refused,
        tokens::a_wrong_token_is_a_401_everywhere,
        tokens::keys_come_from_any_issuer,
        sockets::what_is_no_request_is_refused,
        versions::a_client_that_is_up_to_date_is_told_so,
        versions::a_change_is_of_the_version_that_was_read,
        versions::who_waits_hears_of_a_change_by_another_replica,
        versions::a_wait_has_an_end,
    ];
    trials.push(keycloak::trial(shared.handle()));
    let long = trials![&shared, buyers::one_unit_and_five_hundred_buyers_fifty_times];
    trials.extend(long.into_iter().map(|trial| trial.with_ignored_flag(true)));
    trials.extend(alone::trials(&shared.handle()));
    let shared_well = shared.run(&arguments, trials);
    // Afterwards, so that nobody else is disturbed.
    let hurt_well = thread::scope(|scope| {
        let sides = [faults::trials, faults::more_trials].map(|trials| {
            let (ground, arguments) = (Arc::new(Ground::new(faults::plan())), &arguments);
            scope.spawn(move || {
                let trials = trials(&ground);
                ground.run(arguments, trials)
            })
        });
        // Both to their end.
        sides.map(|side| side.join().unwrap_or(false)).iter().all(|well| *well)
    });
    let long = Arc::new(Ground::new(faults::long::plan()));
    let trials = faults::long::trials(&long);
    let long_well = long.run(&arguments, trials);
    if shared_well && hurt_well && long_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one service until it is told to stop, or its audit.
fn serve(name: &str) -> ExitCode {
    let audits = std::env::args().nth(1).as_deref() == Some("audit");
    let args = [name.to_owned()];
    let served = match name {
        "product" if audits => product::audit::run(args),
        "product" => product::serve(),
        "inventory" if audits => inventory::audit::run(args),
        "inventory" => inventory::serve(),
        "order" if audits => order::audit::run(args),
        "order" => order::serve(),
        "order create-admin" => order::create_admin(std::env::args()),
        "payment" if audits => payment::audit::run(args),
        "payment" => payment::serve(),
        "notification" if audits => notification::audit::run(args),
        "notification" => notification::serve(),
        _ => Err(anyhow::anyhow!("no service is called {name}")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
