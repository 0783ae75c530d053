//! The commands that change a table or read one object (`ip_vs_genl_set_cmd`,
//! `ip_vs_genl_set_daemon`, `ip_vs_genl_get_cmd`).

use netlink_packet_ipvs::{
    IpvsCommand,
    constants::{
        IPVS_CMD_ATTR_TIMEOUT_TCP, IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, IPVS_CMD_ATTR_TIMEOUT_UDP,
        IPVS_INFO_ATTR_CONN_TAB_SIZE, IPVS_INFO_ATTR_VERSION,
    },
    policy::CommandAttrs,
};

use super::{ClientNamespace, encode, error::RequestError, reply::ReplyHeader, request};
use crate::state::{Object, Tables};
use sockvs_ipvs::{Error, Namespace, ServiceKey, Table, TimeoutsUpdate};

/// Executes a command that changes a table, and returns which object it changed.
pub(super) fn change(
    tables: &mut Tables,
    client: &dyn ClientNamespace,
    command: IpvsCommand,
    attrs: &CommandAttrs<'_>,
) -> Result<Object, RequestError> {
    let Tables { ipvs, path } = tables;
    let path = path.as_mut();
    let table = ipvs.changing(client.namespace(), client.owner(), path)?;
    let mut object = Object::default();
    match command {
        IpvsCommand::Flush => table.flush(path),
        IpvsCommand::SetConfig => {
            let update = TimeoutsUpdate {
                tcp: attrs.timeout_tcp,
                tcp_fin: attrs.timeout_tcp_fin,
                udp: attrs.timeout_udp,
            };
            table.set_timeouts(update, path)?;
        }
        IpvsCommand::Zero if attrs.service.is_none() => table.zero_all(path),
        IpvsCommand::NewService => {
            let spec = request::service(attrs.service)?;
            object = spec.key.into();
            table.add_service(spec, path)?;
        }
        IpvsCommand::SetService => {
            let spec = request::service(attrs.service)?;
            object = spec.key.into();
            table.edit_service(spec, path)?;
        }
        IpvsCommand::DelService => {
            let (service, _) = request::service_key(attrs.service)?;
            object = service.into();
            table.delete_service(&service, path)?;
        }
        IpvsCommand::Zero => {
            let (service, _) = request::service_key(attrs.service)?;
            object = service.into();
            table.zero_service(&service, path)?;
        }
        IpvsCommand::NewDest => {
            let service = existing_service(table, attrs)?;
            let spec = request::destination(attrs.dest, service.family())?;
            object = (service, spec.key).into();
            table.add_destination(&service, spec, client, path)?;
        }
        IpvsCommand::SetDest => {
            let service = existing_service(table, attrs)?;
            let spec = request::destination(attrs.dest, service.family())?;
            object = (service, spec.key).into();
            table.edit_destination(&service, spec, path)?;
        }
        IpvsCommand::DelDest => {
            let service = existing_service(table, attrs)?;
            let key = request::destination_key(attrs.dest, service.family())?;
            object = (service, key).into();
            table.delete_destination(&service, &key, path)?;
        }
        IpvsCommand::NewDaemon => {
            table.start_sync_daemon(request::sync_daemon(attrs.daemon)?, client, path)?;
        }
        IpvsCommand::DelDaemon => {
            table.stop_sync_daemon(request::sync_daemon_state(attrs.daemon)?, path)?;
        }
        _ => {
            return Err(RequestError::new(
                libc::EINVAL,
                "not a command that changes anything",
            ));
        }
    }
    Ok(object)
}

/// The service that a destination command names. As in the kernel, the service is checked before
/// the destination is decoded.
fn existing_service(table: &Table, attrs: &CommandAttrs<'_>) -> Result<ServiceKey, RequestError> {
    let (key, _) = request::service_key(attrs.service)?;
    match table.service(&key) {
        Some(_) => Ok(key),
        None => Err(Error::NoSuchService { service: key }.into()),
    }
}

/// Executes a command that reads one object, and returns the reply.
pub(super) fn read(
    tables: &Tables,
    ns: Namespace,
    command: IpvsCommand,
    attrs: &CommandAttrs<'_>,
    header: ReplyHeader,
) -> Result<Vec<u8>, RequestError> {
    let Tables { ipvs, path } = tables;
    let table = ipvs.reading(ns);
    let mut reply = Vec::new();
    match command {
        IpvsCommand::GetService => {
            let (key, _) = request::service_key(attrs.service)?;
            let service = table
                .service(&key)
                .ok_or(Error::NoSuchService { service: key })?;
            let entry = encode::service(service, table.service_stats(service, path.as_ref()));
            header.write(&mut reply, IpvsCommand::NewService, false, |w| {
                entry.write(w)
            });
        }
        IpvsCommand::GetConfig => {
            let timeouts = table.timeouts();
            header.write(&mut reply, IpvsCommand::SetConfig, false, |w| {
                w.put_u32(IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp());
                w.put_u32(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin());
                w.put_u32(IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp());
            });
        }
        IpvsCommand::GetInfo => {
            let info = table.info();
            header.write(&mut reply, IpvsCommand::SetInfo, false, |w| {
                w.put_u32(IPVS_INFO_ATTR_VERSION, info.version);
                w.put_u32(IPVS_INFO_ATTR_CONN_TAB_SIZE, info.connection_table_size);
            });
        }
        _ => {
            return Err(RequestError::new(
                libc::EINVAL,
                "not a command that reads anything",
            ));
        }
    }
    Ok(reply)
}
