//! Addresses with nobody behind them, and with a server of a test's own.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

/// An address on which nobody listens.
pub(crate) fn free() -> SocketAddr {
    free_on("127.0.0.1")
}

/// The same on an address of the loopback network that no other test uses, so that nobody takes it before it is used.
pub(crate) fn free_on(host: &str) -> SocketAddr {
    let listener = std::net::TcpListener::bind((host, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// The address of a server that ends with the test.
pub(crate) async fn serving(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The address of agents at a server that closes every connection, as long as the test runs.
pub(crate) fn closing() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    format!("http://{address}/x")
}
