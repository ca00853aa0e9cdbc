//! getFilePart: which file on disk an agent means.

use std::path::{Path, PathBuf};

use super::Dispatcher;

/// Why a part is not handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// No name at all.
    #[error("no file is named")]
    Unnamed,
    /// The name is none of a part.
    #[error("this is no file part's name")]
    BadName,
    /// No document directory is configured.
    #[error("there are no file parts here")]
    NoDirectory,
}

/// A part: its hash and where it should lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its SHA-512, which is also its entity tag: a part never changes.
    pub sha512: String,
    /// Its path.
    pub path: PathBuf,
}

impl Dispatcher {
    /// The part that `file` names: `x/xx/SHA512`, with or without a slash in front (agent 2.6 sends one).
    ///
    /// The path is made from the hash alone; nothing else of the parameter reaches the file system.
    ///
    /// # Errors
    ///
    /// When it names none.
    pub fn file_part(&self, file: Option<&str>) -> Result<Part, PartError> {
        let file = file
            .filter(|file| !file.is_empty())
            .ok_or(PartError::Unnamed)?;
        let sha512 = part_name(file).ok_or(PartError::BadName)?;
        let doc_dir = self.doc_dir.as_deref().ok_or(PartError::NoDirectory)?;
        let repository = doc_dir.join("files").join("repository");
        let path = repository
            .join(&sha512[..1])
            .join(&sha512[..2])
            .join(sha512);
        Ok(Part {
            sha512: sha512.to_owned(),
            path,
        })
    }
}

/// The hash in `x/xx/SHA512`.
fn part_name(file: &str) -> Option<&str> {
    let mut segments = file.trim_start_matches('/').split('/');
    let (one, two, sha512) = (segments.next()?, segments.next()?, segments.next()?);
    let fits = segments.next().is_none()
        && one.chars().count() == 1
        && two.chars().count() == 2
        && is_sha512(sha512);
    fits.then_some(sha512)
}

/// Whether `name` is a SHA-512 in hexadecimal.
pub(super) fn is_sha512(name: &str) -> bool {
    name.len() == 128 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where the manifest of a file lies: the names of its parts, a line each.
pub(super) fn manifest_path(doc_dir: &Path, sha512: &str) -> PathBuf {
    doc_dir.join("files").join("manifests").join(sha512)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_parts_are_taken() {
        let hash = "ab".repeat(64);
        for good in [
            format!("a/ab/{hash}"),
            format!("/a/ab/{hash}"),
            format!("x/yy/{hash}"),
        ] {
            assert_eq!(part_name(&good), Some(hash.as_str()), "{good}");
        }
        for bad in [
            String::new(),
            hash.clone(),
            format!("a/ab/{hash}/"),
            format!("a/ab/../{hash}"),
            format!("../ab/{hash}"),
            format!("a/ab/{}", &hash[1..]),
            format!("a/ab/{}g", &hash[1..]),
            format!("a/ab/{hash}\0"),
            "a/ab/../../../../config/config_db.php".to_owned(),
            "/../../../../../etc/passwd".to_owned(),
        ] {
            assert_eq!(part_name(&bad), None, "{bad}");
        }
    }
}
