//! A client of single bytes: the program `sockvs-raw-client`.

use std::fmt::Write as _;

use nix::errno::Errno;

use crate::{
    clients::{client::Client, conversation::Conversation},
    environment::folder::Folder,
    helpers::wire::{self, Reply},
    process::binaries,
};

/// The controller's id and its command that asks for a family.
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// A client with one socket.
pub struct RawClient(Conversation);

impl RawClient {
    /// Opens one where these clients run.
    #[must_use]
    pub fn start(client: &Client, folder: &Folder) -> Self {
        Self(client.talk("sockvs-raw-client", folder))
    }

    /// The same without the right to administer the network.
    #[must_use]
    pub fn without_rights(client: &Client, folder: &Folder) -> Self {
        let mut command = client.command("setpriv");
        command
            .args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"])
            .arg(binaries::ours("sockvs-raw-client"));
        let name = "sockvs-raw-client without rights";
        Self(Conversation::start(command, name, folder))
    }

    /// Sends a datagram, and gives the messages that come back.
    ///
    /// # Errors
    ///
    /// The errno of `sendto`.
    ///
    /// # Panics
    ///
    /// When what comes back is no netlink.
    #[track_caller]
    pub fn send(&mut self, datagram: &[u8]) -> Result<Vec<Reply>, Errno> {
        let datagrams = self.0.ask(&format!("send {}", to_hex(datagram)))?;
        Ok(datagrams
            .iter()
            .flat_map(|hex| Reply::all(&from_hex(hex)))
            .collect())
    }

    /// Sends a datagram and does not wait for what comes back.
    ///
    /// # Errors
    ///
    /// The errno of `sendto`.
    #[track_caller]
    pub fn post(&mut self, datagram: &[u8]) -> Result<(), Errno> {
        self.0.ask(&format!("post {}", to_hex(datagram))).map(drop)
    }

    /// Sends a datagram so many times and reads nothing; how often it could be sent.
    ///
    /// # Panics
    ///
    /// When the program is gone.
    #[track_caller]
    pub fn flood(&mut self, times: u32, datagram: &[u8]) -> u32 {
        let sent = self.0.must(&format!("flood {times} {}", to_hex(datagram)));
        sent[0].parse().expect("a number")
    }

    /// Ends the program without warning.
    pub fn kill(self) {
        self.0.kill();
    }

    /// The socket's port id.
    ///
    /// # Panics
    ///
    /// When it has none.
    #[track_caller]
    pub fn port(&mut self) -> u32 {
        self.0.must("port").remove(0).parse().expect("a number")
    }

    /// The id of the family.
    ///
    /// # Panics
    ///
    /// When the controller does not tell.
    #[track_caller]
    pub fn family(&mut self) -> u16 {
        let asked = wire::generic(GET_FAMILY, &[wire::text(FAMILY_NAME, "IPVS")]);
        let replies = self.send(&wire::message(
            CONTROLLER,
            wire::REQUEST | wire::ACK,
            1,
            &asked,
        ));
        let replies = replies.expect("the message is sent");
        let attributes = replies[0]
            .payload
            .get(4..)
            .expect("a generic netlink message");
        let find = |attributes: &[u8]| -> Option<u16> {
            let mut rest = attributes;
            while let [l0, l1, k0, k1, payload @ ..] = rest {
                if u16::from_ne_bytes([*k0, *k1]) == FAMILY_ID {
                    return payload.first_chunk().copied().map(u16::from_ne_bytes);
                }
                let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
                rest = rest.get(length.next_multiple_of(4)..)?;
            }
            None
        };
        find(attributes).expect("the family's id")
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}
