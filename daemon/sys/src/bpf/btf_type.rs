//! One type's record in BTF (`struct btf_type` and what follows it). It knows no other types.

/// The size of the part that all kinds have.
const RECORD: usize = 12;
/// The size of a member, a variable in a section, or a 64-bit enumerator.
const THREE_WORDS: usize = 12;
/// The size of an enumerator or a parameter.
const TWO_WORDS: usize = 8;

/// The kind of a type, as far as it is needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A structure or a union.
    Struct,
    /// An enumeration of 32-bit values.
    Enum,
    /// A function.
    Function,
    /// An alias, or a qualifier such as `const`.
    Alias,
    /// Any other kind.
    Other,
}

/// A type's record.
#[derive(Clone, Copy)]
pub(super) struct Type<'a> {
    bytes: &'a [u8],
    at: usize,
    name: u32,
    info: u32,
    size_or_type: u32,
}

/// A member of a structure.
pub(super) struct Member {
    /// The offset of its name in the strings.
    pub(super) name: u32,
    /// The id of its type.
    pub(super) id: u32,
    /// Its offset in bits.
    pub(super) bits: u32,
    /// The width of a bit field; zero for any other member.
    pub(super) size: u32,
}

impl<'a> Type<'a> {
    /// The record at an offset.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        Some(Self {
            bytes,
            at,
            name: word(bytes, at)?,
            info: word(bytes, at + 4)?,
            size_or_type: word(bytes, at + 8)?,
        })
    }

    /// The offset of its name in the strings.
    pub(super) fn name(&self) -> u32 {
        self.name
    }

    /// The id of the type that it refers to.
    pub(super) fn refers_to(&self) -> u32 {
        self.size_or_type
    }

    /// Its kind (`BTF_KIND_*`).
    pub(super) fn kind(&self) -> Kind {
        match self.number() {
            4 | 5 => Kind::Struct,
            6 => Kind::Enum,
            12 => Kind::Function,
            8..=11 | 18 => Kind::Alias,
            _ => Kind::Other,
        }
    }

    /// The size of the record in bytes, with its members or parameters. `None` for unknown, newer
    /// kinds.
    pub(super) fn length(&self) -> Option<usize> {
        let items = self.items();
        let more = match self.number() {
            // A forward declaration, a float, and kinds that only refer to another type.
            2 | 7..=12 | 16 | 18 => 0,
            // An integer, a variable, a declaration tag.
            1 | 14 | 17 => 4,
            // An array.
            3 => THREE_WORDS,
            // A structure, a union, a section, an enumeration of 64-bit values.
            4 | 5 | 15 | 19 => items * THREE_WORDS,
            // An enumeration, a function's parameters.
            6 | 13 => items * TWO_WORDS,
            _ => return None,
        };
        Some(RECORD + more)
    }

    /// The members of a structure.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> + use<'a> {
        let count = if self.kind() == Kind::Struct {
            self.items()
        } else {
            0
        };
        let has_bit_fields = self.info >> 31 == 1;
        let (bytes, first) = (self.bytes, self.at + RECORD);
        (0..count).map_while(move |index| {
            let at = first + index * THREE_WORDS;
            let place = word(bytes, at + 8)?;
            let (bits, size) = if has_bit_fields {
                (place & 0x00ff_ffff, place >> 24)
            } else {
                (place, 0)
            };
            Some(Member {
                name: word(bytes, at)?,
                id: word(bytes, at + 4)?,
                bits,
                size,
            })
        })
    }

    /// The enumerators of an enumeration: the offset of the name, and the value.
    pub(super) fn enumerators(&self) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let count = if self.kind() == Kind::Enum {
            self.items()
        } else {
            0
        };
        let (bytes, first) = (self.bytes, self.at + RECORD);
        (0..count).map_while(move |index| {
            let at = first + index * TWO_WORDS;
            Some((word(bytes, at)?, word(bytes, at + 4)?))
        })
    }

    fn number(&self) -> u32 {
        self.info >> 24 & 0x1f
    }

    fn items(&self) -> usize {
        (self.info & 0xffff) as usize
    }
}

/// A 32-bit word.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}
