use firestore::gcloud_sdk::google::firestore::v1::Document;
use prost::Message as _;
use serde_json::Value;

use super::{document, value};
use crate::orders::Card;

/// A document as Firestore sends it, in the wire's encoding.
pub(crate) fn document(bytes: &[u8]) {
    let Ok(document) = Document::decode(bytes) else {
        return;
    };
    let rank = document::rank(&document);
    assert!(rank.is_none_or(|rank| !rank.is_nan()));
    let Ok(order) = document::to_order(&document) else {
        return;
    };
    let position = order.position();
    assert_eq!(position.to_string().parse(), Ok(position));
    assert!(order.placed_micros() <= order.created_micros.max(order.updated_micros));
    let summary = serde_json::to_string(&order.summary()).expect("JSON");
    let card = serde_json::to_string(&Card::from(&order)).expect("JSON");
    // Texts are cut, whatever the document holds.
    assert!(
        summary.len() < 1 << 16 && card.len() < 1 << 20,
        "{}, {}",
        summary.len(),
        card.len()
    );
    // What was read once is read the same again.
    let whole = Value::Object(order.fields);
    let again = value::to_json(&value::from_json(&whole));
    assert_eq!(value::to_json(&value::from_json(&again)), again);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;
    use std::path::Path;

    use firestore::gcloud_sdk::prost_types::Timestamp;

    use super::*;
    use crate::firestore::document::tests::from_rest;

    /// SEEDS=write writes them anew.
    #[test]
    fn the_seeds_are_the_documents_of_the_fixtures() {
        let fixtures: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/documents.json"))
                .expect("JSON");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/firestore_document");
        for fixture in fixtures {
            let id = fixture["id"].as_str().expect("text");
            let fields = fixture["fields"].as_object().expect("an object");
            let time = |seconds| Some(Timestamp { seconds, nanos: 5 });
            let document = Document {
                name: format!("projects/p/databases/(default)/documents/orders/{id}"),
                fields: fields
                    .iter()
                    .map(|(name, value)| (name.clone(), from_rest(value)))
                    .collect::<HashMap<_, _>>(),
                create_time: time(1_771_842_400),
                update_time: time(1_771_842_500),
            };
            let file = folder.join(id);
            if std::env::var("SEEDS").is_ok_and(|how| how == "write") {
                fs::write(&file, document.encode_to_vec()).expect("written");
            }
            let seed = fs::read(&file).expect("a seed");
            // NaN isn't equal to itself, but its text is.
            let seed = Document::decode(&*seed).expect("a document");
            let text = |document: &Document| {
                let fields = value::fields_to_json(&document.fields);
                (document.name.clone(), fields, document.update_time)
            };
            assert_eq!(text(&seed), text(&document), "{id}");
        }
    }
}
