//! The maps of the table, and the look-ups in them. What a map holds is documented in
//! `sockvs-ebpf-common`. Connections, flows, templates and shares have their maps in the files of
//! those names. Nothing is scheduled or counted here.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    btf_maps::{Array, ArrayOfMaps, HashMap},
    macros::btf_map,
};
use sockvs_ebpf_common::{
    AddressWords, ConnTuple, DESTINATION_CHUNKS, DESTINATIONS_PER_CHUNK, Destination, Edit,
    FILTER_WORDS, FilterBit, Globals, MAX_NAMESPACES, MAX_SERVICES, MAX_SYNC_DAEMONS, Namespace,
    SERVICE_CACHE_LEN, SERVICE_CHUNKS, SERVICES_PER_CHUNK, SLOT_CHUNKS, SLOTS_PER_CHUNK, Service,
    ServiceKey, SyncDaemon, SyncDaemonKey, service_cache_index,
};

use crate::{
    address,
    atomic::Atomic64,
    records::{DestinationRef, ServiceRef},
};

type Chunk<T, const LEN: usize> = Array<T, LEN, { BPF_F_MMAPABLE as usize }>;
type Chunks<T, const LEN: usize, const COUNT: usize> = ArrayOfMaps<Chunk<T, LEN>, COUNT>;

type Filter = Array<u64, { FILTER_WORDS as usize }>;

