//! Admins, sessions and tokens as documents.

use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::firestore::document::id_of;
use crate::firestore::fields::{Fields, bytes, bytes_of, fields, flag_of, text_of, time, time_of};
use crate::firestore::value;
use crate::store::{Admin, Digest, FcmToken, Session, SessionKind, Token};

/// Kind of a session held by a program.
const API: &str = "api";
/// Field of a session's password fingerprint.
pub(super) const FINGERPRINT: &str = "passwordFingerprint";
/// Used if that field has another type: the fingerprint of no password, so that the session is refused.
const UNREADABLE: Digest = [0; 32];

/// Fields of the FCM token of an admin's phone app, and of the time it was stored. Other programs use them as well.
pub(super) const FCM_TOKEN: &str = "fcmToken";
pub(super) const FCM_TOKEN_UPDATED: &str = "fcmTokenUpdated";

/// Documents of the collection `admins`, which other programs share:
/// `{email, password, name, disabled?, fcmToken?, fcmTokenUpdated?}`.
pub(super) fn read_admin(document: &Document) -> Admin {
    let fcm_token = text_of(&document.fields, FCM_TOKEN);
    let fcm_token_updated = time_of(&document.fields, FCM_TOKEN_UPDATED);
    Admin {
        fcm_token: (!fcm_token.is_empty()).then(|| FcmToken::new(&fcm_token, fcm_token_updated)),
        id: id_of(&document.name).to_owned(),
        email: text_of(&document.fields, "email"),
        name: text_of(&document.fields, "name"),
        password_hash: text_of(&document.fields, "password"),
        disabled: flag_of(&document.fields, "disabled"),
    }
}

pub(super) fn read_session(document: &Document) -> Session {
    let fields = &document.fields;
    Session {
        id: text_of(fields, "id"),
        admin_id: text_of(fields, "adminId"),
        client: text_of(fields, "client"),
        kind: match text_of(fields, "kind").as_str() {
            API => SessionKind::Api,
            _ => SessionKind::Browser,
        },
        password: fingerprint(fields),
        created_at: time_of(fields, "createdAt"),
        seen_at: time_of(fields, "seenAt"),
        expires_at: time_of(fields, "expiresAt"),
    }
}

/// `None` only if there is no such field, as in sessions of earlier versions.
fn fingerprint(fields: &Fields) -> Option<Digest> {
    fields.get(FINGERPRINT)?;
    let digest = bytes_of(fields, FINGERPRINT).and_then(|bytes| bytes.try_into().ok());
    Some(digest.unwrap_or(UNREADABLE))
}

pub(super) fn session_fields(session: &Session) -> Fields {
    let kind = match session.kind {
        SessionKind::Browser => "browser",
        SessionKind::Api => API,
    };
    let mut values = fields([
        ("id", value::text(&session.id)),
        ("adminId", value::text(&session.admin_id)),
        ("client", value::text(&session.client)),
        ("kind", value::text(kind)),
        ("createdAt", time(session.created_at)),
        ("seenAt", time(session.seen_at)),
        ("expiresAt", time(session.expires_at)),
    ]);
    if let Some(password) = &session.password {
        values.insert(FINGERPRINT.to_owned(), bytes(password));
    }
    values
}

pub(super) fn read_token(document: &Document) -> Token {
    let fields = &document.fields;
    Token {
        id: text_of(fields, "id"),
        name: text_of(fields, "name"),
        admin_id: Some(text_of(fields, "adminId")).filter(|id| !id.is_empty()),
        created_at: time_of(fields, "createdAt"),
        used_at: Some(time_of(fields, "usedAt")).filter(|millis| *millis > 0),
    }
}

#[cfg(test)]
mod tests {
    use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;

    use super::*;

    #[test]
    fn a_fingerprint_that_cannot_be_read_is_none_of_any_password() {
        let read = |value: Option<ValueType>| {
            let mut document = Document::default();
            if let Some(value) = value {
                let value = value::wire(value);
                document.fields.insert(FINGERPRINT.to_owned(), value);
            }
            read_session(&document).password
        };
        assert_eq!(read(None), None);
        let good = ValueType::BytesValue(vec![7; 32]);
        assert_eq!(read(Some(good)), Some([7; 32]));
        for bad in [
            ValueType::BytesValue(vec![7; 31]),
            ValueType::BytesValue(Vec::new()),
            ValueType::StringValue("07".repeat(32)),
            ValueType::NullValue(0),
        ] {
            assert_eq!(read(Some(bad)), Some(UNREADABLE));
        }
    }
}
