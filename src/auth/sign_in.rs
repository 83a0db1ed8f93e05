use std::net::IpAddr;

use secrecy::SecretString;

use super::throttle::Attempt;
use super::{Auth, AuthError, Authenticated, Credential, Principal, password};
use crate::clock::millis;
use crate::store::{self, Admin, Digest, NewSession, Session, SessionKind, StoreError};

/// Result of a successful password check.
pub struct PasswordChecked {
    /// The admin.
    pub admin: Authenticated,
    /// Device cookie for the next sign-in, so that guesses made elsewhere don't slow this device down.
    pub device: SecretString,
}

/// A new session.
pub struct SignedIn {
    /// The user who has signed in.
    pub principal: Principal,
    /// The secret that the client has to send from now on.
    pub secret: SecretString,
}

/// The hash that a password is compared with.
pub(super) struct Comparison {
    pub(super) hash: String,
    /// The admin whose hash it is; `None` if the password is wrong in any case.
    pub(super) admin: Option<Admin>,
}

impl Auth {
    /// Checks a password. Unknown e-mail addresses, wrong passwords and disabled admins cost the same look-ups and the same
    /// kind of hash.
    ///
    /// `devices` are the device cookies that the client has sent.
    pub async fn check_password(
        &self,
        email: &str,
        password: SecretString,
        address: IpAddr,
        devices: &[&str],
    ) -> Result<PasswordChecked, AuthError> {
        let email = email.trim();
        let known = self.known_device(devices, email).await?;
        let digest = known.map(|(_, digest)| digest);
        let attempt = self.begin_attempt(email, address, digest)?;
        let compared = self.compare(email, password.clone()).await;
        let admin = self.settle(&attempt, compared)?;
        if admin.disabled {
            return Err(AuthError::Disabled);
        }
        let device = match known {
            Some((cookie, _)) => cookie.into(),
            None => self.key.new_device(email).await?,
        };
        let fingerprint = self.fingerprint(&admin).await?;
        self.rehash(&admin, password).await;
        Ok(PasswordChecked {
            admin: Authenticated {
                id: admin.id,
                name: admin.name,
                email: admin.email,
                password: fingerprint,
            },
            device,
        })
    }

    /// Begins a session of an admin whose password was verified. `client` describes it to people, `kind` says whether a browser
    /// or a program holds it.
    pub async fn begin_session(
        &self,
        admin: &Authenticated,
        client: &str,
        kind: SessionKind,
    ) -> Result<SignedIn, AuthError> {
        let (secret, digest) = self.key.new_session().await?;
        let now = self.clock.millis();
        let session = Session {
            id: store::random_id(),
            admin_id: admin.id.clone(),
            client: client.chars().take(200).collect(),
            kind,
            password: Some(admin.password),
            created_at: now,
            seen_at: now,
            expires_at: now + millis(self.idle(kind)),
        };
        let principal = Principal::of_sign_in(admin, &session, Credential::Session(digest));
        self.accounts
            .begin_session(NewSession { session, digest })
            .await?;
        Ok(SignedIn { principal, secret })
    }

    /// Checks a password and begins a session of this kind.
    pub async fn sign_in(
        &self,
        email: &str,
        password: SecretString,
        address: IpAddr,
        client: &str,
        kind: SessionKind,
        devices: &[&str],
    ) -> Result<SignedIn, AuthError> {
        let checked = self
            .check_password(email, password, address, devices)
            .await?;
        self.begin_session(&checked.admin, client, kind).await
    }

    /// The first device cookie that is valid for `email`, and its key in the throttle.
    async fn known_device<'a>(
        &self,
        devices: &[&'a str],
        email: &str,
    ) -> Result<Option<(&'a str, Digest)>, StoreError> {
        for cookie in devices {
            if let Some(digest) = self.key.device(cookie, email).await? {
                return Ok(Some((*cookie, digest)));
            }
        }
        Ok(None)
    }

    pub(super) fn begin_attempt(
        &self,
        email: &str,
        address: IpAddr,
        device: Option<Digest>,
    ) -> Result<Attempt, AuthError> {
        self.throttle
            .begin(email, address, device)
            .map_err(AuthError::Throttled)
    }

    /// Reports the result to the throttle. Attempts that failed because of the server don't count.
    pub(super) fn settle<T>(
        &self,
        attempt: &Attempt,
        result: Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        match &result {
            Ok(_) => self.throttle.succeeded(attempt),
            Err(AuthError::Busy(_) | AuthError::Store(_)) => self.throttle.withdraw(attempt),
            Err(_) => {}
        }
        result
    }

    /// The admin with this e-mail address and password.
    async fn compare(&self, email: &str, password: SecretString) -> Result<Admin, AuthError> {
        // One query for all admins: there are few, and the cost doesn't depend on whether this one exists.
        let admins = self.accounts.admins().await?;
        let comparison = self.comparison(&admins, email).await?;
        let is_right = self.hasher.verify(comparison.hash, password).await?;
        comparison
            .admin
            .filter(|_| is_right)
            .ok_or(AuthError::WrongPassword)
    }

    /// The hash to compare a password with. An unknown e-mail address gets the hash of some admin, always the same one for that
    /// address, so that the response time doesn't differ from a real admin's.
    pub(super) async fn comparison(
        &self,
        admins: &[Admin],
        email: &str,
    ) -> Result<Comparison, StoreError> {
        let checkable: Vec<&Admin> = admins
            .iter()
            .filter(|admin| password::is_checkable(&admin.password_hash))
            .collect();
        let pick = self.key.pick(email, checkable.len()).await?;
        let found = find(&checkable, email);
        let hash = found.or_else(|| checkable.get(pick).copied()).map_or_else(
            || password::DUMMY_HASH.to_owned(),
            |admin| admin.password_hash.clone(),
        );
        Ok(Comparison {
            hash,
            admin: found.cloned(),
        })
    }
}

/// The admin with exactly this address, or else ignoring case.
fn find<'a>(admins: &[&'a Admin], email: &str) -> Option<&'a Admin> {
    let lower = email.to_lowercase();
    let exact = admins.iter().find(|admin| admin.email == email);
    exact
        .or_else(|| {
            admins
                .iter()
                .find(|admin| admin.email.to_lowercase() == lower)
        })
        .copied()
}
