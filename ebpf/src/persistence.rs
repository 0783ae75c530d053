//! Persistence: a client that comes again gets the server that it had (`ip_vs_sched_persist`).
//!
//! While a connection is being made, the client is known by the address that its socket is bound to,
//! if it is; else by its network namespace. What is remembered is a [`Template`], as long as the
//! service says after the last connection that it gave a server has begun, and at least as long as
//! one of them lives.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::SockAddrContext};
use sockvs_ebpf_common::{
    AddressWords, Destination, FTP_PORT, Origin, STATE_LIVE, Service, ServiceKey,
    TERMS_EXPIRE_QUIESCENT, Template, TemplateKey, Terms,
};

use crate::{
    address, balance, counter,
    selection::{self, NOBODY},
    services::Found,
    table,
};

/// A client, as its template knows it.
#[repr(C)]
struct Known(AddressWords);

/// The client's server could not be remembered.
pub(crate) struct NoMemory;

/// The client's server: the index of its record, or `NOBODY`. The client is noted in `origin`.
#[inline(always)]
pub(crate) fn choose(
    ctx: &SockAddrContext,
    found: &Found,
    origin: &mut Origin,
) -> Result<u32, NoMemory> {
    origin.client = client(ctx, found.record);
    let (port, index) = (origin.virtual_port.into(), found.index);
    let client = (&raw const origin.client).cast::<Known>();
    let known = sockvs_known(client, found.record, index, port);
    if known != NOBODY {
        return Ok(known);
    }
    let chosen = selection::choose(found.record, &address::client(ctx));
    if chosen == NOBODY {
        return Ok(NOBODY);
    }
    match sockvs_enter(client, found.record, index, port, chosen) {
        NOBODY => Err(NoMemory),
        entered => Ok(entered),
    }
}

/// Finds the client's template, if it still holds, and makes it last: the index of its
/// destination's record, or `NOBODY`.
///
/// This and `sockvs_enter` are functions of their own: the verifier goes through them once, and
/// what they put on the stack is gone when a server is chosen.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_known(
    client: *const Known,
    service: *mut Service,
    index: u32,
    asked: u32,
) -> u32 {
    let Some(key) = template_key(client, service, asked) else {
        return NOBODY;
    };
    known(&key, service, index)
}

#[inline(always)]
fn known(key: &TemplateKey, service: *mut Service, index: u32) -> u32 {
    let Some(template) = table::template(key) else {
        return NOBODY;
    };
    // SAFETY: a value of the map; programs change it by whole words or replace it as a whole.
    let known = unsafe { template.read_volatile() };
    let (now, terms) = (now(), balance::terms(service));
    // SAFETY: plain data within the record.
    let flags = unsafe { addr_of!((*terms).flags).read_volatile() };
    if (known.expires <= now && known.controls == 0) || known.service != index {
        return NOBODY;
    }
    let Some(destination) = table::destination(known.destination) else {
        return NOBODY;
    };
    let server = selection::choice_of(destination).server;
    if !is_available(destination)
        || server.port != known.port
        || server.address[0] != known.address[0]
        || server.address[1] != known.address[1]
        || server.address[2] != known.address[2]
        || server.address[3] != known.address[3]
        || (flags & TERMS_EXPIRE_QUIESCENT != 0 && selection::weight(destination) == 0)
    {
        return NOBODY;
    }
    refresh(template, now + lasts(service));
    known.destination
}

/// Enters a template that gives the client this destination. The index of the destination's record;
/// or another one, if another connection of the client was quicker; or `NOBODY`, if there is no
/// room.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_enter(
    client: *const Known,
    service: *mut Service,
    index: u32,
    asked: u32,
    chosen: u32,
) -> u32 {
    let Some(key) = template_key(client, service, asked) else {
        return NOBODY;
    };
    let Some(destination) = table::destination(chosen) else {
        return NOBODY;
    };
    let server = selection::choice_of(destination).server;
    let template = Template {
        expires: now() + lasts(service),
        destination: chosen,
        service: index,
        address: server.address,
        controls: 0,
        port: server.port,
        zero: [0; 3],
    };
    // What is there does not hold any more, unless it has just been entered.
    let new = table::template(&key).is_none();
    if table::insert_template(&key, &template, new) {
        return chosen;
    }
    known(&key, service, index)
}

