//! Persistence: a client that comes again gets the server that it had (`ip_vs_sched_persist`).
//!
//! While a connection is being made, the client is known by the address that its socket is bound
//! to, if it is; else by its network namespace. What is remembered is a [`Template`], as long as
//! the service says after the last connection that it gave a server has begun, and at least as long
//! as one of them lives.
//!
//! A template is entered when the client's connection begins, so that an attempt that never begins
//! leaves none. How many a service may have is limited (`template_allowed`). A client beyond that
//! is balanced without persistence, until the daemon has removed templates that are not in use.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::HashMap,
    helpers::bpf_ktime_get_ns,
    macros::btf_map,
    programs::SockAddrContext,
};
use sockvs_ebpf_common::{
    AddressWords, ConnTuple, Destination, FTP_PORT, MAX_TEMPLATES, SCHED_EXPIRE_QUIESCENT,
    STATE_LIVE, SchedParams, Service, ServiceKey, Template, TemplateKey, template_allowed,
};

use crate::{
    address, balance, counter,
    selection::{self, NOBODY},
    services::Found,
    shares, table,
};

#[btf_map]
static TEMPLATES: HashMap<
    TemplateKey,
    Template,
    { MAX_TEMPLATES as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

/// How many templates there may be. The daemon sets it before the programs are loaded.
#[unsafe(no_mangle)]
static TEMPLATES_LIMIT: u32 = MAX_TEMPLATES;

/// How often it is tried to change a number that changes at that moment.
const TRIES: u32 = 8;

/// A client, as its template knows it.
#[repr(C)]
struct Known(AddressWords);

/// The template of this key.
#[inline(always)]
pub(crate) fn template(key: &TemplateKey) -> Option<*mut Template> {
    TEMPLATES.get_ptr_mut(key)
}

/// Removes the template of this key. Whether there was one.
#[inline(always)]
pub(crate) fn remove(key: &TemplateKey) -> bool {
    TEMPLATES.remove(key).is_ok()
}

/// The client's server: the index of its record, or `NOBODY`. The client is noted in `origin`.
#[inline(always)]
pub(crate) fn choose(ctx: &SockAddrContext, found: &Found, origin: &mut ConnTuple) -> u32 {
    origin.client = client(ctx, found.record);
    let client = (&raw const origin.client).cast::<Known>();
    let known = sockvs_known(client, found.record, found.index, origin.vport.into());
    if known != NOBODY {
        return known;
    }
    selection::choose(found.record, &address::client(ctx))
}

/// Finds the client's template, if it still holds: the index of its destination's record, or
/// `NOBODY`.
///
/// A function of its own: the verifier goes through it once, and what it puts on the stack is gone
/// when a server is chosen.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_known(
    client: *const Known,
    service: *mut Service,
    index: u32,
    asked: u32,
) -> u32 {
    if client.is_null() || service.is_null() {
        return NOBODY;
    }
    // SAFETY: not null, so the caller's.
    let client = unsafe { (*client).0 };
    let Some(template) = template(&key(client, service, asked as u16)) else {
        return NOBODY;
    };
    // SAFETY: a value of the map; programs change it by whole words or replace it as a whole.
    let known = unsafe { template.read_volatile() };
    if !holds(&known, service, index) {
        return NOBODY;
    }
    known.destination
}

/// Whether a template leads its client to a server still.
#[inline(always)]
fn holds(known: &Template, service: *mut Service, index: u32) -> bool {
    if (known.expires <= now() && known.n_control == 0)
        || known.service != index
        || known.service_use != table::service_use(service)
    {
        return false;
    }
    let Some(destination) = table::destination(known.destination) else {
        return false;
    };
    // SAFETY: plain data within the record.
    let flags = unsafe { addr_of!((*balance::terms(service)).flags).read_volatile() };
    known.destination_use == table::destination_use(destination)
        && is_available(destination)
        && (flags & SCHED_EXPIRE_QUIESCENT == 0 || selection::weight(destination) != 0)
}

/// A connection begins to count: its client has a template from now on, that lasts. If it cannot
/// have one that leads to the connection's server, the client is struck out of `origin`.
#[inline(always)]
pub(crate) fn begin(origin: &mut ConnTuple, service: *mut Service) {
    if has_client(origin) && !enter(origin, service) {
        origin.client = [0; 4];
    }
}

