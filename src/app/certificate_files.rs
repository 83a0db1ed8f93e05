//! A certificate in files that something else renews (`tls.mode = "files"`).

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::http::{Certificates, CertifiedPair};

/// How often the files are looked at. Their content is compared, so links and copies with old times are no special case.
const INTERVAL: Duration = Duration::from_secs(3);
/// Maximum length of a file.
const MAX_LENGTH: u64 = 1 << 20;

/// Presents the certificate of two files, and reads it again when they change.
pub(super) struct CertificateFiles {
    paths: Paths,
    certificates: Certificates,
    clock: Clock,
    /// Of the content that was last tried; `None` when the files could not be read.
    last: Option<Digest>,
}

#[derive(Clone)]
struct Paths {
    chain: PathBuf,
    key: PathBuf,
}

type Digest = [u8; 32];

/// The content of both files.
struct Content {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateFiles {
    /// Reads the files. A pair that can't be used is an error that names the files and the reason.
    pub(super) fn open(
        chain: &Path,
        key: &Path,
        certificates: Certificates,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let paths = Paths {
            chain: chain.to_owned(),
            key: key.to_owned(),
        };
        let content = paths.read()?;
        let files = Self {
            paths,
            certificates,
            clock,
            last: Some(content.digest()),
        };
        files.present(&content)?;
        Ok(files)
    }

    /// Presents the files' new content whenever it changes, or on SIGHUP. Content that can't be used is logged once, and the
    /// certificate before it stays.
    pub(super) async fn follow(mut self) -> Infallible {
        // Without the signal, the interval serves.
        let mut hangup = signal(SignalKind::hangup()).ok();
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(INTERVAL) => false,
                Some(_) = async { hangup.as_mut()?.recv().await } => true,
            };
            let paths = self.paths.clone();
            let read = tokio::task::spawn_blocking(move || paths.read());
            let content = read.await.unwrap_or_else(|error| Err(error.into()));
            self.take(content, is_asked);
        }
    }

    fn take(&mut self, content: anyhow::Result<Content>, is_asked: bool) {
        let digest = content.as_ref().ok().map(Content::digest);
        if digest == self.last && !is_asked {
            return;
        }
        self.last = digest;
        match content.and_then(|content| self.present(&content)) {
            Ok(()) => tracing::info!("the certificate of HTTPS was read again"),
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "the new certificate of HTTPS can't be used; the one before it stays"
            ),
        }
    }

    fn present(&self, content: &Content) -> anyhow::Result<()> {
        let pair = CertifiedPair::from_pem(&content.chain, &content.key).with_context(|| {
            format!(
                "tls.cert_file ({}) and tls.key_file ({})",
                self.paths.chain.display(),
                self.paths.key.display()
            )
        })?;
        let now = UNIX_EPOCH + Duration::from_millis(self.clock.millis());
        if !pair.facts().is_valid_at(now) {
            tracing::warn!(
                file = %self.paths.chain.display(),
                "the certificate of HTTPS has expired, or is not valid yet: browsers refuse it"
            );
        }
        self.certificates.set(pair);
        Ok(())
    }
}

impl Paths {
    fn read(&self) -> anyhow::Result<Content> {
        Ok(Content {
            chain: read("tls.cert_file", &self.chain)?,
            key: read("tls.key_file", &self.key)?,
        })
    }
}

fn read(setting: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let read = || {
        let mut content = Vec::new();
        std::fs::File::open(file)?
            .take(MAX_LENGTH)
            .read_to_end(&mut content)?;
        std::io::Result::Ok(content)
    };
    read().with_context(|| format!("can't read {} ({setting})", file.display()))
}

impl Content {
    fn digest(&self) -> Digest {
        let mut digest = Sha256::new();
        for file in [&self.chain, &self.key] {
            digest.update((file.len() as u64).to_be_bytes());
            digest.update(file);
        }
        digest.finalize().into()
    }
}
