//! Converts a record of one layout to another one, field by field, by their names.

use crate::loading::layout::{Field, RecordLayout};

/// The byte ranges to copy from records of one layout to those of another.
pub(crate) struct Translation {
    size: usize,
    copies: Vec<Copied>,
}

struct Copied {
    name: String,
    from: usize,
    to: usize,
    size: usize,
}

impl Translation {
    pub(crate) fn new(old: &RecordLayout, new: &RecordLayout) -> Self {
        let copies = new.fields.iter().filter_map(|to| {
            let from = old.fields.iter().find(|from| from.name == to.name)?;
            // Numbers are little-endian; one that grew is padded with zeros.
            let size = from.size.min(to.size);
            let inside = from.at + size <= old.size && to.at + size <= new.size;
            inside.then(|| Copied {
                name: to.name.clone(),
                from: from.at,
                to: to.at,
                size,
            })
        });
        Self {
            size: new.size,
            copies: copies.collect(),
        }
    }

    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.copies
            .retain(|copied| !names.contains(&copied.name.as_str()));
        self
    }

    /// The parts to copy, with their offsets in the new record.
    pub(crate) fn parts<'b>(&self, old: &'b [u8]) -> impl Iterator<Item = (usize, &'b [u8])> {
        self.copies.iter().filter_map(|copied| {
            Some((copied.to, old.get(copied.from..copied.from + copied.size)?))
        })
    }

    /// The whole converted record.
    pub(crate) fn whole(&self, old: &[u8]) -> Vec<u8> {
        let mut new = vec![0; self.size];
        for (at, bytes) in self.parts(old) {
            if let Some(place) = new.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        new
    }
}

/// Earlier versions kept two configurations in a record, of which `config` selected one: the layout
/// in which the fields of the selected one are the record's own.
pub(crate) fn with_configuration(record: &RecordLayout, which: u32) -> RecordLayout {
    let prefix = format!("configs.{which}.");
    let mut fields = record.fields.clone();
    for field in &record.fields {
        if let Some(name) = field.name.strip_prefix(&prefix)
            && !record.fields.iter().any(|field| field.name == name)
        {
            fields.push(Field {
                name: name.to_owned(),
                ..*field
            });
        }
    }
    RecordLayout {
        size: record.size,
        fields,
    }
}

/// Whether the second one is selected.
pub(crate) fn has_second_configuration(record: &RecordLayout, bytes: &[u8]) -> bool {
    let config = record.fields.iter().find(|field| field.name == "config");
    config
        .and_then(|config| bytes.get(config.at))
        .is_some_and(|byte| byte & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(size: usize, fields: &[(&str, usize, usize)]) -> RecordLayout {
        let field = |(name, at, size): &(&str, usize, usize)| Field {
            name: (*name).to_owned(),
            at: *at,
            size: *size,
        };
        RecordLayout {
            size,
            fields: fields.iter().map(field).collect(),
        }
    }

    #[test]
    fn fields_move_grow_appear_and_disappear() {
        let old = record(8, &[("a", 0, 2), ("gone", 2, 2), ("b", 4, 4)]);
        let new = record(16, &[("b", 0, 4), ("new", 4, 4), ("a", 8, 8)]);
        let translation = Translation::new(&old, &new);
        let whole = translation.whole(&[1, 2, 9, 9, 3, 4, 5, 6]);
        assert_eq!(whole, [3, 4, 5, 6, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0]);
        let without = Translation::new(&old, &new).without(&["b"]);
        assert_eq!(without.whole(&[1, 2, 9, 9, 3, 4, 5, 6])[..4], [0; 4]);
    }

    #[test]
    fn the_selected_one_of_two_configurations_is_taken() {
        let old = record(
            16,
            &[
                ("a", 0, 4),
                ("config", 4, 4),
                ("configs.0.w", 8, 4),
                ("configs.1.w", 12, 4),
            ],
        );
        let new = record(8, &[("w", 0, 4), ("a", 4, 4)]);
        let from = |config| [1, 0, 0, 0, config, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];
        for (config, holds) in [(0, 2), (1, 3), (7, 3)] {
            let bytes = from(config);
            let which = u32::from(has_second_configuration(&old, &bytes));
            let translation = Translation::new(&with_configuration(&old, which), &new);
            assert_eq!(translation.whole(&bytes), [holds, 0, 0, 0, 1, 0, 0, 0]);
        }
    }

    #[test]
    fn a_wrong_layout_reads_nothing_beyond_the_record() {
        let old = record(4, &[("a", 2, 8), ("b", 100, 4)]);
        let new = record(8, &[("a", 0, 8), ("b", 4, 4)]);
        assert_eq!(Translation::new(&old, &new).whole(&[1, 2, 3, 4]), [0; 8]);
        let new = record(2, &[("a", 1, 8)]);
        assert_eq!(Translation::new(&old, &new).whole(&[1, 2, 3, 4]), [0; 2]);
    }
}
