//! Persistence: a client that returns gets the destination that it had (`ip_vs_sched_persist`).
//! Choosing a destination for a client without a template is not done here.
//!
//! While a connection is being made, the client is identified by the address that its socket is
//! bound to, if it is; else by its network namespace. Its destination is stored in a [`Template`],
//! which expires as long after the client's last connection as the service says, and not before
//! that connection ends.
//!
//! A template is inserted when the client's connection is established, so that an attempt that
//! fails leaves none. How many a service may have is limited (`template_allowed`). Clients beyond
//! that are balanced without persistence, until the daemon has removed templates that are not in
//! use.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::HashMap,
    macros::btf_map,
};
use sockvs_ebpf_common::{
    AddressWords, ConnTuple, FTP_PORT, MAX_TEMPLATES, SCHED_EXPIRE_QUIESCENT, SchedParams, Service,
    ServiceKey, Template, TemplateKey, template_allowed,
};

use crate::{
    clock, config, maps,
    records::{ServiceRef, TemplateRef},
    selection::NO_DESTINATION,
    services::Found,
    shares,
    sock_addr::SockAddr,
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

/// How often a word is compared and exchanged that other processors change at the same time.
const RETRIES: u32 = 8;

/// A client, as the key of its template has it.
#[repr(C)]
struct ClientAddress(AddressWords);

/// The template with this key.
#[inline(always)]
pub(crate) fn template(key: &TemplateKey) -> Option<TemplateRef> {
    let value = TEMPLATES.get_ptr_mut(key)?;
    // SAFETY: this is a look-up.
    Some(unsafe { TemplateRef::new(value) })
}

/// Removes the template with this key. Whether there was one.
#[inline(always)]
pub(crate) fn remove(key: &TemplateKey) -> bool {
    TEMPLATES.remove(key).is_ok()
}

/// The index of the destination that the client's template leads to, or `NO_DESTINATION`. The
/// client is stored in `tuple`.
#[inline(always)]
pub(crate) fn lookup(call: SockAddr, service: &Found, tuple: &mut ConnTuple) -> u32 {
    tuple.client = client(call, service.record);
    let client = (&raw const tuple.client).cast::<ClientAddress>();
    sockvs_lookup_template(
        client,
        service.record.as_ptr(),
        service.index,
        tuple.vport.into(),
    )
}

/// Looks up the client's template: the index of its destination if it is valid, or
/// `NO_DESTINATION`.
///
/// A global function: the verifier checks it once, and its stack is free again when a destination
/// is chosen.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_lookup_template(
    client: *const ClientAddress,
    service: *mut Service,
    index: u32,
    vport: u32,
) -> u32 {
    if client.is_null() {
        return NO_DESTINATION;
    }
    // SAFETY: the caller passes what `as_ptr` returned.
    let Some(service) = (unsafe { ServiceRef::from_argument(service) }) else {
        return NO_DESTINATION;
    };
    // SAFETY: not null, so the caller's.
    let client = unsafe { (*client).0 };
    let Some(template) = template(&key(client, service, vport as u16)) else {
        return NO_DESTINATION;
    };
    let template = template.read();
    if !is_valid(&template, service, index) {
        return NO_DESTINATION;
    }
    template.destination
}

/// Whether a template leads its client to a usable destination (`ip_vs_check_template`).
#[inline(always)]
fn is_valid(template: &Template, service: ServiceRef, index: u32) -> bool {
    if (template.expires <= clock::now() && template.n_control == 0)
        || template.service != index
        || template.service_use != service.use_number()
    {
        return false;
    }
    let Some(destination) = maps::destination_at(template.destination) else {
        return false;
    };
    let flags = service.params().flags();
    template.destination_use == destination.use_number()
        && destination.is_available()
        && (flags & SCHED_EXPIRE_QUIESCENT == 0 || destination.weight() != 0)
}

/// Binds a connection that is being counted to its client's template, which is inserted if need be.
/// If the client cannot have a template that leads to the connection's destination, the client is
/// cleared in `tuple`.
#[inline(always)]
pub(crate) fn bind(tuple: &mut ConnTuple, service: ServiceRef) {
    if has_client(tuple) && !bind_template(tuple, service) {
        tuple.client = [0; 4];
    }
}

#[inline(always)]
fn bind_template(tuple: &ConnTuple, service: ServiceRef) -> bool {
    let key = key(tuple.client, service, tuple.vport);
    let expires = clock::now() + service.params().persistence();
    let before = template(&key);
    if let Some(template) = before {
        if template.controls(tuple) {
            template.n_control().add(1);
            template.set_expires(expires);
            return true;
        }
        if is_valid(&template.read(), service, tuple.service) {
            // Another connection of the client was counted first.
            return false;
        }
    } else if !has_room(service) {
        return false;
    }
    let Some(destination) = maps::destination_at(tuple.destination) else {
        return false;
    };
    let server = destination.endpoint();
    let new = Template {
        expires,
        destination: tuple.destination,
        service: tuple.service,
        address: server.address,
        n_control: 1,
        destination_use: tuple.destination_use,
        service_use: tuple.service_use,
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
        service.templates().add(1);
        if let Some(total) = shares::templates() {
            total.add(1);
        }
    }
    true
}

/// Whether the service may have another template.
#[inline(always)]
fn has_room(service: ServiceRef) -> bool {
    let Some(total) = shares::templates() else {
        return false;
    };
    let (own, total) = (service.templates().load(), total.load());
    template_allowed(own, total, config::get(&TEMPLATES_LIMIT))
}

/// Unbinds a connection that is counted no more from its client's template.
#[inline(always)]
pub(crate) fn unbind(tuple: &ConnTuple, service: ServiceRef) {
    if !has_client(tuple) {
        return;
    }
    let Some(template) = template(&key(tuple.client, service, tuple.vport)) else {
        return;
    };
    if !template.controls(tuple) {
        // The connection was bound to an earlier template.
        return;
    }
    let n_control = template.n_control();
    for _ in 0..RETRIES {
        let before = n_control.load();
        if before == 0 {
            return;
        }
        if n_control.compare_exchange(before, before - 1) {
            if before == 1 {
                template.set_expires(clock::now() + service.params().persistence());
            }
            return;
        }
    }
}

#[inline(always)]
fn has_client(tuple: &ConnTuple) -> bool {
    let [a, b, c, d] = tuple.client;
    a | b | c | d != 0
}

/// The key of a client's template.
#[inline(always)]
fn key(client: AddressWords, service: ServiceRef, vport: u16) -> TemplateKey {
    TemplateKey {
        service: service_key(service, vport),
        client,
    }
}

/// The service in a template's key: with its port only if the connection goes to that very port and
/// the port is not FTP's.
#[inline(always)]
fn service_key(service: ServiceRef, vport: u16) -> ServiceKey {
    let mut key = service.key();
    if key.port != vport || key.port == FTP_PORT.to_be() {
        key.port = 0;
    }
    key
}

/// The client, under the service's mask. Never zero.
#[inline(always)]
fn client(call: SockAddr, service: ServiceRef) -> AddressWords {
    let netmask = service.params().netmask();
    let bound = call.bound();
    if bound[0] | bound[1] | bound[2] | bound[3] == 0 {
        let namespace = call.netns();
        return [namespace as u32, (namespace >> 32) as u32, 0, u32::MAX];
    }
    let masked = SchedParams::masked(bound, service.family(), netmask);
    if masked[0] | masked[1] | masked[2] | masked[3] == 0 {
        return [0, 0, 0, u32::MAX];
    }
    masked
}
