//! A device that answers SNMP: Debian's snmpd with a configuration of its own. The system's service is not touched.
//!
//! Agents ask port 161, as the orders of the plugin name no other. It is taken on an address of the loopback network that nobody else
//! uses; the next address stays silent.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};

const PORT: u16 = 161;

/// What the device calls itself.
pub(crate) const NAME: &str = "lab-switch";

const CONFIG: &str = "\
sysName lab-switch
sysDescr Cisco IOS Software, C2960S Software (C2960S-UNIVERSALK9-M), Version 12.2(55)SE3, RELEASE SOFTWARE (fc1)
sysObjectID .1.3.6.1.4.1.9.1.1208
";

/// A device that is on until this is dropped.
pub(crate) struct Snmpd {
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// The address after it, where nobody answers.
    pub(crate) silent: Ipv4Addr,
    process: Child,
    _home: TempDir,
}

impl Snmpd {
    /// Starts one that reads `more` of a configuration: who may ask. A machine on which it cannot be started fails the test.
    pub(crate) async fn start(more: &str) -> Self {
        let (address, silent) = place();
        drop(socket(address, PORT).await);
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("snmpd.conf");
        std::fs::write(&config, format!("{CONFIG}{more}\n")).unwrap();
        let process = Command::new(program())
            .args(["-f", "-Le", "-C", "-I", "-smux", "-c"])
            .arg(&config)
            .arg("-p")
            .arg(home.path().join("pid"))
            .arg(format!("udp:{address}:{PORT}"))
            .env_clear()
            .env("SNMP_PERSISTENT_DIR", home.path())
            .env("SNMPCONFPATH", home.path())
            .env("MIBS", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut device = Self {
            address,
            silent,
            process,
            _home: home,
        };
        device.answers().await;
        device
    }

    /// Waits until it does, whoever may ask it.
    async fn answers(&mut self) {
        let socket = socket(Ipv4Addr::LOCALHOST, 0).await;
        socket.connect((self.address, PORT)).await.unwrap();
        for _ in 0..100 {
            // Refused while nobody listens yet.
            let _ = socket.send(DISCOVERY_V3).await;
            let mut answer = [0; 512];
            let heard = tokio::time::timeout(Duration::from_millis(100), socket.recv(&mut answer));
            if matches!(heard.await, Ok(Ok(_))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            let status = self.process.try_wait().unwrap();
            assert_eq!(status, None, "snmpd does not run");
        }
        panic!("snmpd does not answer within ten seconds");
    }
}

/// "Who are you?" of SNMP version 3 (RFC 3414, section 4): answered with the engine's id whoever asks.
const DISCOVERY_V3: &[u8] = &[
    0x30, 0x3e, 0x02, 0x01, 0x03, 0x30, 0x11, 0x02, 0x04, 0x12, 0x34, 0x56, 0x78, 0x02, 0x03, 0x00,
    0xff, 0xe3, 0x04, 0x01, 0x04, 0x02, 0x01, 0x03, 0x04, 0x10, 0x30, 0x0e, 0x04, 0x00, 0x02, 0x01,
    0x00, 0x02, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00, 0x04, 0x00, 0x30, 0x14, 0x04, 0x00, 0x04, 0x00,
    0xa0, 0x0e, 0x02, 0x04, 0x12, 0x34, 0x56, 0x78, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x00,
];

/// Two addresses in a row, the first even.
fn place() -> (Ipv4Addr, Ipv4Addr) {
    let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
    let first = Ipv4Addr::new(127, 128 | a & 0x3f, b, c & 0xfe);
    (first, Ipv4Addr::from(u32::from(first) + 1))
}

async fn socket(address: Ipv4Addr, port: u16) -> UdpSocket {
    match UdpSocket::bind((address, port)).await {
        Ok(socket) => socket,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => panic!(
            "this test needs UDP port {port}: run it as root, or allow the port to everybody: sysctl net.ipv4.ip_unprivileged_port_start={port}"
        ),
        Err(error) => panic!("{address}:{port}: {error}"),
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join("snmpd"))
        .find(|file| file.is_file())
        .expect("this test needs snmpd: apt-get install -y snmpd")
}
