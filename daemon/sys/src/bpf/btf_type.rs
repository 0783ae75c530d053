//! One type's record in a description of types (`struct btf_type` and what follows it).

/// The record that all kinds begin with.
const RECORD: usize = 12;
/// A member, a parameter, a variable in a section, a 64-bit enumerator.
const THREE_WORDS: usize = 12;
/// An enumerator.
const TWO_WORDS: usize = 8;

/// What kind of type it is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A structure or a union.
    Struct,
    /// An enumeration of 32-bit values.
    Enum,
    /// A function.
    Function,
    /// Another name for a type, or one that adds `const` or the like.
    Alias,
    /// Something else.
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
    /// Where its name is.
    pub(super) name: u32,
    /// The number of its type.
    pub(super) id: u32,
    /// How many bits it is from the beginning.
    pub(super) bits: u32,
    /// How many bits a bit field has; zero for a proper member.
    pub(super) size: u32,
}

impl<'a> Type<'a> {
    /// The record that begins here.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        Some(Self {
            bytes,
            at,
            name: word(bytes, at)?,
            info: word(bytes, at + 4)?,
            size_or_type: word(bytes, at + 8)?,
        })
    }

    /// Where its name is.
    pub(super) fn name(&self) -> u32 {
        self.name
    }

    /// The number of the type that it is another name for.
    pub(super) fn refers_to(&self) -> u32 {
        self.size_or_type
    }

    /// What kind it is (`BTF_KIND_*`).
    pub(super) fn kind(&self) -> Kind {
        match self.number() {
            4 | 5 => Kind::Struct,
            6 => Kind::Enum,
            12 => Kind::Function,
            8..=11 | 18 => Kind::Alias,
            _ => Kind::Other,
        }
    }

    /// How many bytes the record has, with all that belongs to it. None for kinds that came after
    /// this was written.
    pub(super) fn length(&self) -> Option<usize> {
        let items = self.items();
        let more = match self.number() {
            // A forward declaration, a float, and whatever refers to one other type.
            2 | 7..=12 | 16 | 18 => 0,
            // An integer, a variable, a mark on a declaration.
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

    /// The enumerators of an enumeration: where the name is, and the value.
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
