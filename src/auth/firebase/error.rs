/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirebaseError {
    /// The token is invalid; the caller has to get another one.
    #[error("the ID token is not valid: {0}")]
    Invalid(&'static str),
    /// Google's keys can't be fetched. Try again.
    #[error("ID tokens can't be checked now: {0}")]
    Unavailable(String),
}
