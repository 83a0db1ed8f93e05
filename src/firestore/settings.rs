use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

/// Database, collection, and access to them.
#[derive(Debug, Clone)]
pub struct FirestoreSettings {
    /// The Google Cloud project.
    pub project_id: String,
    /// The database in it, `(default)` for most.
    pub database_id: String,
    /// The collection of orders.
    pub collection: String,
    /// Server and credentials.
    pub access: Access,
    /// Silence after which a connection counts as dead. Google's servers send a message every 30 seconds.
    pub silence: Duration,
    /// How long accounts in memory are trusted after the last message of their watch. A little more than the 30 seconds, so that
    /// a healthy watch never costs a look-up. Together with the 15 seconds between two checks of open streams, less than a
    /// minute, so that a revocation ends them within a minute even if the connection is dead.
    pub trust: Duration,
    /// Maximum time of a write, including a submit's wait for its turn.
    pub write_deadline: Duration,
    /// Maximum time of a page of a list, which may take many queries.
    pub list_deadline: Duration,
    /// Whether a listener that reconnects requests only changes, by resume token. The emulator reports no removals then.
    pub resume: bool,
}

/// Server of the database, and credentials.
#[derive(Clone)]
pub enum Access {
    /// Google's own servers, with Application Default Credentials: `GOOGLE_APPLICATION_CREDENTIALS`, those of `gcloud`, or the
    /// machine's service account.
    Default,
    /// Google's own servers, with the JSON text of a service account's key.
    ServiceAccount(SecretString),
    /// The emulator at `host:port` (the format of `FIRESTORE_EMULATOR_HOST`), which needs no credentials.
    Emulator(String),
}

impl FirestoreSettings {
    /// The default database and the collection `orders` of a project.
    pub fn new(project_id: impl Into<String>, access: Access) -> Self {
        Self {
            project_id: project_id.into(),
            database_id: "(default)".to_owned(),
            collection: "orders".to_owned(),
            silence: Duration::from_secs(75),
            trust: Duration::from_secs(40),
            write_deadline: Duration::from_secs(8),
            list_deadline: Duration::from_secs(30),
            resume: !matches!(access, Access::Emulator(_)),
            access,
        }
    }

    /// The database's full name.
    pub(super) fn database(&self) -> String {
        format!(
            "projects/{}/databases/{}",
            self.project_id, self.database_id
        )
    }

    /// The common beginning of all documents' names.
    pub(super) fn documents(&self) -> String {
        format!("{}/documents", self.database())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("Default"),
            Self::ServiceAccount(_) => f.write_str("ServiceAccount"),
            Self::Emulator(host) => write!(f, "Emulator({host})"),
        }
    }
}
