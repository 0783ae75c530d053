//! Clients of the family that are none: their namespace is a fake, and keeps their replies.

use std::{
    mem,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex},
};

use arbitrary::{Arbitrary, Result, Unstructured};
use nix::errno::Errno;
use sockvs_ipvs::{Host, Namespace, Owner, RouteType, fake::FakeHost};
use sockvs_server::genl::{Client, ClientNamespace, Sender, Wait};

/// The network namespace of a client. It takes every reply at once.
pub struct Mailbox {
    namespace: Namespace,
    received: Mutex<Vec<Vec<u8>>>,
}

impl Mailbox {
    /// The namespace, with nothing in it.
    pub fn new(namespace: Namespace) -> Arc<Self> {
        Arc::new(Self {
            namespace,
            received: Mutex::default(),
        })
    }

    /// The datagrams that came since the last time.
    pub fn take(&self) -> Vec<Vec<u8>> {
        mem::take(&mut *self.received.lock().expect("no panics here"))
    }
}

impl ClientNamespace for Mailbox {
    fn namespace(&self) -> Namespace {
        self.namespace
    }

    fn owner(&self) -> Owner {
        Owner::Host
    }

    fn send(&self, _: u32, datagram: &[u8], _: Wait) -> Result<(), Errno> {
        let mut received = self.received.lock().expect("no panics here");
        received.push(datagram.to_vec());
        Ok(())
    }

    fn sent(&self) -> u64 {
        0
    }
}

impl Host for Mailbox {
    fn address_type(&self, addr: Ipv4Addr) -> RouteType {
        FakeHost.address_type(addr)
    }

    fn is_local_v6(&self, addr: Ipv6Addr) -> bool {
        FakeHost.is_local_v6(addr)
    }

    fn interface_mtu(&self, name: &[u8]) -> Option<u32> {
        FakeHost.interface_mtu(name)
    }
}

/// Which client asks.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// In the other one of two namespaces.
    pub elsewhere: bool,
    /// Without the right to.
    pub unprivileged: bool,
    /// Whose errors do not repeat the request.
    pub cap_ack: bool,
    /// Whose errors are explained.
    pub ext_ack: bool,
}

impl<'a> Arbitrary<'a> for Who {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let bits = u8::arbitrary(u)?;
        Ok(Self {
            elsewhere: bits & 0x70 == 0x70,
            unprivileged: bits & 0x0c == 0x0c,
            cap_ack: bits & 1 != 0,
            ext_ack: bits & 2 != 0,
        })
    }
}

impl Who {
    /// A client with CAP_NET_ADMIN in this namespace.
    pub const ROOT: Self = Self {
        elsewhere: false,
        unprivileged: false,
        cap_ack: true,
        ext_ack: false,
    };

    /// The client, whose replies come to the mailbox.
    pub fn client(self, mailbox: &Arc<Mailbox>) -> Client {
        Client {
            namespace: Arc::clone(mailbox) as Arc<dyn ClientNamespace>,
            sender: Sender {
                port: 77,
                pid: 0,
                net_admin: !self.unprivileged,
                cap_ack: self.cap_ack,
                ext_ack: self.ext_ack,
            },
        }
    }
}
