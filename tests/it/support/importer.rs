//! A PHP that imports: it checks coding and content, keeps what it imported and its runs, and has bad days.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use fusion_sidecar::proto::envelope::{Coding, open, seal};
use fusion_sidecar::proto::network;
use fusion_sidecar::proto::xml::{Limits, parse_request};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::cut::{Cut, Mode};
use super::until::until;

/// What PHP says to a message that it imported.
pub(crate) const REPLY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY>\n</REPLY>\n";

/// What it does with a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Manner {
    /// Imports it, in so much time.
    Takes(Duration),
    /// Is at it for ever, and imports nothing.
    Hangs,
    /// Answers this, plain, and imports nothing.
    Says(u16, &'static str, Vec<(&'static str, &'static str)>),
    /// Answers an ERROR in the message's coding, and imports nothing.
    Errs(&'static str),
    /// Imports it, and its answer is cut off.
    CutsShort,
    /// Imports it, and prints a warning in front of the answer.
    Warns,
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) device: String,
    pub(crate) query: String,
    pub(crate) run: Option<i64>,
    /// What stands in TAG.
    pub(crate) tag: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A run as the plugin keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) started: u32,
    pub(crate) devices: u32,
    pub(crate) ended: bool,
    /// Devices that came after its end.
    pub(crate) ignored: u32,
}

#[derive(Debug)]
struct Memory {
    manner: Manner,
    of_device: HashMap<String, Manner>,
    /// It answers questions as the plugin.
    answers: bool,
    arrived: Vec<Arrived>,
    imported: Vec<Arrived>,
    runs: BTreeMap<i64, Run>,
    at_once: usize,
    most: usize,
    questions: usize,
}

/// A PHP with workers; it listens until the test ends.
#[derive(Debug)]
pub(crate) struct Importer {
    /// GLPI's address.
    pub(crate) url: url::Url,
    memory: Arc<Mutex<Memory>>,
    wire: Cut,
    _home: tempfile::TempDir,
}

#[derive(Clone)]
struct Php {
    memory: Arc<Mutex<Memory>>,
    workers: Arc<Semaphore>,
}

impl Importer {
    /// One with so many workers, which imports at once.
    pub(crate) async fn with(workers: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("php");
        let memory = Arc::new(Mutex::new(Memory {
            manner: Manner::Takes(Duration::ZERO),
            of_device: HashMap::new(),
            answers: true,
            arrived: Vec::new(),
            imported: Vec::new(),
            runs: BTreeMap::new(),
            at_once: 0,
            most: 0,
            questions: 0,
        }));
        let php = Php {
            memory: Arc::clone(&memory),
            workers: Arc::new(Semaphore::new(workers)),
        };
        let router = Router::new().fallback(answer).with_state(php);
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let wire = Cut::start(&socket).await;
        Self {
            url: format!("http://{}/glpi", wire.address()).parse().unwrap(),
            memory,
            wire,
            _home: home,
        }
    }

    /// One with two workers.
    pub(crate) async fn start() -> Self {
        Self::with(2).await
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    /// From now on it treats messages like this.
    pub(crate) fn set(&self, manner: Manner) {
        self.memory().manner = manner;
    }

    /// The same for those of one device.
    pub(crate) fn set_for(&self, device: &str, manner: Manner) {
        self.memory().of_device.insert(device.to_owned(), manner);
    }

    /// Whether it answers questions as the plugin does.
    pub(crate) fn answers(&self, answers: bool) {
        self.memory().answers = answers;
    }

    /// Nobody gets through to it, or again.
    pub(crate) fn is_down(&self, down: bool) {
        self.wire.set(if down { Mode::Cut } else { Mode::Open });
    }

    /// What arrived, in order.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.memory().arrived.clone()
    }

    /// Device and tag of each message that was imported, in order.
    pub(crate) fn imported(&self) -> Vec<(String, String)> {
        let memory = self.memory();
        let imported = memory.imported.iter();
        imported
            .map(|message| (message.device.clone(), message.tag.clone()))
            .collect()
    }

    /// How many were.
    pub(crate) fn count(&self) -> usize {
        self.memory().imported.len()
    }

    /// The runs that it knows.
    pub(crate) fn runs(&self) -> BTreeMap<i64, Run> {
        self.memory().runs.clone()
    }

    /// Most messages at once.
    pub(crate) fn most(&self) -> usize {
        self.memory().most
    }

    /// How often it was asked whether it is there.
    pub(crate) fn questions(&self) -> usize {
        self.memory().questions
    }

    /// Waits until so many are imported.
    pub(crate) async fn until_imported(&self, count: usize) {
        until(&format!("{count} imported"), async || self.count() >= count).await;
    }
}

