//! The file that the demo deploys, stored as the plugin stores what is uploaded to it.
//!
//! A part is a gzip stream of a piece of the content, named by the SHA-512 of that stream, in `files/repository/x/xx/`. The manifest
//! `files/manifests/SHA512`, named by that of the whole content, lists the parts in order (plugin 10.0.6+1.1; the agent joins what it
//! inflates and compares).

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha512};

/// Bytes of the content in one part, as the plugin cuts it.
const PART: usize = 1024 * 1024;

/// Lines of the sample content: about two and a half parts.
const LINES: u32 = 64_000;

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// SHA-512 of the content, hexadecimal.
    pub sha512: String,
    /// Bytes of the content.
    pub size: u64,
    /// Names of its parts, in order.
    pub parts: Vec<String>,
}

/// A text of a few megabytes, the same each time.
#[must_use]
pub fn handbook() -> String {
    let mut text = String::from("Staff handbook\nFor everyone at this company.\n");
    for line in 1..=LINES {
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "Rule {line}: what rule {} says holds.",
            line.wrapping_mul(2_654_435_761) % LINES + 1
        );
    }
    text
}

/// Stores `content` below the plugin's document directory `documents`. What is there already stays as it is.
///
/// # Errors
///
/// When a file cannot be written.
pub fn store(content: &[u8], documents: &Path) -> io::Result<Stored> {
    let files = documents.join("files");
    let mut parts = Vec::new();
    for piece in content.chunks(PART) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(piece)?;
        let part = encoder.finish()?;
        let name = hexadecimal(&part);
        write_once(
            &files.join("repository").join(&name[..1]).join(&name[..2]),
            &name,
            &part,
        )?;
        parts.push(name);
    }
    let sha512 = hexadecimal(content);
    let manifest = parts.join("\n") + "\n";
    write_once(&files.join("manifests"), &sha512, manifest.as_bytes())?;
    Ok(Stored {
        sha512,
        size: content.len() as u64,
        parts,
    })
}

/// Under its name only when complete: the name says what is in it.
fn write_once(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let file = dir.join(name);
    if file.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    let part = dir.join("part");
    std::fs::write(&part, content)?;
    std::fs::rename(part, file)
}

fn hexadecimal(bytes: &[u8]) -> String {
    format!("{:x}", Sha512::digest(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn parts_join_to_the_content() {
        let documents = tempfile::tempdir().unwrap();
        let content = handbook();
        let stored = store(content.as_bytes(), documents.path()).unwrap();
        assert_eq!((stored.parts.len(), stored.size), (3, content.len() as u64));
        let files = documents.path().join("files");
        let manifest =
            std::fs::read_to_string(files.join("manifests").join(&stored.sha512)).unwrap();
        assert_eq!(manifest.lines().collect::<Vec<_>>(), stored.parts);
        let mut joined = String::new();
        for part in manifest.lines() {
            let path = files
                .join("repository")
                .join(&part[..1])
                .join(&part[..2])
                .join(part);
            let bytes = std::fs::read(path).unwrap();
            assert_eq!(hexadecimal(&bytes), part);
            GzDecoder::new(bytes.as_slice())
                .read_to_string(&mut joined)
                .unwrap();
        }
        assert!(joined == content);
        assert_eq!(hexadecimal(joined.as_bytes()), stored.sha512);
        // Again, as a start on kept data does.
        assert_eq!(store(content.as_bytes(), documents.path()).unwrap(), stored);
    }
}
