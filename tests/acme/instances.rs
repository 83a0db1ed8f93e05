//! Two instances on one Firestore: one requests the certificate, both serve it.

use std::time::Duration;

use orderbell::app::Listeners;

use crate::pebble::Pebble;
use crate::{Ahead, DOMAIN, Desk, eventually, listener, port_of};

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_requests_the_certificate_and_both_serve_it() {
    let emulator = std::env::var("FIRESTORE_EMULATOR_HOST").expect(
        "this test needs Google's Firestore emulator: `source tests/emulator.sh && emulator_start`",
    );
    let project = format!("acme-{}", std::process::id());
    let (first, second) = (listener(), listener());
    // The authority reaches the first instance alone, whichever has begun the order.
    let plain = listener();
    let pebble = Pebble::start(port_of(&plain), port_of(&first)).await;
    let environment = [
        ("ORDERBELL_STORE__KIND", "firestore"),
        ("ORDERBELL_FIRESTORE__PROJECT_ID", &*project),
        ("FIRESTORE_EMULATOR_HOST", &emulator),
        ("ORDERBELL_TLS__MODE", "acme"),
        ("ORDERBELL_TLS__DOMAINS", DOMAIN),
        ("ORDERBELL_TLS__DIRECTORY_URL", &pebble.directory),
        ("ORDERBELL_TLS__DIRECTORY_CA_FILE", &pebble.ca_file),
        ("ORDERBELL_TLS__REDIRECT_PORT", "0"),
    ];
    let ahead = Ahead::default();
    let begin = |desk, redirect| {
        let listeners = Listeners {
            desk: Some(desk),
            redirect: Some(redirect),
        };
        Desk::start(listeners, &environment, &ahead)
    };
    let desks = tokio::join!(begin(second, listener()), begin(first, plain));
    let desks = [desks.0, desks.1];
    for desk in &desks {
        let client = pebble.trusting_client(DOMAIN, desk.https).await;
        let url = format!("https://{DOMAIN}:{}/health/live", desk.https.port());
        eventually("HTTPS", async || {
            // The other one looks within half a minute; tests don't wait that long.
            desk.wake();
            tokio::time::sleep(Duration::from_millis(200)).await;
            client.get(&url).send().await.ok()
        })
        .await;
    }
    assert_eq!(pebble.orders(), 1);
    for desk in desks {
        desk.stop().await;
    }
}
