//! People who use the pages: GLPI's accounts, and a browser without a screen that keeps cookies and nothing else.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::database::TestDb;
use super::wire::{Answer, raw, request};

/// The password of every account here; its hash is that of GLPI's own installation.
pub(crate) const PASSWORD: &str = "glpi";
const HASH: &str = "$2y$10$rXXzbc2ShaiCldwkw4AZL.n.9QSH7c0c9XJAyyjrbL9BwmWditAYm";
/// What requests are addressed to.
const ORIGIN: &str = "http://glpi.example.com";

/// Entities 1 and 2 below the root; a task in each (1 in the root); accounts `admin` (may change all), `reader` (may see all), `local` (may
/// change in entity 1 alone), `nobody` (no right), `helpdesk` (the right, in a profile of the simplified interface).
pub(crate) async fn accounts(db: &TestDb) {
    db.set(&format!(
        "INSERT INTO glpi_entities (id, name, entities_id, completename, level) VALUES (1, 'North', 0, 'Root > North', 2), \
         (2, 'South', 0, 'Root > South', 2);
         INSERT INTO {{p}}tasks (id, name, entities_id, is_active) VALUES (1, 'root task', 0, 1), (2, 'north task', 1, 1), (3, 'south task', 2, 1);
         INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES (1, 1, 'j', 'deployinstall', '[]', '[]'), \
         (2, 2, 'j', 'deployinstall', '[]', '[]'), (3, 3, 'j', 'deployinstall', '[]', '[]');
         INSERT INTO glpi_profiles (id, name, interface) VALUES (1, 'Self-Service', 'helpdesk'), (4, 'Super-Admin', 'central'), \
         (5, 'Reader', 'central'), (6, 'Hotliner', 'central');
         INSERT INTO glpi_profilerights (profiles_id, name, rights) VALUES (1, 'plugin_fusioninventory_task', 127), \
         (4, 'plugin_fusioninventory_task', 127), (5, 'plugin_fusioninventory_task', 1), (6, 'plugin_fusioninventory_task', 0), \
         (6, 'plugin_fusioninventory_agent', 127);
         INSERT INTO glpi_users (id, name, password, authtype, firstname, realname) VALUES (2, 'admin', '{HASH}', 1, 'Ada', 'Min'), \
         (3, 'reader', '{HASH}', 1, '', ''), (4, 'local', '{HASH}', 1, '', ''), (5, 'nobody', '{HASH}', 1, '', ''), \
         (6, 'helpdesk', '{HASH}', 1, '', '');
         INSERT INTO glpi_profiles_users (users_id, profiles_id, entities_id, is_recursive) VALUES (2, 4, 0, 1), (3, 5, 0, 1), (4, 4, 1, 0), \
         (5, 6, 0, 1), (6, 1, 0, 1)"
    ))
    .await;
}

/// A browser.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    address: SocketAddr,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Sent with every request.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            cookies: BTreeMap::new(),
            headers: Vec::new(),
        }
    }

    /// A browser in which `name` has signed in.
    pub(crate) async fn of(address: SocketAddr, name: &str) -> Self {
        let mut browser = Self::at(address);
        let answer = browser.sign_in(name, PASSWORD).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    /// The same at another server.
    pub(crate) fn move_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// The form of the page at `path`, with these fields, to `action`.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let page = self.get(path).await;
        let token = token(&page).unwrap_or_else(|| panic!("no form: {page:?}"));
        self.post_with(
            &[("Origin", ORIGIN)],
            action,
            &[&[("token", &*token)], fields].concat(),
        )
        .await
    }

    /// Any fields, with any headers.
    pub(crate) async fn post_with(
        &mut self,
        headers: &[(&str, &str)],
        action: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        self.ask("POST", action, &[headers, &[kind]].concat(), &body)
            .await
    }

    pub(crate) async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let fields = [("name", name), ("password", password), ("to", "/sidecar/")];
        self.post("/sidecar/login", "/sidecar/login", &fields).await
    }

    pub(crate) async fn sign_out(&mut self) -> Answer {
        self.post("/sidecar/", "/sidecar/logout", &[]).await
    }

    /// Whether the page of tasks is shown.
    pub(crate) async fn is_inside(&mut self) -> bool {
        let answer = self.get("/sidecar/").await;
        assert!(matches!(answer.status, 200 | 303), "{answer:?}");
        answer.status == 200
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let own: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let all = [&own, headers, &[("Cookie", cookies.as_str())]].concat();
        let bytes = request(method, path, &all, body.as_bytes());
        let answer = raw(self.address, &bytes).await.expect("no answer");
        for line in answer.head.lines() {
            let Some((name, cookie)) = line.split_once(": ") else {
                continue;
            };
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// What the page's forms carry.
pub(crate) fn token(page: &Answer) -> Option<String> {
    let (_, rest) = page.body.split_once("name=\"token\" value=\"")?;
    Some(rest.split('"').next()?.to_owned())
}
