//! Debian's nginx as the README configures it, and a PHP behind it that keeps what it was asked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use super::listen::serving;
use super::process::LIMIT;
use super::readme::blocks;

/// How the README names the sidecar.
const NAMED: &str = "127.0.0.1:8086";

/// How it names the pages for people.
const NAMED_PAGES: &str = "127.0.0.1:8088";

/// The address that agents come from: neither nginx's nor the sidecar's.
pub(crate) const AGENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

/// A request as PHP got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    headers: HeaderMap,
    pub(crate) bytes: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

/// GLPI's PHP: says that it is, and keeps what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Php(Arc<Mutex<Vec<Seen>>>);

impl Php {
    pub(crate) async fn start() -> (Self, SocketAddr) {
        let php = Self::default();
        let address = serving(Router::new().fallback(answer).with_state(php.clone())).await;
        (php, address)
    }

    /// The requests since the last time.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

async fn answer(State(php): State<Php>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let bytes = to_bytes(body, 64 << 20).await.unwrap().len();
    php.0.lock().unwrap().push(Seen {
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        headers: head.headers,
        bytes,
    });
    let text = if bytes > 0 {
        "<REPLY>from PHP</REPLY>"
    } else {
        "<html>from PHP</html>"
    };
    Response::new(Body::from(text))
}

/// nginx, stopped when dropped.
pub(crate) struct Nginx {
    child: Child,
    dir: TempDir,
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Nginx {
    /// nginx as the README configures it, in front of `sidecars` and `php`.
    pub(crate) fn start(sidecars: &[SocketAddr], php: SocketAddr) -> Self {
        Self::with_pages(sidecars, None, php)
    }

    /// The same, in front of the pages for people too.
    pub(crate) fn with_pages(
        sidecars: &[SocketAddr],
        pages: Option<SocketAddr>,
        php: SocketAddr,
    ) -> Self {
        let made = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        // Somebody else may take a port between its choice and nginx.
        for _ in 0..5 {
            let [plain, tls] = free_ports();
            write_configuration(dir.path(), plain, tls, sidecars, pages, php);
            let mut child = spawn(dir.path());
            if answers(&mut child, plain) {
                return Self {
                    child,
                    dir,
                    plain,
                    tls,
                    certificate: made.cert.der().clone(),
                };
            }
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
            assert!(log.contains("bind() to"), "nginx does not run:\n{log}");
        }
        panic!("no free ports for nginx");
    }

    /// A client that comes from [`AGENT`] and trusts nginx's certificate.
    pub(crate) fn client(&self) -> reqwest::Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .local_address(IpAddr::from(AGENT))
            .no_proxy()
            .timeout(LIMIT)
            .build()
            .unwrap()
    }

    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_ports() -> [SocketAddr; 2] {
    // Held together, so that they differ.
    let held = [(); 2].map(|()| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}

fn write_configuration(
    dir: &Path,
    plain: SocketAddr,
    tls: SocketAddr,
    sidecars: &[SocketAddr],
    pages: Option<SocketAddr>,
    php: SocketAddr,
) {
    let snippets = blocks("nginx");
    let [upstream, location, to_pages] = &snippets[..] else {
        panic!(
            "the README has {} blocks for nginx, not three",
            snippets.len()
        )
    };
    let line = format!("    server {NAMED};\n");
    assert!(upstream.contains(&line), "{upstream}");
    let servers: Vec<String> = sidecars
        .iter()
        .map(|sidecar| line.replace(NAMED, &sidecar.to_string()))
        .collect();
    let upstream = upstream.replace(&line, &servers.concat());
    assert!(to_pages.contains(NAMED_PAGES), "{to_pages}");
    let to_pages = pages.map(|pages| to_pages.replace(NAMED_PAGES, &pages.to_string()));
    let to_pages = to_pages.unwrap_or_default();
    // Around them what a site has for GLPI, with a proxy in place of FastCGI.
    let to_php = format!("proxy_pass http://{php}; proxy_set_header Host $http_host;");
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n\
         {upstream}\nserver {{\nlisten {plain};\nlisten {tls} ssl;\nssl_certificate cert.pem;\nssl_certificate_key key.pem;\n\
         {location}\n{to_pages}\nlocation ~ \\.php(/|$) {{ {to_php} }}\nlocation / {{ {to_php} }}\n}}\n}}\n"
    );
    std::fs::write(dir.join("nginx.conf"), configuration).unwrap();
}

fn spawn(dir: &Path) -> Child {
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let programs = std::env::var("PATH").unwrap_or_default();
    Command::new("nginx")
        // Not in a user's PATH on Debian.
        .env("PATH", format!("{programs}:/usr/sbin"))
        .arg("-p")
        .arg(dir)
        .arg("-c")
        .arg(dir.join("nginx.conf"))
        .args(["-e", "stderr"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("nginx does not start; this installs it: apt-get install -y nginx-light")
}

fn answers(child: &mut Child, address: SocketAddr) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if std::net::TcpStream::connect(address).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nginx does not answer");
}
