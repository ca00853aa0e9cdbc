//! What lies on this machine: the certificate, the plugin's documents, the spool, GLPI's directory.

use std::io;
use std::path::Path;

use super::Report;
use crate::config::Settings;
use crate::http::server::tls;
use crate::lifecycle::descriptors;

pub(super) fn examine(settings: &Settings, report: &mut Report) {
    glpi_directory(settings, report);
    if let Some((certificate, key)) = &settings.server.tls {
        match tls::acceptor(certificate, key) {
            Ok(_) => report.fine("tls", format!("{} and its key fit", certificate.display())),
            Err(error) => report.error(
                "tls",
                error.to_string(),
                "name a PEM certificate chain with --tls-cert and its unencrypted key with --tls-key, readable by this user",
            ),
        }
    }
    open_files(descriptors::highest(), settings.descriptors(), report);
    documents(settings.dispatch.plugin_doc_dir.as_deref(), report);
    if let Some(spool) = &settings.spool_dir {
        match tempfile::NamedTempFile::new_in(spool) {
            Ok(_) => report.fine("spool", format!("{} is writable", spool.display())),
            Err(error) => report.error(
                "spool",
                // The error's own text names the file that was tried.
                format!("{}: {}", spool.display(), io::Error::from(error.kind())),
                "make the directory of --spool-dir, owned by the user who runs fusion-sidecar",
            ),
        }
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
        report.fine("documents", format!("{} is readable", directory.display()));
    }
}

/// Lists `path`, and opens the first file in it: directories are often readable where files are not.
fn readable(path: &Path) -> io::Result<()> {
    for entry in path.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::File::open(entry.path())?;
            break;
        }
    }
    Ok(())
}
