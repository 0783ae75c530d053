//! Reads the kernel's type information (BTF): the offsets of structure fields.
//!
//! Made for a few look-ups when the daemon starts. Nothing is indexed: each look-up scans the types
//! of one kind, which takes well under a millisecond. The format is documented in the kernel's
//! `Documentation/bpf/btf.rst`.

use super::btf_type::{Kind, Type, word};

/// The running kernel's BTF.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u16 = 0xeb9f;
/// How deep anonymous structures, and aliases of types, may be nested.
const DEPTH: u32 = 16;

/// Why a look-up failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel has no BTF.
    #[error("the kernel does not describe its types in {VMLINUX} (CONFIG_DEBUG_INFO_BTF)")]
    Missing(#[source] std::io::Error),
    /// The BTF is malformed.
    #[error("the kernel's description of its types is malformed: {0}")]
    Malformed(&'static str),
    /// The kernel has no such function.
    #[error("this kernel has no function {0}")]
    NoFunction(&'static str),
    /// The kernel has no such field.
    #[error("this kernel has no field {path} in struct {structure}")]
    NoField {
        /// The structure.
        structure: &'static str,
        /// The field's path, from the outermost to the innermost.
        path: String,
    },
    /// The field is not a whole number of bytes.
    #[error("this kernel has a bit field in the place of {path} in struct {structure}")]
    BitField {
        /// The structure.
        structure: &'static str,
        /// The field's path, from the outermost to the innermost.
        path: String,
    },
}

/// Parsed BTF.
pub struct Btf {
    bytes: Vec<u8>,
    /// The offset of each type's record. The first type has id 1.
    types: Vec<u32>,
    strings: usize,
}

impl Btf {
    /// The running kernel's BTF.
    pub fn of_kernel() -> Result<Self, Error> {
        Self::parse(std::fs::read(VMLINUX).map_err(Error::Missing)?)
    }

    /// Parses BTF.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let cut = || Error::Malformed("it is cut off");
        if bytes.get(..2) != Some(&MAGIC.to_ne_bytes()) {
            return Err(Error::Malformed("it does not begin as it should"));
        }
        let header =
            |index: usize| word(&bytes, index).and_then(|value| usize::try_from(value).ok());
        let (Some(header_len), Some(types_at), Some(types_len), Some(strings_at)) =
            (header(4), header(8), header(12), header(16))
        else {
            return Err(cut());
        };
        let mut at = header_len.checked_add(types_at).ok_or_else(cut)?;
        let end = at
            .checked_add(types_len)
            .filter(|end| *end <= bytes.len())
            .ok_or_else(cut)?;
        let strings = header_len.checked_add(strings_at).ok_or_else(cut)?;
        let mut types = Vec::new();
        while at < end {
            let length = Type::at(&bytes, at).ok_or_else(cut)?.length();
            types.push(u32::try_from(at).map_err(|_| cut())?);
            at += length.ok_or(Error::Malformed(
                "it has a kind of type that is not known here",
            ))?;
        }
        Ok(Self {
            bytes,
            types,
            strings,
        })
    }

    /// The id of a function's type.
    pub fn function(&self, name: &'static str) -> Result<u32, Error> {
        let found = self
            .of_kind(Kind::Function)
            .find(|(_, found)| self.is_named(found, name));
        found.map(|(id, _)| id).ok_or(Error::NoFunction(name))
    }

    /// The offset of a field in a structure, in bytes. The path leads through nested structures;
    /// anonymous ones are left out.
    pub fn offset(&self, structure: &'static str, path: &[&str]) -> Result<u32, Error> {
        // Several structures can have the same name; the one with the field is meant.
        let mut bits = None;
        for (_, candidate) in self.of_kind(Kind::Struct) {
            if self.is_named(&candidate, structure) {
                bits = bits.or_else(|| self.walk(&candidate, path));
            }
        }
        let path = || path.join(".");
        let Position { bits, whole } = bits.ok_or_else(|| Error::NoField {
            structure,
            path: path(),
        })?;
        if !whole || bits % 8 != 0 {
            return Err(Error::BitField {
                structure,
                path: path(),
            });
        }
        Ok(bits / 8)
    }

    /// The value of an enumerator of any enumeration.
    pub fn enumerator(&self, name: &str) -> Option<u32> {
        self.of_kind(Kind::Enum)
            .flat_map(|(_, found)| found.enumerators())
            .find(|(enumerator, _)| self.text(*enumerator) == Some(name.as_bytes()))
            .map(|(_, value)| value)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (u32, Type<'_>)> {
        (1_u32..).zip(&self.types).filter_map(move |(id, at)| {
            let found = Type::at(&self.bytes, usize::try_from(*at).ok()?)?;
            (found.kind() == kind).then_some((id, found))
        })
    }

    fn by_id(&self, id: u32) -> Option<Type<'_>> {
        let at = self.types.get(usize::try_from(id.checked_sub(1)?).ok()?)?;
        Type::at(&self.bytes, usize::try_from(*at).ok()?)
    }

    fn walk(&self, outer: &Type<'_>, path: &[&str]) -> Option<Position> {
        let mut position = Position {
            bits: 0,
            whole: true,
        };
        let mut place = *outer;
        for (depth, name) in path.iter().enumerate() {
            if depth > 0 {
                place = self.resolve(place)?;
            }
            let (member, id) = self.member(&place, name, DEPTH)?;
            position = Position {
                bits: position.bits.checked_add(member.bits)?,
                whole: member.whole,
            };
            if depth + 1 < path.len() {
                place = self.by_id(id)?;
            }
        }
        Some(position)
    }

    /// The member of this name, also in anonymous members.
    fn member(&self, place: &Type<'_>, name: &str, depth: u32) -> Option<(Position, u32)> {
        let depth = depth.checked_sub(1)?;
        for member in place.members() {
            let position = Position {
                bits: member.bits,
                whole: member.size == 0,
            };
            if self.text(member.name) == Some(name.as_bytes()) {
                return Some((position, member.id));
            }
            if member.name == 0
                && let Some(inner) = self.by_id(member.id)
                && let Some(inner) = self.resolve(inner)
                && let Some((found, id)) = self.member(&inner, name, depth)
            {
                let bits = member.bits.checked_add(found.bits)?;
                return Some((Position { bits, ..found }, id));
            }
        }
        None
    }

    /// The type that an alias refers to.
    fn resolve<'a>(&'a self, mut found: Type<'a>) -> Option<Type<'a>> {
        for _ in 0..DEPTH {
            match found.kind() {
                Kind::Alias => found = self.by_id(found.refers_to())?,
                _ => return Some(found),
            }
        }
        None
    }

    fn is_named(&self, found: &Type<'_>, name: &str) -> bool {
        self.text(found.name()) == Some(name.as_bytes())
    }

    fn text(&self, offset: u32) -> Option<&[u8]> {
        let from = self.strings.checked_add(usize::try_from(offset).ok()?)?;
        self.bytes.get(from..)?.split(|byte| *byte == 0).next()
    }
}

/// The position of a member.
#[derive(Clone, Copy)]
struct Position {
    bits: u32,
    whole: bool,
}
