//! What pages refer to: compiled in, under names that change with the content, so that browsers may keep it for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::routes::BASE;

/// A file.
#[derive(Debug)]
struct Asset {
    stem: &'static str,
    extension: &'static str,
    kind: &'static str,
    content: &'static str,
}

const STYLE: Asset = Asset {
    stem: "style",
    extension: "css",
    kind: "text/css; charset=utf-8",
    content: concat!(
        include_str!("assets/style.css"),
        include_str!("assets/reports.css")
    ),
};

const ICONS: Asset = Asset {
    stem: "icons",
    extension: "svg",
    kind: "image/svg+xml",
    content: include_str!("assets/icons.svg"),
};

const LIVE: Asset = Asset {
    stem: "live",
    extension: "js",
    kind: "text/javascript; charset=utf-8",
    content: include_str!("assets/live.js"),
};

const EDIT: Asset = Asset {
    stem: "edit",
    extension: "js",
    kind: "text/javascript; charset=utf-8",
    content: include_str!("assets/edit.js"),
};

const ALL: [Asset; 4] = [STYLE, ICONS, LIVE, EDIT];

impl Asset {
    /// Its name with the first half of its hash.
    fn name(&self) -> String {
        let hash = format!("{:x}", Sha256::digest(self.content));
        format!("{}-{}.{}", self.stem, &hash[..32], self.extension)
    }

    fn url(&self) -> String {
        format!("{BASE}assets/{}", self.name())
    }
}

/// The addresses of all.
#[derive(Debug)]
pub struct Urls {
    /// Colours and places.
    pub style: String,
    /// The icons, each a fragment.
    pub icons: String,
    /// What keeps the monitoring page as it is counted.
    pub live: String,
    /// What makes editing a task quicker.
    pub edit: String,
}

/// The addresses of all.
pub static URLS: LazyLock<Urls> = LazyLock::new(|| Urls {
    style: STYLE.url(),
    icons: ICONS.url(),
    live: LIVE.url(),
    edit: EDIT.url(),
});

/// `GET assets/NAME`.
pub async fn asset(Path(name): Path<String>) -> Response {
    let found = ALL.into_iter().find(|asset| asset.name() == name);
    match found {
        Some(asset) => (
            [
                (CONTENT_TYPE, asset.kind),
                (CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.content,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_content() {
        assert!(URLS.style.starts_with("/sidecar/assets/style-") && URLS.style.contains(".css"));
        assert_ne!(STYLE.name()[6..38], ICONS.name()[6..38]);
    }

    /// The policy would refuse what a style sheet takes from elsewhere, and a picture's own script.
    #[test]
    fn nothing_comes_from_elsewhere() {
        for asset in ALL {
            let elsewhere = [
                "http://",
                "https://",
                "@import",
                "url(",
                "<script",
                "javascript:",
            ];
            let content = asset.content.replace("http://www.w3.org/2000/svg", "");
            for text in elsewhere {
                assert!(!content.contains(text), "{}: {text}", asset.stem);
            }
        }
    }
}
