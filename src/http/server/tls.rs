//! TLS of the listener.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Why a certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of its kind.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The two do not fit each other, or the key is of an unknown kind.
    #[error("certificate and key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

/// The acceptor for a PEM file with the certificate chain, leaf first, and one with its private key.
///
/// The provider is named, not the process's default: whether a library installed another one must not matter.
///
/// # Errors
///
/// [`TlsError`]
pub fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|found| {
            if found.is_empty() {
                Err(pem::Error::NoItemsFound)
            } else {
                Ok(found)
            }
        })
        .map_err(failed(chain))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(failed(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let [chain, key, other, none] =
            ["chain", "key", "other", "none"].map(|name| dir.path().join(name));
        let ours = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let theirs = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&chain, ours.cert.pem()).unwrap();
        std::fs::write(&key, ours.signing_key.serialize_pem()).unwrap();
        std::fs::write(&other, theirs.signing_key.serialize_pem()).unwrap();
        assert!(acceptor(&chain, &key).is_ok());
        let cases = [
            (&none, &key, Some("none")),
            (&chain, &none, Some("none")),
            (&key, &key, Some("key")),
            (&chain, &chain, Some("chain")),
            (&chain, &other, None),
        ];
        for (chain, key, named) in cases {
            let Err(error) = acceptor(chain, key) else {
                panic!("{} and {} were taken", chain.display(), key.display());
            };
            match (named, &error) {
                (Some(named), TlsError::File { path, .. }) => {
                    assert!(path.ends_with(named), "{error}");
                }
                (None, TlsError::Pair(_)) => {}
                _ => panic!("{error:?}"),
            }
        }
    }
}
