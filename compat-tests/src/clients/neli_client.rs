//! An IPVS client on neli, which shares no code with sockvs: the requests and the replies.
//!
//! The program `sockvs-neli-client` brings it to where its requests are intercepted.

mod attributes;

use neli::{
    consts::{nl::NlmF, socket::NlFamily},
    err::RouterError,
    genl::{Genlmsghdr, GenlmsghdrBuilder},
    nl::NlPayload,
    router::synchronous::NlRouter,
    types::{Buffer, GenlBuffer},
    utils::Groups,
};
use nix::errno::Errno;

pub use self::attributes::Stats;
use self::attributes::{
    Attr, DEST, SERVICE, attr, number, read_server, read_service, service_key, stats, whole_server,
    whole_service,
};
use crate::clients::rule::{Key, Rule, Service};

/// `IPVS_CMD_ATTR_TIMEOUT_*`
const TIMEOUTS: [u16; 3] = [4, 5, 6];

/// `IPVS_CMD_*` of `include/uapi/linux/ip_vs.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the header says what they are")]
pub enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDest = 5,
    SetDest = 6,
    DelDest = 7,
    GetDest = 8,
    SetConfig = 12,
    GetConfig = 13,
    Zero = 16,
    Flush = 17,
}

/// A client with a socket of its own.
pub struct NeliClient {
    router: NlRouter,
    family: u16,
}

impl NeliClient {
    /// Opens the socket, and asks for the family.
    ///
    /// # Errors
    ///
    /// `ENOENT` where there is no family.
    pub fn new() -> Result<Self, Errno> {
        let connected = NlRouter::connect(NlFamily::Generic, None, Groups::empty());
        let (router, _) = connected.map_err(errno)?;
        let family = router.resolve_genl_family("IPVS").map_err(errno)?;
        Ok(Self { router, family })
    }

    /// Adds or edits a service.
    ///
    /// # Errors
    ///
    /// What the family answers.
    pub fn put_service(&self, command: Command, service: &Service) -> Result<(), Errno> {
        self.request(command, NlmF::ACK, vec![whole_service(service)])
            .map(drop)
    }

    /// Does something with a service that is there.
    ///
    /// # Errors
    ///
    /// What the family answers.
    pub fn with_service(&self, command: Command, key: &Key) -> Result<(), Errno> {
        self.request(command, NlmF::ACK, vec![service_key(key)])
            .map(drop)
    }

    /// Does something with a server.
    ///
    /// # Errors
    ///
    /// `ENOSYS` if the rule names none; otherwise what the family answers.
    pub fn with_server(&self, command: Command, rule: &Rule) -> Result<(), Errno> {
        let server = rule.server.as_ref().ok_or(Errno::ENOSYS)?;
        let attrs = vec![service_key(&rule.service.key), whole_server(server)];
        self.request(command, NlmF::ACK, attrs).map(drop)
    }

    /// Does something that is not about one service.
    ///
    /// # Errors
    ///
    /// What the family answers.
    pub fn with_all(&self, command: Command) -> Result<(), Errno> {
        self.request(command, NlmF::ACK, vec![]).map(drop)
    }

    /// Sets the time-outs.
    ///
    /// # Errors
    ///
    /// What the family answers.
    pub fn set_timeouts(&self, seconds: [u32; 3]) -> Result<(), Errno> {
        let attrs = TIMEOUTS
            .into_iter()
            .zip(seconds)
            .map(|(kind, seconds)| attr(kind, seconds));
        self.request(Command::SetConfig, NlmF::ACK, attrs.collect())
            .map(drop)
    }

    /// The time-outs.
    ///
    /// # Errors
    ///
    /// What the family answers.
    pub fn timeouts(&self) -> Result<[u32; 3], Errno> {
        let replies = self.request(Command::GetConfig, NlmF::ACK, vec![])?;
        let attrs = replies.first().ok_or(Errno::ENODATA)?.get_attr_handle();
        let mut seconds = [0; 3];
        for (kind, seconds) in TIMEOUTS.into_iter().zip(&mut seconds) {
            *seconds = number(&attrs, kind)?;
        }
        Ok(seconds)
    }

    /// The whole table, each service before its servers.
    ///
    /// # Errors
    ///
    /// What the family answers.
    pub fn table(&self) -> Result<Vec<(Rule, Stats)>, Errno> {
        let mut rules = Vec::new();
        for reply in self.request(Command::GetService, NlmF::DUMP, vec![])? {
            let attrs = reply.get_attr_handle();
            let attrs = attrs
                .get_nested_attributes(SERVICE)
                .map_err(|_| Errno::EBADMSG)?;
            let service = read_service(&attrs)?;
            rules.push((
                Rule {
                    service: service.clone(),
                    server: None,
                },
                stats(&attrs, 12)?,
            ));
            let asked = vec![service_key(&service.key)];
            for reply in self.request(Command::GetDest, NlmF::DUMP, asked)? {
                let attrs = reply.get_attr_handle();
                let attrs = attrs
                    .get_nested_attributes(DEST)
                    .map_err(|_| Errno::EBADMSG)?;
                let server = Some(read_server(&attrs)?);
                rules.push((
                    Rule {
                        service: service.clone(),
                        server,
                    },
                    stats(&attrs, 12)?,
                ));
            }
        }
        Ok(rules)
    }

    /// How many services there are.
    ///
    /// # Errors
    ///
    /// What the family answers.
    pub fn services(&self) -> Result<usize, Errno> {
        let replies = self.request(Command::GetService, NlmF::DUMP, vec![])?;
        Ok(replies.len())
    }

    fn request(
        &self,
        command: Command,
        flags: NlmF,
        attrs: Vec<Attr>,
    ) -> Result<Vec<GenlBuffer<u16, Buffer>>, Errno> {
        let attrs: GenlBuffer<u16, Buffer> = attrs.into_iter().collect();
        let message = GenlmsghdrBuilder::default()
            .cmd(command as u8)
            .version(1)
            .attrs(attrs);
        let payload = NlPayload::Payload(message.build().map_err(|_| Errno::ENOSYS)?);
        let replies =
            self.router
                .send::<_, _, u16, Genlmsghdr<u8, u16>>(self.family, flags, payload);
        let mut all = Vec::new();
        for reply in replies.map_err(errno)? {
            if let NlPayload::Payload(payload) = reply.map_err(errno)?.nl_payload() {
                all.push(payload.attrs().clone());
            }
        }
        Ok(all)
    }
}

/// The family's errno; `EPROTO` for what neli itself cannot make sense of.
fn errno<T: std::fmt::Debug, P: std::fmt::Debug>(error: RouterError<T, P>) -> Errno {
    match error {
        RouterError::Nlmsgerr(error) => Errno::from_raw(-error.error()),
        other => {
            eprintln!("neli: {other:?}");
            Errno::EPROTO
        }
    }
}
