//! Network tasks: discovery, inventory of switches and printers, wake-on-LAN. Their orders go out in a PROLOG's answer; what comes of
//! them is reported in messages that name the run by its row (PROCESSNUMBER).

mod orders;
mod results;

pub use results::{NetworkMessage, NetworkQuery, Taken};

/// Method of jobs that discover devices.
const DISCOVERY: &str = "networkdiscovery";

/// Method of jobs that inventory devices.
const INVENTORY: &str = "networkinventory";
