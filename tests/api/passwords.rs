//! What checks of passwords cost the program.

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::app::{EMAIL, PASSWORD, client};
use crate::process::Server;

/// Of "correct horse", made by Werkzeug's own rules.
const SCRYPT: &str = "scrypt:32768:8:1$salt$a3479fbdc10408db76d4413bd916aa53e8cc54bb088da32666d81ab4aa1ea93785eb9961ff19a798354551a9f2f3d5ba86469bb1b7d5e2b63fef5a723830f720";
/// The same with half the memory: small enough that the allocator would keep it.
const SMALL_SCRYPT: &str = "scrypt:16384:8:1$salt$07a5fc62617df14f07bab22816eb0cf94a36ca87aa38ca9016fd696479033f791cff8d038bc7762cb7dbf7368bb2f0d8f35c53ac9491ef24cb68d0b4d7bdddc7";

/// Each refused sign-in is a line in the log otherwise.
const QUIET: [(&str, &str); 2] = [
    ("ORDERBELL_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ("ORDERBELL_LOG__LEVEL", "error"),
];

fn add_admin(store: &Path, email: &str, hash: &str) {
    let file = Connection::open(store).expect("the store");
    file.busy_timeout(std::time::Duration::from_secs(5))
        .expect("a timeout");
    let added = file.execute(
        "INSERT INTO admins (id, email, name, password_hash) VALUES (?1, ?1, ?1, ?2)",
        [email, hash],
    );
    assert_eq!(added.expect("added"), 1);
}

/// Signs in four at a time, each time from a network of its own: the throttle would refuse most of them without a check.
/// Answers how many passwords were checked.
async fn sign_in_often(server: &Server, rounds: usize, people: &[(&str, &str)]) -> usize {
    let mut statuses = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    for (number, (email, password)) in people
        .iter()
        .cycle()
        .take(rounds * people.len())
        .enumerate()
    {
        let from = format!("10.0.{}.{}", number / 250, number % 250);
        let attempt = client()
            .post(format!("{}/api/admin/login", server.base))
            .header("x-forwarded-for", from)
            .json(&json!({"email": email, "password": password}));
        running.spawn(async move { attempt.send().await.expect("an answer").status().as_u16() });
        if running.len() == 4 {
            statuses.push(running.join_next().await.expect("one").expect("no panic"));
        }
    }
    statuses.extend(running.join_all().await);
    let is_checked = |status: &&u16| matches!(status, 200 | 401);
    statuses.iter().filter(is_checked).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_leave_the_programs_memory_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &QUIET).await;
    add_admin(&store, "scrypt@shop.example", SCRYPT);
    let before = server.resident_kib();
    let people = [
        (EMAIL, PASSWORD),
        (EMAIL, "wrong"),
        ("scrypt@shop.example", PASSWORD),
        ("scrypt@shop.example", "wrong"),
        ("stranger@shop.example", "wrong"),
    ];
    // Without blocks that are kept, 20 checks take 340 MiB.
    let checked = sign_in_often(&server, 16, &people).await;
    let grown = server.resident_kib().saturating_sub(before) / 1_024;
    assert!(checked > 60, "only {checked} passwords were checked");
    assert!(grown < 60, "{grown} MiB more after {checked} sign-ins");
    // Smaller than Werkzeug's own: each thread's heap keeps as much as one check takes.
    add_admin(&store, "small@shop.example", SMALL_SCRYPT);
    let people = [
        ("small@shop.example", "wrong"),
        ("small@shop.example", PASSWORD),
    ];
    let checked = sign_in_often(&server, 20, &people).await;
    let grown = server.resident_kib().saturating_sub(before) / 1_024;
    assert!(checked > 20, "only {checked} passwords were checked");
    assert!(grown < 100, "{grown} MiB more after {checked} sign-ins");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_sign_ins_at_once_are_told_to_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &QUIET).await;
    add_admin(
        &store,
        "slow@shop.example",
        &format!("pbkdf2:sha256:400000$salt${}", "00".repeat(32)),
    );
    let mut running = tokio::task::JoinSet::new();
    for number in 0..70 {
        // Half of them as browsers do.
        let path = ["/api/admin/login", "/login"][number % 2];
        let attempt = client()
            .post(format!("{}{path}", server.base))
            .header("x-forwarded-for", format!("10.0.0.{number}"));
        let attempt = if number % 2 == 0 {
            attempt.json(&json!({"email": "slow@shop.example", "password": "x"}))
        } else {
            attempt
                .header("content-type", "application/x-www-form-urlencoded")
                .body("email=slow%40shop.example&password=x")
        };
        running.spawn(async move { attempt.send().await.expect("an answer") });
    }
    let mut refused = 0;
    for answer in running.join_all().await {
        // After fifty attempts the account's own throttle begins.
        assert!(
            matches!(answer.status().as_u16(), 401 | 429 | 503),
            "{answer:?}"
        );
        if answer.status() == 503 {
            assert!(answer.headers().contains_key("retry-after"));
            refused += 1;
        }
    }
    assert!(refused > 0, "none of 70 at once");
    let later = client()
        .post(format!("{}/api/admin/login", server.base))
        .json(&json!({"email": EMAIL, "password": PASSWORD}));
    assert_eq!(later.send().await.expect("an answer").status(), 200);
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_is_too_costly_is_never_computed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &QUIET).await;
    let before = server.resident_kib();
    let long = "00".repeat(64);
    for (number, hash) in [
        format!("scrypt:2:262144:8$x${long}"),
        "$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$TzkcTdUSyd6RzNDDtwBtBvmgMgGjnmWYzDW6b/1LZOw".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let email = format!("{number}@shop.example");
        add_admin(&store, &email, hash);
        let attempt = client()
            .post(format!("{}/api/admin/login", server.base))
            .json(&json!({"email": email, "password": "x"}));
        assert_eq!(attempt.send().await.expect("an answer").status(), 401);
    }
    let peak = server.peak_kib().saturating_sub(before) / 1_024;
    assert!(peak < 60, "a peak of {peak} MiB more");
    server.kill().await;
}
