//! TLS of a listener: its certificates, read again when their files change, under the look at the bytes of requests.

use super::guard::guarded;
use crate::config::TlsConfig;
use mainstay::{
    call::{BoxFuture, Peer},
    transport::{Accepted, BoxIo, ClientAuth, Pem, Secure, ServerTls, Tls, TlsError},
};
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    io,
    path::PathBuf,
    time::Duration,
};
use tokio::time::sleep;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Shakes hands, then looks at what comes.
#[derive(Debug)]
pub(crate) struct GuardedTls(ServerTls);

impl Secure for GuardedTls {
    fn secure(&self, accepted: Accepted) -> BoxFuture<'static, io::Result<(BoxIo, Peer)>> {
        let shaking = self.0.secure(accepted);
        Box::pin(async move {
            let (io, peer) = shaking.await?;
            Ok((guarded(io), peer))
        })
    }
}

/// The certificates of a listener.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    tls: ServerTls,
    files: Vec<PathBuf>,
    /// What the files held when they were read.
    read: u64,
}

impl Certificates {
    /// Reads and checks them.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(crate) fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let files: Vec<PathBuf> = config.files().cloned().collect();
        let read = digest(&files);
        let mut builder = Tls::server(Pem::file(&config.first.0), Pem::file(&config.first.1));
        for (certificate, key) in &config.others {
            builder = builder.certificate(Pem::file(certificate), Pem::file(key));
        }
        if let Some((ca, required)) = &config.clients {
            let auth = if *required { ClientAuth::Required } else { ClientAuth::Optional };
            builder = builder.client_ca(Pem::file(ca), auth);
        }
        Ok(Self { tls: builder.build()?, files, read })
    }

    /// What a server secures connections with.
    pub(crate) fn secure(&self) -> GuardedTls {
        GuardedTls(self.tls.clone())
    }

    /// Follows the files for as long as the future is polled. Connections that are there stay as they are; what is wrong is told
    /// once, and leaves what was shown.
    pub(crate) async fn follow(self) {
        let Self { tls, files, mut read } = self;
        loop {
            sleep(EVERY).await;
            let (tls, files) = (tls.clone(), files.clone());
            // Files may lie on a disk that takes its time.
            let looked = tokio::task::spawn_blocking(move || {
                let now = digest(&files);
                (now != read).then(|| (now, tls.reload()))
            });
            match looked.await {
                Ok(Some((now, Ok(())))) => {
                    read = now;
                    tracing::info!("the certificates were read again");
                }
                Ok(Some((now, Err(error)))) => {
                    read = now;
                    tracing::error!(%error, "the certificates are refused, what was shown stays");
                }
                Ok(None) | Err(_) => {}
            }
        }
    }
}

/// What the files hold, in one number; one that cannot be read counts as such.
fn digest(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.iter().for_each(|file| std::fs::read(file).ok().hash(&mut hasher));
    hasher.finish()
}