async fn answer(State(php): State<Php>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 30).await.unwrap().to_vec();
    let signed = [("server-type", "glpi/fusioninventory 10.0.6+1.1")];
    if parts.method == Method::GET {
        let mut memory = php.memory.lock().unwrap();
        memory.questions += 1;
        return if memory.answers {
            (StatusCode::BAD_REQUEST, signed).into_response()
        } else {
            "<html>GLPI is in maintenance</html>".into_response()
        };
    }
    let kind = parts.headers["content-type"].to_str().unwrap().to_owned();
    let opened = open(Some(&kind), &body, 1 << 26).unwrap();
    assert_eq!(
        opened.answer.content_type(),
        kind,
        "the coding fits the type"
    );
    let text = String::from_utf8(opened.body).unwrap();
    let message = parse_request(&text, &Limits::default()).unwrap();
    let tag = text
        .split("<TAG>")
        .nth(1)
        .map_or("", |rest| rest.split('<').next().unwrap());
    let number = message.process_number.as_deref();
    let arrived = Arrived {
        device: message.device_id.unwrap(),
        query: message.query.unwrap(),
        run: number.and_then(|number| number.parse().ok()),
        tag: tag.to_owned(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body,
    };
    let manner = {
        let mut memory = php.memory.lock().unwrap();
        memory.arrived.push(arrived.clone());
        memory.at_once += 1;
        memory.most = memory.most.max(memory.at_once);
        let own = memory.of_device.get(&arrived.device);
        own.unwrap_or(&memory.manner).clone()
    };
    let _one_less = OneLess(Arc::clone(&php.memory));
    let worker = php.workers.acquire().await.unwrap();
    match &manner {
        Manner::Takes(time) if !time.is_zero() => tokio::time::sleep(*time).await,
        Manner::Hangs => {
            drop(worker);
            std::future::pending::<()>().await;
        }
        Manner::Says(status, text, headers) => {
            let status = StatusCode::from_u16(*status).unwrap();
            let mut response = (status, *text).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            return response;
        }
        Manner::Errs(text) => {
            let reply =
                format!("<?xml version='1.0'?>\n<REPLY>\n   <ERROR>{text}</ERROR>\n</REPLY>");
            return (
                signed,
                [("content-type", kind)],
                seal(&reply, opened.answer),
            )
                .into_response();
        }
        Manner::Takes(_) | Manner::CutsShort | Manner::Warns => {}
    }
    import(&mut php.memory.lock().unwrap(), &arrived, &text);
    let mut reply = seal(REPLY, opened.answer);
    if manner == Manner::CutsShort {
        reply.truncate(reply.len() / 2);
    } else if manner == Manner::Warns {
        reply = [b"<br />\nDeprecated: strlen()\n".as_slice(), &reply].concat();
    }
    (signed, [("content-type", kind)], reply).into_response()
}

/// As the plugin does: devices of a discovery that has ended are ignored.
fn import(memory: &mut Memory, arrived: &Arrived, text: &str) {
    if let Some(number) = arrived.run {
        let report = network::read(text);
        let run = memory.runs.entry(number).or_default();
        run.started += u32::from(report.start);
        if run.ended {
            run.ignored += report.devices;
        } else {
            run.devices += report.devices;
        }
        run.ended |= report.end;
    }
    memory.imported.push(arrived.clone());
}

struct OneLess(Arc<Mutex<Memory>>);

impl Drop for OneLess {
    fn drop(&mut self) {
        self.0.lock().unwrap().at_once -= 1;
    }
}

/// A full inventory of `device` with this tag.
pub(crate) fn inventory(device: &str, tag: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<REQUEST><CONTENT><HARDWARE><NAME>{device}</NAME></HARDWARE>\
         <ACCOUNTINFO><TAG>{tag}</TAG></ACCOUNTINFO><VERSIONCLIENT>FusionInventory-Agent_v2.6</VERSIONCLIENT></CONTENT>\
         <DEVICEID>{device}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>"
    )
}

/// A message about a run.
pub(crate) fn about(device: &str, query: &str, run: i64, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<REQUEST><CONTENT>{content}<MODULEVERSION>4.2</MODULEVERSION>\
         <PROCESSNUMBER>{run}</PROCESSNUMBER></CONTENT><DEVICEID>{device}</DEVICEID><QUERY>{query}</QUERY></REQUEST>"
    )
}

/// Begin, a device, end.
pub(crate) const START: &str = "<AGENT><START>1</START></AGENT>";
pub(crate) const DEVICE: &str = "<DEVICE><IP>192.0.2.7</IP></DEVICE>";
pub(crate) const END: &str = "<AGENT><END>1</END></AGENT>";

/// The coding of agent 2.6.
pub(crate) const ZLIB: Coding = Coding::Zlib;