#[btf_map]
static SERVICES: HashMap<
    ServiceKey,
    u32,
    { MAX_SERVICES as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
static SERVICE_RECORDS: Chunks<
    Service,
    { SERVICES_PER_CHUNK as usize },
    { SERVICE_CHUNKS as usize },
> = Chunks::new();

#[btf_map]
static DESTINATION_RECORDS: Chunks<
    Destination,
    { DESTINATIONS_PER_CHUNK as usize },
    { DESTINATION_CHUNKS as usize },
> = Chunks::new();

#[btf_map]
static SLOTS: Chunks<u64, { SLOTS_PER_CHUNK as usize }, { SLOT_CHUNKS as usize }> = Chunks::new();

/// The addresses of services. Not pinned: each daemon fills its own before it attaches its
/// programs.
#[btf_map]
static VIP_FILTER: Filter = Filter::new();

/// The addresses of servers that datagrams were ever sent to. Bits are only ever set. The map is
/// pinned by its first name, which an upgrade finds it by.
#[btf_map(name = "SERVERS")]
static SERVER_FILTER: Filter = Filter::new();

/// The index of a service, plus one. Not pinned either.
#[btf_map]
static SERVICE_CACHE: Array<u32, { SERVICE_CACHE_LEN as usize }> = Array::new();

#[btf_map]
static GLOBALS: Array<Globals, 1> = Array::new();

/// Not used by the programs: the daemon stores it for the next one.
#[btf_map]
static NAMESPACES: HashMap<
    u64,
    Namespace,
    { MAX_NAMESPACES as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

/// Likewise.
#[btf_map]
static SYNC_DAEMONS: HashMap<
    SyncDaemonKey,
    SyncDaemon,
    { MAX_SYNC_DAEMONS as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

/// Likewise.
#[btf_map]
static EDIT: Array<Edit, 1> = Array::new();

/// What the programs know of all services together.
#[inline(always)]
pub(crate) fn globals() -> Globals {
    match GLOBALS.get_ptr(0) {
        // SAFETY: the map's only value, whose words are written whole.
        Some(globals) => unsafe { globals.read_volatile() },
        None => Globals::default(),
    }
}

/// Whether there may be services with this address, which is not IPv4-mapped.
#[inline(always)]
pub(crate) fn may_be_vip(address: &AddressWords) -> bool {
    contains(&VIP_FILTER, address)
}

/// Whether datagrams may ever have been sent to a server with this address, which is not
/// IPv4-mapped.
#[inline(always)]
pub(crate) fn may_be_server(address: &AddressWords) -> bool {
    contains(&SERVER_FILTER, address)
}

/// Whether the filter has the address's bit.
#[inline(always)]
fn contains(filter: &Filter, address: &AddressWords) -> bool {
    let bit = FilterBit::of(address);
    filter
        .get_ptr(bit.word())
        // SAFETY: a word of the map, read whole.
        .is_some_and(|word| unsafe { word.read_volatile() } & bit.mask() != 0)
}

/// Adds a server that datagrams are sent to to its filter. The address may be IPv4-mapped.
#[inline(always)]
pub(crate) fn add_server(address: &AddressWords) {
    let bit = FilterBit::of(&address::unmapped(address));
    if let Some(word) = SERVER_FILTER.get_ptr_mut(bit.word()) {
        // SAFETY: a word of the map.
        unsafe { Atomic64::new(word) }.set_bits(bit.mask());
    }
}

/// The service with this key: its index and its record.
#[inline(always)]
pub(crate) fn service(key: &ServiceKey) -> Option<(u32, ServiceRef)> {
    let index = SERVICES.get_ptr(key)?;
    // SAFETY: a map's value may be read while the program runs. If the entry has been reused
    // meanwhile, the index is another service's, which `with_key` finds out.
    with_key(unsafe { index.read_volatile() }, key)
}

/// The service with this key, if the cache has it.
#[inline(always)]
pub(crate) fn cached_service(key: &ServiceKey) -> Option<(u32, ServiceRef)> {
    let next = SERVICE_CACHE.get_ptr(service_cache_index(key))?;
    // SAFETY: a word of the map, read whole. An empty place holds zero; one less than that is the
    // index of no record.
    let next = unsafe { next.read_volatile() };
    with_key(next.wrapping_sub(1), key)
}

/// The record with this index, if the service in it has the key.
#[inline(always)]
fn with_key(index: u32, key: &ServiceKey) -> Option<(u32, ServiceRef)> {
    let service = service_at(index)?;
    service.has_key(key).then_some((index, service))
}

/// The service's record with this index.
#[inline(always)]
pub(crate) fn service_at(index: u32) -> Option<ServiceRef> {
    SERVICE_RECORDS
        .get_value_ptr_mut(index / SERVICES_PER_CHUNK, &(index % SERVICES_PER_CHUNK))
        // SAFETY: this is a look-up.
        .map(|record| unsafe { ServiceRef::new(record) })
}

/// The service's record that a tuple refers to; none if the record has become another's.
#[inline(always)]
pub(crate) fn service_of(tuple: &ConnTuple) -> Option<ServiceRef> {
    let service = service_at(tuple.service)?;
    (service.use_number() == tuple.service_use).then_some(service)
}

/// The destination's record with this index.
#[inline(always)]
pub(crate) fn destination_at(index: u32) -> Option<DestinationRef> {
    DESTINATION_RECORDS
        .get_value_ptr_mut(
            index / DESTINATIONS_PER_CHUNK,
            &(index % DESTINATIONS_PER_CHUNK),
        )
        // SAFETY: this is a look-up.
        .map(|record| unsafe { DestinationRef::new(record) })
}

/// The destination's record that a tuple refers to; none if the record has become another's.
#[inline(always)]
pub(crate) fn destination_of(tuple: &ConnTuple) -> Option<DestinationRef> {
    let destination = destination_at(tuple.destination)?;
    (destination.use_number() == tuple.destination_use).then_some(destination)
}

/// The word of `SLOTS` with this index.
#[inline(always)]
pub(crate) fn slot(index: u32) -> Option<u64> {
    let word = SLOTS.get_value_ptr_mut(index / SLOTS_PER_CHUNK, &(index % SLOTS_PER_CHUNK))?;
    // SAFETY: chunks are never freed, and a word is read whole.
    Some(unsafe { word.read_volatile() })
}
