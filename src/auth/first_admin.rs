use secrecy::SecretString;

use super::{Auth, AuthError, AuthSettings};
use crate::store::{self, NewAdmin, StoreError};

/// The first admin, created on the first run.
pub struct FirstAdmin {
    /// E-mail address for sign-in.
    pub email: String,
    /// The password, if it was generated.
    pub made_up_password: Option<SecretString>,
}

impl Auth {
    /// Creates the first admin if there is none.
    pub async fn ensure_first_admin(
        &self,
        settings: &AuthSettings,
    ) -> Result<Option<FirstAdmin>, AuthError> {
        if !self.accounts.admins().await?.is_empty() {
            return Ok(None);
        }
        let email = settings
            .admin_email
            .clone()
            .unwrap_or_else(|| "admin@localhost".to_owned());
        let (password, made_up_password) = match &settings.admin_password {
            Some(password) => (password.clone(), None),
            None => {
                let password = SecretString::from(store::random_id());
                (password.clone(), Some(password))
            }
        };
        let admin = NewAdmin {
            name: email.split('@').next().unwrap_or("admin").to_owned(),
            password_hash: self
                .hasher
                .hash(self.accounts.password_scheme(), password)
                .await?,
            email: email.clone(),
        };
        match self.accounts.add_admin(admin).await {
            Ok(_) => Ok(Some(FirstAdmin {
                email,
                made_up_password,
            })),
            // Another instance on the same store was faster.
            Err(StoreError::Exists) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
