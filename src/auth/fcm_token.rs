use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Auth, AuthError, Principal};
use crate::clock::millis;
use crate::store::FcmToken;

/// How long an unchanged FCM token is not written again. Apps send it at every start.
const FCM_TOKEN_LIFE: Duration = Duration::from_secs(24 * 3_600);

impl Auth {
    /// Stores the FCM token of the phone app of `principal`'s admin, unless the same one was stored within a day.
    /// [`AuthError::Unknown`] for tokens that act as themselves, and if the admin is gone.
    pub async fn keep_fcm_token(
        &self,
        principal: &Principal,
        token: &SecretString,
    ) -> Result<(), AuthError> {
        let admin_id = principal.admin_id.as_deref().ok_or(AuthError::Unknown)?;
        let admin = self.able_admin(admin_id).await?;
        let now = self.clock.millis();
        let sent = FcmToken::new(token.expose_secret(), now);
        let is_kept = admin.fcm_token.is_some_and(|kept| {
            kept.digest == sent.digest && now < kept.updated_at + millis(FCM_TOKEN_LIFE)
        });
        if !is_kept {
            let token = token.expose_secret();
            let kept = self.accounts.set_fcm_token(admin_id, token).await;
            kept.map_err(AuthError::of_admin)?;
        }
        Ok(())
    }
}
