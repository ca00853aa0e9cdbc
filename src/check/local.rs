//! What lies on this machine: the certificate, the plugin's documents, the spool, GLPI's directory.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::Report;
use crate::config::Settings;
use crate::http::server::tls;
use crate::lifecycle::descriptors;
use crate::spool::view::View;

/// Most manifests that are looked into.
const SAMPLE: usize = 20;
/// Bytes that are read of a manifest.
const LONGEST_LINE: u64 = 200;

pub(super) fn examine(settings: &Settings, report: &mut Report) {
    glpi_directory(settings, report);
    if let Some((certificate, key)) = &settings.server.tls {
        match tls::acceptor(certificate, key) {
            Ok(_) => report.fine("tls", format!("{} and its key fit", certificate.display())),
            Err(faults) => {
                for fault in faults.0 {
                    report.error(
                        "tls",
                        fault.to_string(),
                        "name a PEM certificate chain with --tls-cert and its unencrypted key with --tls-key, readable by this user",
                    );
                }
            }
        }
    }
    open_files(descriptors::highest(), settings.descriptors(), report);
    documents(settings.dispatch.plugin_doc_dir.as_deref(), report);
    if let Some(spool) = &settings.spool_dir {
        match tempfile::NamedTempFile::new_in(spool) {
            Ok(_) => spooled(spool, settings, report),
            Err(error) => report.error(
                "spool",
                // The error's own text names the file that was tried.
                format!("{}: {}", spool.display(), io::Error::from(error.kind())),
                "make the directory of --spool-dir, owned by the user who runs fusion-sidecar",
            ),
        }
    }
}

fn spooled(dir: &Path, settings: &Settings, report: &mut Report) {
    report.fine("spool", format!("{} is writable", dir.display()));
    let view = match View::read(dir) {
        Ok(view) => view,
        Err(error) => {
            report.error(
                "spool",
                format!("{}: {error}", dir.display()),
                "give its files to the user who runs fusion-sidecar",
            );
            return;
        }
    };
    let (usage, bounds) = (view.usage(), settings.spool_bounds);
    report.fine(
        "spool",
        format!(
            "{} messages wait, {} are parked, in {} of {} bytes",
            usage.waiting, usage.parked, usage.bytes, bounds.max_bytes
        ),
    );
    if usage.parked > 0 {
        report.warning(
            "spool",
            format!("{} messages are parked and not delivered", usage.parked),
            "`fusion-sidecar spool list` says why; then `spool retry`, `spool export` or `spool drop`",
        );
    }
    if let Some(free) = usage.free.filter(|free| *free < bounds.min_free) {
        report.error(
            "spool",
            format!("{free} bytes are free on the disk of {}, less than spool-min-free ({}): messages are refused", dir.display(), bounds.min_free),
            "make room there, or lower --spool-min-free",
        );
    }
    let found = view.recovery();
    if found.is_damaged() {
        report.warning(
            "spool",
            format!(
                "damage in {}: {} places of {} bytes, {} moves, {} unreadable files",
                dir.display(),
                found.damaged,
                found.damaged_bytes,
                found.damaged_moves,
                found.unreadable.len()
            ),
            "look after the disk; bytes that could not be read are kept in files that end in .damaged",
        );
    }
}

/// `serve` gives itself as much as it may.
fn open_files(highest: Option<u64>, needed: u64, report: &mut Report) {
    match highest {
        Some(highest) if highest < needed => report.warning(
            "files",
            format!("{highest} files may be open here, max-connections and what is needed beside are {needed}: connections fail when they run out"),
            "raise the limit (LimitNOFILE in the unit of the service, which may differ from this session's; ulimit -Hn), or lower --max-connections",
        ),
        _ => report.fine("files", format!("{needed} files may be open at once")),
    }
}

fn glpi_directory(settings: &Settings, report: &mut Report) {
    let Some(glpi) = &settings.glpi else { return };
    for note in &glpi.notes {
        report.warning(
            "glpi-dir",
            note.as_str(),
            "see whether that is what you want, or give --database-url instead",
        );
    }
    let root = glpi.root.display();
    if glpi.plugin_base.is_some() {
        report.fine("glpi-dir", format!("{root} is read"));
    } else {
        report.error(
            "glpi-dir",
            format!("the plugin lies neither in {root}/plugins nor in {root}/marketplace"),
            "install the FusionInventory plugin, or name the right GLPI",
        );
    }
}

