//! Handles one datagram: decodes its messages, executes them and sends the replies.

use std::sync::Arc;

use netlink_packet_generic::constants::GENL_ID_CTRL;
use netlink_packet_ipvs::{
    FAMILY_OPERATIONS, IpvsCommand,
    policy::{CommandAttrs, DaemonAttrs},
};

use super::{
    Client, FAMILY_ID, command, controller,
    delivery::{Delivery, Queues, Reply, Shared, Waiting},
    dump::{Dump, RunningDumps},
    error::RequestError,
    message::{ATTRIBUTES_AT, Generic, Message},
    outcome::Outcome,
    reply::{self, ReplyHeader},
};
use crate::state::{Actor, IpvsState};

/// The server of the family.
#[derive(Clone)]
pub struct GenlServer {
    shared: Arc<Shared>,
    dumps: RunningDumps,
}

impl GenlServer {
    /// A server for this state.
    #[must_use]
    pub fn new(state: IpvsState) -> Self {
        Self {
            shared: Arc::new(Shared {
                state,
                queues: Queues::default(),
            }),
            dumps: RunningDumps::default(),
        }
    }

    /// Executes the messages of one datagram. Replies that fit into the client's receive buffer
    /// have been sent when this returns; `done` is dropped when the last one was delivered.
    ///
    /// Must be called within a tokio runtime.
    pub fn datagram(&self, client: Client, datagram: &[u8], done: Box<dyn Waiting>) {
        let mut delivery = Delivery::new(Arc::clone(&self.shared), client.clone(), done);
        let mut rest = datagram;
        while let Some(message) = Message::next(&mut rest) {
            for item in self.message(&client, &message) {
                delivery.push(item);
            }
        }
        delivery.start();
    }

    fn message(&self, client: &Client, message: &Message<'_>) -> Vec<Reply> {
        let outcome = if message.is_request() {
            self.request(client, message)
        } else {
            Ok(Outcome::Done(None))
        };
        let mut items = Vec::new();
        let (error, warning) = match outcome {
            Ok(Outcome::Done(warning)) => (None, warning),
            Ok(Outcome::Reply(bytes, warning)) => {
                items.push(Reply::Datagram(bytes));
                (None, warning)
            }
            Ok(Outcome::Dump(dump)) => return vec![Reply::Dump(dump)],
            Err(error) => {
                tracing::debug!(
                    pid = client.sender.pid,
                    port = client.sender.port,
                    errno = error.errno,
                    "refused: {}",
                    error.why
                );
                (Some(error), None)
            }
        };
        if error.is_some() || message.wants_ack() {
            let ack = reply::acknowledge(client, message, error.as_ref(), warning);
            items.push(Reply::Datagram(ack));
        }
        items
    }

    fn request(&self, client: &Client, message: &Message<'_>) -> Result<Outcome, RequestError> {
        let too_short = || RequestError::new(libc::EINVAL, "shorter than a generic netlink header");
        let generic = message.generic().ok_or_else(too_short);
        match message.kind {
            GENL_ID_CTRL => {
                let generic = generic?;
                controller::answer(&generic, ReplyHeader::new(client, message))
            }
            FAMILY_ID => self.family(client, message, &generic?),
            kind => Err(RequestError::new(
                libc::ENOENT,
                format!("there is no family {kind}"),
            )),
        }
    }

    /// Executes a message for the family (`genl_family_rcv_msg`).
    fn family(
        &self,
        client: &Client,
        message: &Message<'_>,
        generic: &Generic<'_>,
    ) -> Result<Outcome, RequestError> {
        check_header(message, generic)?;
        let command = IpvsCommand::from(generic.command);
        let operation = FAMILY_OPERATIONS
            .iter()
            .find(|operation| operation.command == command)
            .ok_or_else(|| {
                RequestError::new(libc::EOPNOTSUPP, format!("no command {}", generic.command))
            })?;
        if !client.sender.net_admin {
            return Err(RequestError::new(
                libc::EPERM,
                "the client lacks CAP_NET_ADMIN",
            ));
        }
        let ns = client.namespace.namespace();
        let header = ReplyHeader::new(client, message);
        let unsupported =
            || RequestError::new(libc::EOPNOTSUPP, "not in this way: list or no list");
        if message.wants_dump() {
            if !operation.can_dump {
                return Err(unsupported());
            }
            let busy =
                || RequestError::new(libc::EBUSY, "this socket is being sent a list already");
            let running = self.dumps.begin(ns, client.sender.port).ok_or_else(busy)?;
            return Dump::new(command, generic.attributes, client, header, running)
                .map(Outcome::Dump)
                .ok_or_else(unsupported);
        }
        if !operation.can_do {
            return Err(unsupported());
        }
        let attrs = CommandAttrs::decode(generic.attributes)
            .map_err(|error| RequestError::policy(&error, ATTRIBUTES_AT))?;
        let mut warning = attrs.warning();
        if let (IpvsCommand::NewDaemon | IpvsCommand::DelDaemon, Some(nest)) =
            (command, attrs.daemon)
        {
            // The only nested attribute whose policy violations the kernel explains.
            let daemon = DaemonAttrs::decode(nest).map_err(|error| RequestError {
                errno: libc::EINVAL,
                ..RequestError::policy(&error.within(generic.attributes, nest), ATTRIBUTES_AT)
            })?;
            warning = daemon.warning().or(warning);
        }
        let mut tables = self.shared.state.lock();
        if matches!(
            command,
            IpvsCommand::GetService | IpvsCommand::GetConfig | IpvsCommand::GetInfo
        ) {
            return command::read(&tables, ns, command, &attrs, header)
                .map(|reply| Outcome::Reply(reply, warning))
                .map_err(|error| error.or_text(warning));
        }
        let object = command::change(&mut tables, client.namespace.as_ref(), command, &attrs)
            .map_err(|error| error.or_text(warning))?;
        drop(tables);
        let actor = Actor {
            pid: client.sender.pid,
            namespace: ns,
            owner: client.namespace.owner(),
        };
        self.shared
            .state
            .audit_log()
            .changed(actor, &command, object);
        Ok(Outcome::Done(warning))
    }
}

/// What the kernel requires of commands that are newer than the family's last one
/// (`genl_header_check`). None of them exists, but the kernel checks that later.
fn check_header(message: &Message<'_>, generic: &Generic<'_>) -> Result<(), RequestError> {
    if generic.command <= u8::from(IpvsCommand::Flush) {
        return Ok(());
    }
    if generic.reserved != 0 {
        return Err(RequestError::with_text(
            libc::EINVAL,
            "genlmsghdr.reserved field is not 0",
        ));
    }
    if message.has_reserved_flags() {
        let text = "ambiguous or reserved bits set in nlmsg_flags";
        return Err(RequestError::with_text(libc::EINVAL, text));
    }
    Ok(())
}