#[inline(always)]
fn enter(origin: &ConnTuple, service: *mut Service) -> bool {
    let key = key(origin.client, service, origin.vport);
    let expires = now() + lasts(service);
    let before = template(&key);
    if let Some(template) = before {
        if is_of(template, origin) {
            // SAFETY: a field within the template.
            counter::add(unsafe { addr_of_mut!((*template).n_control) }, 1);
            refresh(template, expires);
            return true;
        }
        // SAFETY: a value of the map; programs change it by whole words or replace it as a whole.
        let known = unsafe { template.read_volatile() };
        if holds(&known, service, origin.service) {
            // Another connection of the client was quicker.
            return false;
        }
    } else if !has_room(service) {
        return false;
    }
    let Some(destination) = table::destination(origin.destination) else {
        return false;
    };
    let server = selection::choice_of(destination).server;
    let new = Template {
        expires,
        destination: origin.destination,
        service: origin.service,
        address: server.address,
        n_control: 1,
        destination_use: origin.destination_use,
        service_use: origin.service_use,
        port: server.port,
        zero: [0; 3],
    };
    let flags = if before.is_some() {
        BPF_ANY
    } else {
        BPF_NOEXIST
    };
    if TEMPLATES.insert(&key, &new, flags.into()).is_err() {
        return false;
    }
    if before.is_none() {
        counter::add_half(templates_of(service), 1);
        if let Some(total) = shares::templates() {
            counter::add_half(total, 1);
        }
    }
    true
}

/// Whether the service may have another template.
#[inline(always)]
fn has_room(service: *mut Service) -> bool {
    let Some(total) = shares::templates() else {
        return false;
    };
    // SAFETY: words of maps, read whole.
    let (own, total) = unsafe { (templates_of(service).read_volatile(), total.read_volatile()) };
    // SAFETY: a valid, aligned static. Volatile, because its value is not the one written above.
    let limit = unsafe { addr_of!(TEMPLATES_LIMIT).read_volatile() };
    template_allowed(own, total, limit)
}

/// A connection that a template gave its server, or that entered one, counts no more.
#[inline(always)]
pub(crate) fn end(origin: &ConnTuple, service: *mut Service) {
    if !has_client(origin) {
        return;
    }
    let Some(template) = template(&key(origin.client, service, origin.vport)) else {
        return;
    };
    if !is_of(template, origin) {
        // It is another template than the one that the connection came by.
        return;
    }
    // SAFETY: a field within the template.
    let n_control = unsafe { addr_of_mut!((*template).n_control) };
    for _ in 0..TRIES {
        // SAFETY: as above; the word is read whole.
        let before = unsafe { n_control.read_volatile() };
        if before == 0 {
            return;
        }
        if counter::replace(n_control, before, before - 1) {
            if before == 1 {
                refresh(template, now() + lasts(service));
            }
            return;
        }
    }
}

#[inline(always)]
fn has_client(origin: &ConnTuple) -> bool {
    let [a, b, c, d] = origin.client;
    a | b | c | d != 0
}

/// Whether a template leads to the server that the connection has, of the same service.
#[inline(always)]
fn is_of(template: *mut Template, origin: &ConnTuple) -> bool {
    /// Reads a field.
    macro_rules! field {
        ($field:ident) => {
            // SAFETY: a field within the template, read whole.
            unsafe { addr_of!((*template).$field).read_volatile() }
        };
    }
    field!(destination) == origin.destination
        && field!(destination_use) == origin.destination_use
        && field!(service) == origin.service
        && field!(service_use) == origin.service_use
}

/// The key of a client's template.
#[inline(always)]
fn key(client: AddressWords, service: *mut Service, asked: u16) -> TemplateKey {
    TemplateKey {
        service: template_service(service, asked),
        client,
    }
}

#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_ktime_get_ns() }
}

/// How long a template lasts.
#[inline(always)]
fn lasts(service: *mut Service) -> u64 {
    // SAFETY: plain data within the record.
    let jiffies = unsafe { addr_of!((*balance::terms(service)).jiffies).read_volatile() };
    SchedParams::persistence(jiffies)
}

/// How many templates the service has.
#[inline(always)]
pub(crate) fn templates_of(service: *mut Service) -> *mut u32 {
    // SAFETY: a field within the record.
    unsafe { addr_of_mut!((*service).templates) }
}

/// The service as a template's key has it: with its port only where the connection goes to that
/// very port and that is not FTP's.
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
    let masked = SchedParams::masked(bound, family, netmask);
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