/// A template's key; none if a pointer is null, which the verifier wants to be asked.
#[inline(always)]
fn template_key(client: *const Known, service: *mut Service, asked: u32) -> Option<TemplateKey> {
    if client.is_null() || service.is_null() {
        return None;
    }
    Some(TemplateKey {
        service: template_service(service, asked as u16),
        // SAFETY: not null, so the caller's.
        client: unsafe { (*client).0 },
    })
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_ktime_get_ns() }
}

/// How long a template lasts.
#[inline(always)]
fn lasts(service: *mut Service) -> u64 {
    // SAFETY: plain data within the record.
    let ticks = unsafe { addr_of!((*balance::terms(service)).ticks).read_volatile() };
    Terms::persistence(ticks)
}

/// A connection that a template gave its server begins to count.
#[inline(always)]
pub(crate) fn control(origin: &Origin, service: *mut Service) {
    if let Some(template) = template_of(origin, service) {
        // SAFETY: a field within the template.
        counter::add(unsafe { addr_of_mut!((*template).controls) }, 1);
    }
}

/// Such a connection counts no more.
#[inline(always)]
pub(crate) fn release(origin: &Origin, service: *mut Service) {
    let Some(template) = template_of(origin, service) else {
        return;
    };
    // SAFETY: a field within the template.
    let controls = unsafe { addr_of_mut!((*template).controls) };
    // SAFETY: as above; the word is read whole.
    if unsafe { controls.read_volatile() } == 0 {
        // It is another template than the one that the connection came by.
        return;
    }
    if counter::take_one(controls) == 1 {
        refresh(template, now() + lasts(service));
    }
}

#[inline(always)]
fn template_of(origin: &Origin, service: *mut Service) -> Option<*mut Template> {
    let client = origin.client;
    if client[0] | client[1] | client[2] | client[3] == 0 {
        return None;
    }
    let key = TemplateKey {
        service: template_service(service, origin.virtual_port),
        client,
    };
    let template = table::template(&key)?;
    // SAFETY: a field within the template, read whole.
    let destination = unsafe { addr_of!((*template).destination).read_volatile() };
    (destination == origin.destination).then_some(template)
}

/// The service as a template's key has it: with its port only where the connection goes to that very
/// port and that is not FTP's.
#[inline(always)]
fn template_service(service: *mut Service, asked: u16) -> ServiceKey {
    // SAFETY: a field within the record; it changes only with a new use of the record.
    let mut key = unsafe { addr_of!((*service).key).read_volatile() };
    if key.port != asked || key.port == FTP_PORT.to_be() {
        key.port = 0;
    }
    key
}

/// The client, under the service's mask. Never zero.
#[inline(always)]
fn client(ctx: &SockAddrContext, service: *mut Service) -> AddressWords {
    // SAFETY: plain data within the record.
    let netmask = unsafe { addr_of!((*balance::terms(service)).netmask).read_volatile() };
    let bound = address::bound(ctx);
    if bound[0] | bound[1] | bound[2] | bound[3] == 0 {
        let namespace = address::netns(ctx);
        return [namespace as u32, (namespace >> 32) as u32, 0, u32::MAX];
    }
    // SAFETY: as above.
    let family = unsafe { addr_of!((*service).key.family).read_volatile() };
    let masked = Terms::masked(bound, family, netmask);
    if masked[0] | masked[1] | masked[2] | masked[3] == 0 {
        return [0, 0, 0, u32::MAX];
    }
    masked
}

/// Whether a destination is in the table (`IP_VS_DEST_F_AVAILABLE`).
#[inline(always)]
pub(crate) fn is_available(destination: *mut Destination) -> bool {
    // SAFETY: chunks are never freed, and the word is read whole.
    unsafe { addr_of!((*destination).state).read_volatile() == STATE_LIVE }
}

#[inline(always)]
fn refresh(template: *mut Template, expires: u64) {
    // SAFETY: a field within the template; it is written whole.
    unsafe { addr_of_mut!((*template).expires).write_volatile(expires) };
}
