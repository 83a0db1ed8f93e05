use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

/// Which database, which collection, and how to be let in.
#[derive(Debug, Clone)]
pub struct FirestoreSettings {
    /// The Google Cloud project.
    pub project_id: String,
    /// The database in it, `(default)` for most.
    pub database_id: String,
    /// The collection of orders.
    pub collection: String,
    /// How to be let in, and where.
    pub access: Access,
    /// How long the server may say nothing before the connection is held for dead. Google's servers speak every 30 seconds.
    pub silence: Duration,
    /// How long what the watch over accounts has delivered is believed after its last message. A little more than the 30 seconds,
    /// so that a healthy watch never costs a look-up; less than a minute along with the 15 seconds between two checks of open
    /// streams, so that a revocation ends them within a minute though the connection is dead.
    pub trust: Duration,
    /// How long a write may take, a submit's wait for its turn included.
    pub write_deadline: Duration,
    /// Whether a listener that comes back asks for what has changed only. The emulator says nothing of removals then.
    pub resume: bool,
}

/// How the database is reached.
#[derive(Clone)]
pub enum Access {
    /// Google's own servers, with the credentials that Google's tools find: `GOOGLE_APPLICATION_CREDENTIALS`, those of
    /// `gcloud`, or the machine's service account.
    Default,
    /// Google's own servers, with the JSON text of a service account's key.
    ServiceAccount(SecretString),
    /// The emulator at `host:port` (as `FIRESTORE_EMULATOR_HOST` says it), which needs no credentials.
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

    /// What every document's name begins with.
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
