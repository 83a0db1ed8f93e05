//! Other writers: phones and scripts, through the emulator's REST interface.

use orderbell::firestore::FirestoreSettings;
use serde_json::{Value, json};

/// Another program that writes to the database.
pub(crate) struct Outside {
    http: reqwest::Client,
    emulator: String,
    project: String,
}

impl Outside {
    pub(crate) fn new(settings: &FirestoreSettings) -> Self {
        Self {
            http: reqwest::Client::new(),
            emulator: super::emulator(),
            project: settings.project_id.clone(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!(
            "http://{}/v1/projects/{}/databases/(default)/documents/{path}",
            self.emulator, self.project
        )
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let response = request
            .bearer_auth("owner")
            .send()
            .await
            .expect("the emulator answers");
        let status = response.status();
        let body: Value = response.json().await.unwrap_or_default();
        assert!(status.is_success(), "{status}: {body}");
        body
    }

    /// Writes the whole document, with `fields` in the REST encoding.
    pub(crate) async fn put(&self, path: &str, fields: &Value) -> Value {
        let mut url = reqwest::Url::parse(&self.url("")).expect("a URL");
        url.path_segments_mut()
            .expect("a base")
            .pop_if_empty()
            .extend(path.split('/'));
        self.send(self.http.patch(url).json(&json!({"fields": fields})))
            .await
    }

    /// Writes one text field, and leaves the others alone.
    pub(crate) async fn set(&self, path: &str, name: &str, text: &str) {
        let url = format!("{}?updateMask.fieldPaths={name}", self.url(path));
        let body = json!({"fields": {name: {"stringValue": text}}});
        self.send(self.http.patch(url).json(&body)).await;
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.send(self.http.delete(self.url(path))).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(self.url(path))).await
    }

    /// Empties the database, as a restart of the emulator does.
    pub(crate) async fn clear(&self) {
        let url = format!(
            "http://{}/emulator/v1/projects/{}/databases/(default)/documents",
            self.emulator, self.project
        );
        self.send(self.http.delete(url)).await;
    }
}

/// An order as a phone writes it.
pub(crate) fn order(status: &str, timestamp: &Value) -> Value {
    json!({"status": {"stringValue": status}, "totalAmount": {"doubleValue": 5.5}, "timestamp": timestamp})
}
