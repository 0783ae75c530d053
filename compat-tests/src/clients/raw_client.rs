//! A client of single bytes: the program `sockvs-raw-client`.

use nix::errno::Errno;

use crate::{
    clients::{client::Client, conversation::Conversation},
    environment::folder::Folder,
    helpers::{
        hex,
        wire::{self, Reply},
    },
    process::binaries,
};

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
        let datagrams = self.0.ask(&format!("send {}", hex::encode(datagram)))?;
        Ok(datagrams
            .iter()
            .flat_map(|digits| Reply::all(&hex::decode(digits).expect("hex")))
            .collect())
    }

    /// Sends a datagram and does not wait for what comes back.
    ///
    /// # Errors
    ///
    /// The errno of `sendto`.
    #[track_caller]
    pub fn post(&mut self, datagram: &[u8]) -> Result<(), Errno> {
        self.0
            .ask(&format!("post {}", hex::encode(datagram)))
            .map(drop)
    }

    /// Sends a datagram so many times and reads nothing; how often it could be sent.
    ///
    /// # Panics
    ///
    /// When the program is gone.
    #[track_caller]
    pub fn flood(&mut self, times: u32, datagram: &[u8]) -> u32 {
        let sent = self
            .0
            .must(&format!("flood {times} {}", hex::encode(datagram)));
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
        let asked = wire::generic(wire::GET_FAMILY, &[wire::text(wire::FAMILY_NAME, "IPVS")]);
        let replies = self.send(&wire::message(
            wire::CONTROLLER,
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
                if u16::from_ne_bytes([*k0, *k1]) == wire::FAMILY_ID {
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
