//! Why nothing happens, in the language of whoever asks.

use crate::domain::opening::Reason;
use crate::domain::sequence::Over;
use crate::domain::site::Closed;
use crate::domain::summary::{Held, Why};
use crate::web::language::Language;
use crate::web::moments::moment;
use crate::web::texts::{fill, task};

/// The reason, and when the next time is.
pub(in crate::web) fn told(why: &Why, language: Language) -> (String, Option<String>) {
    let next = why.until.map(|until| {
        let t = task::of(language);
        fill(t.next_time, moment(until))
    });
    let reason = match language {
        Language::English => why.reason.clone(),
        Language::French => french(&why.held),
    };
    (reason, next)
}

fn french(held: &Held) -> String {
    match held {
        Held::Closed(Closed::Maintenance) => "GLPI est en maintenance".to_owned(),
        Held::Closed(Closed::PluginOff) => {
            "le plugin FusionInventory n’est pas en service".to_owned()
        }
        Held::SlotClosed(Some(until)) => {
            format!(
                "le créneau d’exécution est fermé jusqu’au {}",
                moment(*until)
            )
        }
        Held::SlotClosed(None) => "le créneau d’exécution n’ouvre jamais".to_owned(),
        Held::Unprepared(reason) => unprepared(reason),
    }
}

fn unprepared(reason: &Reason) -> String {
    let plain = match reason {
        Reason::UnknownMethod(method) => {
            return format!("aucun agent ne fait de travail du type « {method} »");
        }
        Reason::NotYet(start) => return format!("sa tâche commence le {}", moment(*start)),
        Reason::SlotClosed(Some(until)) => {
            return format!(
                "le créneau de préparation est fermé jusqu’au {}",
                moment(*until)
            );
        }
        Reason::Delayed(until) => return format!("attend son délai jusqu’au {}", moment(*until)),
        Reason::AwaitsSuccess(job) => return format!("attend le succès du travail {job}"),
        Reason::NoSuccess(job) => {
            return format!(
                "le travail {job} qui le précède ne s’est pas bien terminé dans cette occurrence"
            );
        }
        Reason::OccurrenceOver(over, next) => {
            return format!(
                "l’occurrence de la tâche est terminée ({}) ; la prochaine commence au plus tôt le {}",
                ended(*over),
                moment(*next)
            );
        }
        Reason::ModuleOff(module) => {
            return format!("le module {} est désactivé pour ses agents", module.name());
        }
        Reason::NoTask => "sa tâche n’existe pas",
        Reason::TaskInactive => "sa tâche est désactivée",
        Reason::Over => "les dates de sa tâche sont passées",
        Reason::EndAlone => "sa tâche a une date de fin sans date de début",
        Reason::SlotClosed(None) => "le créneau de préparation n’ouvre jamais",
        Reason::AgentDriven => {
            "les agents pilotent sa tâche : une exécution est créée quand un agent la demande"
        }
        Reason::NoAgents => "ses acteurs ne sont aucun agent",
        Reason::NoTargets => {
            "il n’a pas de cible, ou aucun équipement de ses plages IP n’a d’identifiants SNMP"
        }
    };
    plain.to_owned()
}

const fn ended(over: Over) -> &'static str {
    match over {
        Over::Done => "achevée",
        Over::Time => "son temps est écoulé",
        Over::Dates => "les dates de la tâche sont passées",
        Over::Plain => "la tâche était entre-temps sans séquence",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::JobId;
    use crate::domain::modules::Module;

    #[test]
    fn every_reason_has_words_of_its_own_in_both_languages() {
        let at: chrono::NaiveDateTime = "2026-03-06T00:00:00".parse().unwrap();
        let mut all = vec![
            Held::Closed(Closed::Maintenance),
            Held::Closed(Closed::PluginOff),
            Held::SlotClosed(Some(at)),
            Held::SlotClosed(None),
        ];
        let over = [Over::Done, Over::Time, Over::Dates, Over::Plain];
        let over = over.map(|over| Reason::OccurrenceOver(over, at));
        let reasons = [
            Reason::NoTask,
            Reason::TaskInactive,
            Reason::UnknownMethod("m".to_owned()),
            Reason::NotYet(at),
            Reason::Over,
            Reason::EndAlone,
            Reason::SlotClosed(Some(at)),
            Reason::SlotClosed(None),
            Reason::Delayed(at),
            Reason::AwaitsSuccess(JobId(7)),
            Reason::NoSuccess(JobId(7)),
            Reason::AgentDriven,
            Reason::NoAgents,
            Reason::ModuleOff(Module::Deploy),
            Reason::NoTargets,
        ];
        all.extend(reasons.into_iter().chain(over).map(Held::Unprepared));
        let mut seen = std::collections::HashSet::new();
        for held in all {
            let why = Why::from(held.clone());
            let (english, next) = told(&why, Language::English);
            assert_eq!(english, held.to_string());
            let (french, _) = told(&why, Language::French);
            for part in ["7", "DEPLOY", "2026-03-06 00:00:00"] {
                assert_eq!(english.contains(part), french.contains(part), "{held:?}");
            }
            assert_eq!(next.is_some(), why.until.is_some(), "{held:?}");
            assert!(
                seen.insert(english.clone()) && seen.insert(french),
                "{held:?}"
            );
        }
    }
}
