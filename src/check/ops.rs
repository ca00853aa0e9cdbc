//! The listener for those who watch the sidecar.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::Report;
use super::addresses::{is_sidecar, refusal};
use crate::config::Settings;

/// Before anything of the check listens: what is taken then is another's.
pub(super) async fn examine(settings: &Settings, report: &mut Report) {
    let Some(ops) = settings.server.ops_listen else {
        return;
    };
    let elsewhere = "name another address or port with --ops-listen";
    if settings.server.listeners_collide() {
        let listen = settings.server.listen;
        report.error(
            "ops-listen",
            format!("{ops} is taken by --listen {listen}"),
            elsewhere,
        );
        return;
    }
    match TcpListener::bind(ops).await {
        Ok(_) => free(ops, report),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if is_sidecar("http", ops).await {
                report.fine("ops-listen", format!("a sidecar answers on {ops}"));
            } else {
                report.error(
                    "ops-listen",
                    format!("another program listens on {ops}"),
                    elsewhere,
                );
            }
        }
        Err(error) => report.error(
            "ops-listen",
            format!("cannot listen on {ops}: {error}"),
            refusal(&error, "--ops-listen"),
        ),
    }
}

fn free(ops: SocketAddr, report: &mut Report) {
    let ip = ops.ip().to_canonical();
    if ip.is_unspecified() {
        report.warning(
            "ops-listen",
            format!("{ops} is free, and everybody who reaches this machine reaches it: it asks for no password and speaks plain HTTP"),
            "name the one address on which you watch with --ops-listen, or keep others out with a firewall",
        );
    } else if ip.is_loopback() {
        report.fine(
            "ops-listen",
            format!("{ops} is free, and reached from this machine only"),
        );
    } else {
        report.fine(
            "ops-listen",
            format!("{ops} is free; other machines reach it without a password, in plain HTTP: see that only those who watch can"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity;

    #[test]
    fn who_reaches_a_free_address_is_told() {
        for (ops, severity, told) in [
            ("127.0.0.1:1", Severity::Fine, "this machine only"),
            ("[::1]:1", Severity::Fine, "this machine only"),
            ("192.0.2.1:1", Severity::Fine, "other machines reach it"),
            ("0.0.0.0:1", Severity::Warning, "everybody"),
            ("[::]:1", Severity::Warning, "everybody"),
        ] {
            let mut report = Report::default();
            free(ops.parse().unwrap(), &mut report);
            let [finding] = &report.0[..] else {
                panic!("{report}")
            };
            assert_eq!(finding.severity, severity, "{ops}");
            assert!(finding.text.contains(told), "{report}");
        }
    }
}
