//! TLS of the listener.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::options::Key;
use crate::config::{Fault, Faults, file};

/// The acceptor for a PEM file with the certificate chain, leaf first, and one with its private key.
///
/// The provider is named, not the process's default: whether a library installed another one must not matter.
///
/// # Errors
///
/// When the files cannot be used: each fault names its option and file, and both files are looked at.
pub fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor, Faults> {
    let certificates = from_file(Key::TlsCert, chain, certificates);
    let (certificates, private) = match (certificates, from_file(Key::TlsKey, key, private_key)) {
        (Ok(certificates), Ok(private)) => (certificates, private),
        (certificates, private) => {
            let faults = certificates.err().into_iter().chain(private.err());
            return Err(Faults(faults.collect()));
        }
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions();
    let pair = builder.and_then(|builder| {
        let builder = builder.with_no_client_auth();
        builder.with_single_cert(certificates, private)
    });
    let mut config = pair.map_err(|error| {
        let fault = match error {
            rustls::Error::InvalidCertificate(error) => {
                let reason = format!("holds no usable certificate: {error}");
                fault(Key::TlsCert, chain, &reason)
            }
            rustls::Error::InconsistentKeys(_) => {
                let reason = format!("is not the key of the certificate in {}", chain.display());
                fault(Key::TlsKey, key, &reason)
            }
            error => fault(Key::TlsKey, key, &format!("cannot be used: {error}")),
        };
        Faults(vec![fault])
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn fault(option: Key, path: &Path, reason: &str) -> Fault {
    Fault::new(option.name(), format!("{} {reason}", path.display()))
}

/// What `read` finds in the file at `path`.
fn from_file<T>(
    option: Key,
    path: &Path,
    read: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, Fault> {
    let found = match file::contents(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Err("is empty".to_owned()),
        Ok(bytes) => read(&bytes),
        Err(error) => Err(format!("cannot be read: {error}")),
    };
    found.map_err(|reason| fault(option, path, &reason))
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err("holds no certificate in PEM".to_owned()),
    }
}

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    // The first is PKCS #8, the second what OpenSSL wrote before; without its password either is no key.
    let encrypted = [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "Proc-Type: 4,ENCRYPTED",
    ];
    let text = String::from_utf8_lossy(bytes);
    if text.lines().any(|line| encrypted.contains(&line.trim())) {
        return Err(
            "holds an encrypted key; openssl pkey -in FILE -out FILE takes its password off"
                .to_owned(),
        );
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|_| "holds no private key in PEM".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCRYPTED: &str =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    const ENCRYPTED_OLD: &str = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";

    #[test]
    fn every_fault_names_its_option_and_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let ours = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let theirs = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let broken = ours.cert.pem().replace("-----END", "----END");
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (name, text) in [
            ("cert", ours.cert.pem().as_str()),
            ("key", &ours.signing_key.serialize_pem()),
            ("other", &theirs.signing_key.serialize_pem()),
            ("empty", "\n"),
            ("broken", &broken),
            ("text", "no PEM"),
            ("no certificate", no_certificate),
            ("no key", no_key),
            ("encrypted", ENCRYPTED),
            ("encrypted old", ENCRYPTED_OLD),
        ] {
            std::fs::write(at(name), text).unwrap();
        }
        std::fs::create_dir(at("dir")).unwrap();
        assert!(acceptor(&at("cert"), &at("key")).is_ok());
        for (chain, key, expected) in [
            (
                "none",
                "key",
                &["tls-cert: none cannot be read: No such file"][..],
            ),
            (
                "cert",
                "none",
                &["tls-key: none cannot be read: No such file"],
            ),
            (
                "dir",
                "key",
                &["tls-cert: dir cannot be read: Is a directory"],
            ),
            ("empty", "key", &["tls-cert: empty is empty"]),
            ("cert", "empty", &["tls-key: empty is empty"]),
            ("key", "key", &["tls-cert: key holds no certificate in PEM"]),
            (
                "broken",
                "key",
                &["tls-cert: broken holds no certificate in PEM"],
            ),
            (
                "no certificate",
                "key",
                &["tls-cert: no certificate holds no usable certificate: "],
            ),
            (
                "cert",
                "cert",
                &["tls-key: cert holds no private key in PEM"],
            ),
            (
                "cert",
                "text",
                &["tls-key: text holds no private key in PEM"],
            ),
            ("cert", "no key", &["tls-key: no key cannot be used: "]),
            (
                "cert",
                "encrypted",
                &["tls-key: encrypted holds an encrypted key; "],
            ),
            (
                "cert",
                "encrypted old",
                &["tls-key: encrypted old holds an encrypted key; "],
            ),
            (
                "cert",
                "other",
                &["tls-key: other is not the key of the certificate in cert"],
            ),
            (
                "none",
                "text",
                &["tls-cert: none cannot be read", "tls-key: text holds no"],
            ),
        ] {
            let Err(faults) = acceptor(&at(chain), &at(key)) else {
                panic!("{chain} and {key} were taken");
            };
            let shown = faults
                .to_string()
                .replace(&format!("{}/", dir.path().display()), "");
            let lines: Vec<&str> = shown.lines().collect();
            assert!(
                lines.len() == expected.len()
                    && lines
                        .iter()
                        .zip(expected)
                        .all(|(line, begins)| line.starts_with(begins)),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let zero = Path::new("/dev/zero");
        let shown = acceptor(zero, zero).err().map(|faults| faults.to_string());
        assert!(shown.is_some_and(|shown| shown.matches("it has more than").count() == 2));
    }
}
