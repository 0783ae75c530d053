//! The options that change a table (`do_ip_vs_set_ctl`). The caller has checked that the argument
//! is long enough.

use super::{
    Caller,
    argument::{self, DaemonArgument, ServiceArgument},
    error::OptionError,
    option::SetOption,
};
use crate::state::Object;
use crate::state::Tables;
use sockvs_ipvs::{DataPath, Error, Host, Table};

const TCP: u16 = 6;
const UDP: u16 = 17;
const SCTP: u16 = 132;

/// Executes an option, and returns which object it changed.
pub(super) fn change(
    tables: &mut Tables,
    caller: &Caller<'_>,
    option: SetOption,
    argument: &[u8],
) -> Result<Object, OptionError> {
    let Tables { ipvs, path } = tables;
    let (path, host) = (path.as_mut(), caller.host);
    let table = ipvs.changing(caller.namespace, caller.owner, path)?;
    match option {
        SetOption::Flush => table.flush(path),
        SetOption::Timeouts => {
            let update = argument::timeouts(argument).ok_or(OptionError::Unreadable)?;
            table.set_timeouts(update, path)?;
        }
        SetOption::StartDaemon => {
            let daemon = DaemonArgument::read(argument).ok_or(OptionError::Unreadable)?;
            let interface = daemon.interface.0.as_ref().filter(|name| !name.is_empty());
            let interface = interface.ok_or(OptionError::InterfaceName)?;
            table.start_sync_daemon(daemon.spec(interface.clone()), host, path)?;
        }
        SetOption::StopDaemon => {
            let daemon = DaemonArgument::read(argument).ok_or(OptionError::Unreadable)?;
            table.stop_sync_daemon(daemon.state, path)?;
        }
        SetOption::AddService
        | SetOption::EditService
        | SetOption::DeleteService
        | SetOption::AddDestination
        | SetOption::DeleteDestination
        | SetOption::EditDestination
        | SetOption::Zero => {
            let service = ServiceArgument::read(argument).ok_or(OptionError::Unreadable)?;
            return change_service(table, path, host, option, &service, argument);
        }
    }
    Ok(Object::default())
}

/// An option whose argument begins with a service.
fn change_service(
    table: &mut Table,
    path: &mut dyn DataPath,
    host: &dyn Host,
    option: SetOption,
    service: &ServiceArgument,
    argument: &[u8],
) -> Result<Object, OptionError> {
    let which = service.which;
    if option == SetOption::Zero && which.is_blank() {
        table.zero_all(path);
        return Ok(Object::default());
    }
    let names_scheduler = matches!(option, SetOption::AddService | SetOption::EditService);
    let scheduler = match &service.scheduler.0 {
        Some(name) => name.clone(),
        None if names_scheduler => return Err(OptionError::SchedulerName),
        None => Vec::new(),
    };
    if ![TCP, UDP, SCTP].contains(&which.protocol) {
        return Err(OptionError::Protocol(which.protocol));
    }
    let key = which.key();
    let exists = table.service(&key).is_some() && key.protocol() == which.protocol;
    if option != SetOption::AddService && !exists {
        return Err(Error::NoSuchService { service: key }.into());
    }
    let destination = || argument::destination(argument).ok_or(OptionError::Unreadable);
    let mut object = Object::from(key);
    match option {
        SetOption::AddService => {
            table.add_service(service.spec(scheduler), path)?;
        }
        SetOption::EditService => table.edit_service(service.spec(scheduler), path)?,
        SetOption::DeleteService => table.delete_service(&key, path)?,
        SetOption::Zero => table.zero_service(&key, path)?,
        SetOption::AddDestination => {
            let spec = destination()?;
            object = (key, spec.key).into();
            table.add_destination(&key, spec, host, path)?;
        }
        SetOption::EditDestination => {
            let spec = destination()?;
            object = (key, spec.key).into();
            table.edit_destination(&key, spec, path)?;
        }
        SetOption::DeleteDestination => {
            let spec = destination()?;
            object = (key, spec.key).into();
            table.delete_destination(&key, &spec.key, path)?;
        }
        SetOption::Flush | SetOption::Timeouts | SetOption::StartDaemon | SetOption::StopDaemon => {
            return Err(OptionError::NoSuchOption);
        }
    }
    Ok(object)
}