fn documents(directory: Option<&Path>, report: &mut Report) {
    let Some(directory) = directory else {
        report.warning(
            "documents",
            "no document directory is named: agents get no file of a package",
            "name the plugin's with --plugin-doc-dir (GLPI's files/_plugins/fusioninventory)",
        );
        return;
    };
    let mut whole = true;
    for part in ["files/repository", "files/manifests"] {
        let path = directory.join(part);
        if let Err(error) = readable(&path) {
            whole = false;
            report.error(
                "documents",
                format!("{}: {error}", path.display()),
                "name the plugin's document directory with --plugin-doc-dir, and let the user who runs fusion-sidecar read it (setfacl -R -m u:USER:rX)",
            );
        }
    }
    if whole {
        sample(&directory.join("files"), report);
    }
}

/// Opens the first part of some manifests, as agents will have them: directories are often readable where files are not.
fn sample(files: &Path, report: &mut Report) {
    let manifests = files.join("manifests").read_dir().into_iter().flatten();
    let (mut readable, mut tried) = (0_usize, 0_usize);
    for manifest in manifests.flatten().take(SAMPLE) {
        let path = manifest.path();
        tried += 1;
        let part = match first_line(&path) {
            Ok(part) => part,
            Err(error) => {
                unreadable(&path, &error, report);
                continue;
            }
        };
        // Anything else is no name of a part.
        let (Some(one), Some(two)) = (part.get(..1), part.get(..2)) else {
            continue;
        };
        let path = files.join("repository").join(one).join(two).join(&part);
        match File::open(&path) {
            Ok(_) => readable += 1,
            Err(error) => unreadable(&path, &error, report),
        }
    }
    report.fine(
        "documents",
        format!(
            "{} is readable, and {readable} of {tried} files that were tried",
            files.display()
        ),
    );
}

fn unreadable(path: &Path, error: &io::Error, report: &mut Report) {
    let mend = match error.kind() {
        io::ErrorKind::NotFound => {
            "copy files/repository and files/manifests whole, or upload the package's file again in GLPI"
        }
        _ => {
            "let the user who runs fusion-sidecar read it (setfacl -R -m u:USER:rX), new files too (setfacl -R -d -m u:USER:rX)"
        }
    };
    report.warning(
        "documents",
        format!(
            "agents do not get a file of a package: {}: {error}",
            path.display()
        ),
        mend,
    );
}

/// A hash of 128 digits with its line break is more than any line that is wanted.
fn first_line(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LONGEST_LINE)
        .read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default();
    Ok(line.chars().filter(char::is_ascii_hexdigit).collect())
}

/// Whether `path` can be listed.
fn readable(path: &Path) -> io::Result<()> {
    path.read_dir().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_cannot_be_read_are_named_up_to_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let files = dir.path().join("files");
        for part in ["manifests", "repository/a/ab"] {
            std::fs::create_dir_all(files.join(part)).unwrap();
        }
        std::fs::write(files.join("manifests/whole"), "abc1\nabc2\n").unwrap();
        std::fs::write(files.join("repository/a/ab/abc1"), "").unwrap();
        let check = || {
            let mut report = Report::default();
            documents(Some(dir.path()), &mut report);
            report.to_string()
        };
        let said = check();
        assert!(
            said.contains("is readable, and 1 of 1 files that were tried\n0 errors, 0 warnings"),
            "{said}"
        );

        std::fs::write(files.join("manifests/lost"), "ffff\n").unwrap();
        std::fs::create_dir(files.join("manifests/dir")).unwrap();
        let said = check();
        for (path, mend) in [
            (
                "/repository/f/ff/ffff: No such file",
                "copy files/repository",
            ),
            ("/manifests/dir: Is a directory", "let the user who runs"),
        ] {
            assert!(
                said.lines().any(
                    |line| line.starts_with("warning: documents: agents do not get")
                        && line.contains(path)
                        && line.contains(mend)
                ),
                "{said}"
            );
        }

        for lost in 0..100 {
            std::fs::write(files.join(format!("manifests/{lost}")), "ffff").unwrap();
        }
        assert!(check().matches("warning: ").count() <= SAMPLE);
    }
}
