//! The options that read a table (`do_ip_vs_get_ctl`). The caller has checked that the argument is
//! long enough.

use super::{
    Value,
    argument::{self, Which},
    entry,
    error::OptionError,
    option::GetOption,
};
use crate::state::Tables;
use sockvs_ipvs::{Error, Family, Namespace, Service, Table};

/// Executes an option. `length` is the size of the caller's memory, as the caller states it.
pub(super) fn read(
    tables: &Tables,
    ns: Namespace,
    option: GetOption,
    argument: &[u8],
    length: i32,
) -> Result<Value, OptionError> {
    let Tables { ipvs, path } = tables;
    let table = &*ipvs.reading(ns);
    let path = path.as_ref();
    let bytes = match option {
        GetOption::Version => {
            let bytes = entry::version(table.info());
            let length = i32::try_from(bytes.len()).unwrap_or(length);
            return Ok(Value { bytes, length });
        }
        GetOption::Info => entry::info(table.info(), of_inet(table).count()),
        GetOption::Timeouts => entry::timeouts(table.timeouts()),
        GetOption::Daemons => entry::daemons(table.sync_daemons()),
        GetOption::Service => {
            let service = find(table, Which::read(argument))?;
            entry::service(service, table.service_stats(service, path))
        }
        GetOption::Services => {
            let wanted = argument::services(argument).ok_or(OptionError::Unreadable)?;
            let wanted = room(argument::SERVICES, wanted, entry::SERVICE, length)?;
            let entries = of_inet(table)
                .take(wanted)
                .map(|service| entry::service(service, table.service_stats(service, path)));
            list(argument, entries)
        }
        GetOption::Destinations => {
            let (which, wanted) =
                argument::destinations(argument).ok_or(OptionError::Unreadable)?;
            let wanted = room(argument::DESTINATIONS, wanted, entry::DESTINATION, length)?;
            let entries = find(table, Some(which))?
                .destinations()
                .filter_map(|destination| {
                    let reading = table.destination_reading(destination, path);
                    entry::destination(destination, reading)
                })
                .take(wanted);
            list(argument, entries)
        }
    };
    Ok(Value { bytes, length })
}

/// The services that the structures can represent, in the kernel's order.
fn of_inet(table: &Table) -> impl Iterator<Item = &Service> {
    let services = table.services_from(0);
    services.filter(|service| service.key().family() == Family::Inet)
}

fn find(table: &Table, which: Option<Which>) -> Result<&Service, OptionError> {
    let service = which.ok_or(OptionError::Unreadable)?.key();
    let found = table.service(&service);
    found.ok_or(Error::NoSuchService { service }.into())
}

/// How many entries to return: the number in the argument, if it makes exactly `length` bytes.
fn room(header: usize, wanted: u32, entry: usize, length: i32) -> Result<usize, OptionError> {
    let refusal = OptionError::Length(length);
    let wanted = usize::try_from(wanted).map_err(|_| refusal.clone())?;
    let size = entry.saturating_mul(wanted).saturating_add(header);
    if usize::try_from(length) == Ok(size) {
        Ok(wanted)
    } else {
        Err(refusal)
    }
}

/// A list's header, copied unchanged from the caller's memory, and the entries.
fn list(header: &[u8], entries: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = header.to_vec();
    bytes.extend(entries.flatten());
    bytes
}
