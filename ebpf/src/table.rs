//! The maps, and the way through them. What a record means is told in `sockvs-ebpf-common`.

use core::ptr::addr_of;

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    btf_maps::{Array, ArrayOfMaps, HashMap},
    macros::btf_map,
};
use sockvs_ebpf_common::{
    AddressWords, ConnTuple, DESTINATION_CHUNKS, DESTINATIONS_PER_CHUNK, Destination, Edit,
    FILTER_WORDS, FilterBit, Globals, MAX_NAMESPACES, MAX_SERVICES, MAX_SYNC_DAEMONS, Namespace,
    SERVICE_CACHE_LEN, SERVICE_CHUNKS, SERVICES_PER_CHUNK, SLOT_CHUNKS, SLOTS_PER_CHUNK,
    STATE_LIVE, Service, ServiceKey, SyncDaemon, SyncDaemonKey, service_cache_index,
};

use crate::{address, counter};

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

/// Not pinned: each daemon fills one of its own before it attaches its programs.
#[btf_map]
static VIP_FILTER: Filter = Filter::new();

/// The addresses of servers that datagrams were ever sent to. Bits are only ever set. The map is
/// pinned by its first name, which an upgrade finds it by.
#[btf_map(name = "SERVERS")]
static SERVER_FILTER: Filter = Filter::new();

/// Not pinned either.
#[btf_map]
static SERVICE_CACHE: Array<u32, { SERVICE_CACHE_LEN as usize }> = Array::new();

#[btf_map]
static GLOBALS: Array<Globals, 1> = Array::new();

/// Not for the programs: a daemon keeps it here for the next one.
#[btf_map]
static NAMESPACES: HashMap<
    u64,
    Namespace,
    { MAX_NAMESPACES as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

/// Not for the programs either.
#[btf_map]
static SYNC_DAEMONS: HashMap<
    SyncDaemonKey,
    SyncDaemon,
    { MAX_SYNC_DAEMONS as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

/// Nor this.
#[btf_map]
static EDIT: Array<Edit, 1> = Array::new();

/// What is known of all services.
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
pub(crate) fn may_be_of_service(address: &AddressWords) -> bool {
    is_in(&VIP_FILTER, address)
}

/// Whether datagrams may ever have gone to a server with this address, which is not IPv4-mapped.
#[inline(always)]
pub(crate) fn may_be_server(address: &AddressWords) -> bool {
    is_in(&SERVER_FILTER, address)
}

/// Whether the filter has the address's bit.
#[inline(always)]
fn is_in(filter: &Filter, address: &AddressWords) -> bool {
    let place = FilterBit::of(address);
    filter
        .get_ptr(place.word())
        // SAFETY: a word of the map, read whole.
        .is_some_and(|word| unsafe { word.read_volatile() } & place.mask() != 0)
}

/// Datagrams go to a server with this address, IPv4-mapped or not.
#[inline(always)]
pub(crate) fn note_server(address: &AddressWords) {
    let place = FilterBit::of(&address::unmapped(address));
    if let Some(word) = SERVER_FILTER.get_ptr_mut(place.word()) {
        counter::set_bits(word, place.mask());
    }
}

/// The service that a key belongs to: the index of its record, and the record.
#[inline(always)]
pub(crate) fn service(key: &ServiceKey) -> Option<(u32, *mut Service)> {
    let index = SERVICES.get_ptr(key)?;
    // SAFETY: a map's value may be read while the program runs. Should the entry have been reused
    // meanwhile, the index is another service's, which `if_it_is` finds out.
    if_it_is(unsafe { index.read_volatile() }, key)
}

/// The service that a key belongs to, if the short way leads there.
#[inline(always)]
pub(crate) fn cached_service(key: &ServiceKey) -> Option<(u32, *mut Service)> {
    let next = SERVICE_CACHE.get_ptr(service_cache_index(key))?;
    // SAFETY: a word of the map, read whole. Zero leads to no record, when one is taken from it.
    let next = unsafe { next.read_volatile() };
    if_it_is(next.wrapping_sub(1), key)
}

/// The record with this index, if it is that of the service that the key belongs to.
#[inline(always)]
fn if_it_is(index: u32, key: &ServiceKey) -> Option<(u32, *mut Service)> {
    let service = service_at(index)?;
    has_key(service, key).then_some((index, service))
}

/// The service's record with this index.
#[inline(always)]
pub(crate) fn service_at(index: u32) -> Option<*mut Service> {
    SERVICE_RECORDS.get_value_ptr_mut(index / SERVICES_PER_CHUNK, &(index % SERVICES_PER_CHUNK))
}

/// Whether the record's key is this one. Word by word: the derived comparison becomes a call to
/// `memcmp`.
#[inline(always)]
fn has_key(service: *mut Service, key: &ServiceKey) -> bool {
    /// Reads a field.
    macro_rules! field {
        ($($field:tt)+) => {
            // SAFETY: chunks are never freed; a part of the record, which is plain data that only a
            // new use of the record changes, and `generation` tells of that.
            unsafe { addr_of!((*service).key.$($field)+).read_volatile() }
        };
    }
    field!(netns) == key.netns
        && field!(address[0]) == key.address[0]
        && field!(address[1]) == key.address[1]
        && field!(address[2]) == key.address[2]
        && field!(address[3]) == key.address[3]
        && field!(port) == key.port
        && field!(protocol) == key.protocol
        && field!(family) == key.family
}

/// The record of the service that an origin means; none if the record has become another's.
#[inline(always)]
pub(crate) fn service_of(origin: &ConnTuple) -> Option<*mut Service> {
    let service = service_at(origin.service)?;
    (service_use(service) == origin.service_use).then_some(service)
}

/// Which use of the record this is.
#[inline(always)]
pub(crate) fn service_use(service: *mut Service) -> u32 {
    // SAFETY: chunks are never freed, and the word is read whole.
    unsafe { addr_of!((*service).use_number).read_volatile() }
}

/// Whether a service is in the table.
#[inline(always)]
pub(crate) fn is_live(service: *mut Service) -> bool {
    // SAFETY: chunks are never freed, and the word is read whole.
    unsafe { addr_of!((*service).state).read_volatile() == STATE_LIVE }
}

/// The record of the destination that an origin means; none if the record has become another's.
#[inline(always)]
pub(crate) fn destination_of(origin: &ConnTuple) -> Option<*mut Destination> {
    let destination = destination(origin.destination)?;
    (destination_use(destination) == origin.destination_use).then_some(destination)
}

/// Which use of the record this is.
#[inline(always)]
pub(crate) fn destination_use(destination: *mut Destination) -> u32 {
    // SAFETY: chunks are never freed, and the word is read whole.
    unsafe { addr_of!((*destination).use_number).read_volatile() }
}

/// The destination's record with this index.
#[inline(always)]
pub(crate) fn destination(index: u32) -> Option<*mut Destination> {
    DESTINATION_RECORDS.get_value_ptr_mut(
        index / DESTINATIONS_PER_CHUNK,
        &(index % DESTINATIONS_PER_CHUNK),
    )
}

/// The word of `SLOTS` with this index.
#[inline(always)]
pub(crate) fn slot(index: u32) -> Option<u64> {
    let word = SLOTS.get_value_ptr_mut(index / SLOTS_PER_CHUNK, &(index % SLOTS_PER_CHUNK))?;
    // SAFETY: chunks are never freed, and a word is read whole.
    Some(unsafe { word.read_volatile() })
}
