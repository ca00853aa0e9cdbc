//! Which language somebody reads.

use super::texts::{self, Texts};

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// Its code, as in `lang` of HTML.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// Its name for those who speak it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::French => "Français",
        }
    }

    /// Every text in it.
    #[must_use]
    pub const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &texts::en::TEXTS,
            Self::French => &texts::fr::TEXTS,
        }
    }

    /// The one that a tag means: `fr`, `fr-CA`, GLPI's `fr_FR`.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let first = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| first.eq_ignore_ascii_case(language.code()))
    }

    /// The one that is wanted: as chosen, else as the account has it in GLPI, else the browser's first that there is (RFC 9110, 12.5.4),
    /// else English.
    #[must_use]
    pub fn wanted(chosen: Option<&str>, account: Option<&str>, accepted: &str) -> Self {
        let of_account = || account.and_then(Self::of_tag);
        chosen
            .and_then(Self::of_tag)
            .or_else(of_account)
            .unwrap_or_else(|| Self::accepted(accepted))
    }

    fn accepted(header: &str) -> Self {
        // No browser sends more, and nobody else has to be understood.
        let ranges = header.split(',').take(32);
        let mut best = (Self::English, 0.0);
        for range in ranges {
            let (tag, parameter) = range.split_once(';').unwrap_or((range, ""));
            let weight = match parameter.trim().split_once('=') {
                Some((name, weight)) if name.trim() == "q" => {
                    weight.trim().parse().unwrap_or(0.0_f32)
                }
                _ => 1.0,
            };
            if let Some(language) = Self::of_tag(tag)
                && weight > best.1
            {
                best = (language, weight);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use Language::{English, French};

    use super::*;

    #[test]
    fn the_choice_comes_first_then_the_account_then_the_browser() {
        for (chosen, account, accepted, language) in [
            (None, None, "", English),
            (None, None, "fr", French),
            (None, None, "de, fr;q=0.7, en;q=0.3", French),
            (None, None, "fr;q=0.2,en-GB;q=0.9", English),
            (None, None, "fr;q=0", English),
            (None, None, "fr;q=x", English),
            (None, None, "fr ; q = 0.5", French),
            (None, None, "*", English),
            (None, None, "french, FR-ca", French),
            (None, Some("fr_FR"), "en", French),
            (None, Some("de_DE"), "fr", French),
            (None, Some(""), "fr", French),
            (Some("en"), Some("fr_FR"), "fr", English),
            (Some("xx"), Some("fr_FR"), "en", French),
        ] {
            assert_eq!(
                Language::wanted(chosen, account, accepted),
                language,
                "{chosen:?} {account:?} {accepted}"
            );
        }
    }
}
