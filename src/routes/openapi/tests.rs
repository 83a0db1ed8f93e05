use std::collections::{BTreeMap, BTreeSet};

use actix_web::introspection::{IntrospectionNode, IntrospectionTree, ResourceType};
use actix_web::test::{TestRequest, call_and_read_body_json, init_service};
use actix_web::{App, HttpResponse, web};
use serde_json::Value;

use super::*;
use crate::routes::configure;

/// What pages load by themselves, which is no concern of the API's clients.
const NOT_DESCRIBED: [&str; 2] = ["/favicon.ico", "/static/{version}/{path:.*}"];
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

fn settings() -> Settings {
    Settings::load(None, &BTreeMap::new()).expect("the defaults are good settings")
}

fn document() -> Value {
    serde_json::to_value(describe(&settings())).expect("JSON")
}

/// Methods and paths that the description has.
fn described() -> BTreeSet<(String, String)> {
    let document = document();
    let paths = document["paths"].as_object().expect("an object").clone();
    paths
        .into_iter()
        .flat_map(|(path, item)| {
            let methods = METHODS
                .into_iter()
                .filter(move |method| !item[method].is_null());
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

/// Methods and paths of the routes that actix knows.
async fn registered() -> BTreeSet<(String, String)> {
    async fn tree(tree: web::Data<IntrospectionTree>) -> HttpResponse {
        let mut found = BTreeSet::new();
        collect(&tree.root, &mut found);
        HttpResponse::Ok().json(found)
    }
    let app = App::new()
        .service(web::resource("/tree-of-routes").get(tree))
        .configure(|config| configure(config, &settings().server.allowed_origins));
    let app = init_service(app).await;
    let request = TestRequest::get().uri("/tree-of-routes").to_request();
    let mut found: BTreeSet<(String, String)> = call_and_read_body_json(&app, request).await;
    assert!(found.remove(&("GET".to_owned(), "/tree-of-routes".to_owned())));
    found
}

fn collect(node: &IntrospectionNode, found: &mut BTreeSet<(String, String)>) {
    let is_route = matches!(node.kind, ResourceType::Resource);
    if is_route && !NOT_DESCRIBED.contains(&node.full_path.as_str()) {
        assert!(
            !node.methods.is_empty(),
            "{} takes any method, which can't be described",
            node.full_path
        );
        let methods = node.methods.iter();
        found.extend(methods.map(|method| (method.to_string(), node.full_path.clone())));
    }
    for child in &node.children {
        collect(child, found);
    }
}

#[actix_web::test]
async fn every_route_is_described_and_nothing_else() {
    let (described, registered) = (described(), registered().await);
    let missing: Vec<_> = registered.difference(&described).collect();
    let invented: Vec<_> = described.difference(&registered).collect();
    assert!(registered.len() > 20, "{registered:?}");
    assert!(missing.is_empty(), "not described: {missing:?}");
    assert!(invented.is_empty(), "no such route: {invented:?}");
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(
                    fields
                        .get("$ref")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for kind in ["schemas", "responses"] {
        let components = document["components"][kind].as_object().expect("an object");
        for name in components.keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(found.contains(&reference), "nothing refers to {reference}");
        }
    }
}

#[test]
fn the_statuses_are_those_that_the_server_knows() {
    let statuses = document()["components"]["schemas"]["Status"]["enum"].clone();
    assert_eq!(statuses, serde_json::json!(crate::orders::Status::ALL));
}

#[test]
fn a_change_has_the_fields_that_the_server_knows_and_no_other() {
    let schemas = document()["components"]["schemas"].clone();
    let change = &schemas["ChangeFields"];
    assert_eq!(change["additionalProperties"], false);
    assert_eq!(
        schemas["Change"]["allOf"][0]["$ref"],
        "#/components/schemas/ChangeFields"
    );
    assert_eq!(
        schemas["CancelReason"]["enum"],
        serde_json::json!(crate::orders::CancelReason::ALL)
    );
    for name in change["properties"].as_object().expect("an object").keys() {
        // With a null that changes nothing, or removes the field.
        let body = serde_json::json!({"acknowledged": true, name: null});
        let is_acknowledged = name == "acknowledged";
        let patch = crate::orders::OrderPatch::parse(body);
        assert_eq!(patch.is_err(), is_acknowledged, "{name}: {patch:?}");
    }
}

#[test]
fn the_settings_decide_who_the_customer_is() {
    let of = |auth: &str| {
        let environment = [
            ("ORDERBELL_SUBMIT__AUTH", auth),
            ("ORDERBELL_SUBMIT__FIREBASE_PROJECT_ID", "shop"),
            ("ORDERBELL_SUBMIT__MAX_ITEMS", "7"),
            ("ORDERBELL_AUTH__SECURE_COOKIES", "always"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::load(None, &environment.into()).expect("good settings");
        serde_json::to_value(describe(&settings)).expect("JSON")
    };
    let (open, firebase) = (of("open"), of("firebase"));
    let security =
        |document: &Value| document["paths"]["/api/order/submit"]["post"]["security"].clone();
    let required =
        |document: &Value| document["components"]["schemas"]["Submit"]["required"].clone();
    assert_eq!(security(&open), serde_json::json!([]));
    assert_eq!(required(&open), serde_json::json!(["order", "userId"]));
    assert_eq!(security(&firebase), serde_json::json!([{"customer": []}]));
    assert_eq!(required(&firebase), serde_json::json!(["order"]));
    let items = "/components/schemas/SubmitOrder/properties/items/maxItems";
    assert_eq!(open.pointer(items), Some(&7.into()));
    let cookie = open.pointer("/components/securitySchemes/session/name");
    assert_eq!(cookie, Some(&"__Host-desk".into()));
}
