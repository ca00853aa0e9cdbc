//! GLPI's own address, to which goes what only PHP can do.

use std::time::Duration;

use super::Report;
use super::probe::{Answer, Nonce, ask, causes, fetch};
use crate::config::Settings;
use crate::domain::catalogue::Catalogue;
use crate::upstream::{QUESTION, SIGNATURE, Upstream};

/// Longest wait for GLPI's own reader of inventories.
const NATIVE: Duration = Duration::from_secs(10);

pub(super) async fn examine(
    settings: &Settings,
    nonce: Option<&Nonce>,
    catalogue: Option<&Catalogue>,
    report: &mut Report,
) {
    let Some(url) = &settings.upstream_url else {
        let what = if settings.spool_dir.is_some() {
            "no address of GLPI is given: the spool only collects, and inventories are not imported"
        } else {
            "no address of GLPI is given: inventories are refused"
        };
        let mend = "name GLPI's own address with --upstream-url";
        report.warning("upstream", what, mend);
        return;
    };
    let plugin_base = settings.glpi.as_ref().and_then(|glpi| glpi.plugin_base);
    let upstream = match Upstream::new(url, plugin_base, settings.server.request_timeout) {
        Ok(upstream) => upstream,
        Err(error) => {
            report.error(
                "upstream",
                error.to_string(),
                "see whether this machine has certificates of authorities (ca-certificates)",
            );
            return;
        }
    };
    let address = upstream.address();
    let loops = "name the address where PHP answers, not one that leads to a sidecar";
    match ask(&format!("{address}/b/deploy/"), nonce).await {
        Answer::Here | Answer::HereUntrusted(_) => {
            report.error(
                "upstream",
                format!("{address} is a sidecar itself: messages would go round in circles"),
                loops,
            );
            return;
        }
        Answer::OtherDatabase => {
            report.error(
                "upstream",
                format!("{address} is a sidecar on another database"),
                loops,
            );
            return;
        }
        Answer::Redirect { .. } | Answer::Other { .. } | Answer::Nobody(_) => {}
    }
    if upstream.place().is_native() {
        match upstream.ask(NATIVE).await {
            Ok(()) => report.fine("upstream", format!("{url} answers")),
            Err(why) => report.error(
                "upstream",
                format!("{url} takes no inventories: {why}"),
                "correct --upstream-url, or let GLPI's web server answer there without a password",
            ),
        }
    }
    match fetch(&format!("{address}/?{QUESTION}"), false).await {
        Err(error) => report.error(
            "upstream",
            format!("{address} cannot be reached: {}", causes(&error)),
            "correct --upstream-url, or see that GLPI's web server runs",
        ),
        Ok(response) => {
            let signature = response.headers().get(SIGNATURE.0);
            let signed = signature
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.starts_with(SIGNATURE.1));
            if signed {
                report.fine("upstream", format!("{address} is the plugin"));
            } else {
                report.error(
                    "upstream",
                    format!("{address} does not answer like the plugin (status {})", response.status().as_u16()),
                    "name GLPI's address with --upstream-url, below which plugins or marketplace lies, and see that the plugin is active",
                );
            }
        }
    }
    let ssl_only = catalogue.is_some_and(|catalogue| catalogue.config.ssl_only);
    // GLPI's own reader has no such setting.
    if ssl_only && url.scheme() == "http" && !upstream.place().is_native() {
        report.error(
            "upstream",
            "the plugin demands HTTPS (ssl_only): PHP would refuse every message that comes by plain HTTP",
            "give an https address with --upstream-url",
        );
    }
}
