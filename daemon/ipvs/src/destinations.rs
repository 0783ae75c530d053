//! The destinations of a service, in the order of the kernel's list.

use super::Destination;

/// Destinations, of which the one that was added last is the first.
///
/// A table may have very many of these lists, most of them short: spare capacity is limited to an
/// eighth, which avoids a reallocation of a long list for each destination that is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Destinations {
    /// The list in reverse order.
    reversed: Vec<Destination>,
}

impl Destinations {
    /// The number of destinations.
    pub(super) fn len(&self) -> usize {
        self.reversed.len()
    }

    pub(super) fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = &Destination> + DoubleEndedIterator + Clone {
        self.reversed.iter().rev()
    }

    /// The destinations from an index on.
    pub(super) fn iter_from(&self, index: usize) -> impl ExactSizeIterator<Item = &Destination> {
        self.iter().skip(index)
    }

    pub(super) fn get_mut(&mut self, position: usize) -> Option<&mut Destination> {
        let at = self.at(position)?;
        self.reversed.get_mut(at)
    }

    pub(super) fn get(&self, position: usize) -> Option<&Destination> {
        self.reversed.get(self.at(position)?)
    }

    /// Inserts one at the front.
    pub(super) fn push_front(&mut self, destination: Destination) {
        self.grow();
        self.reversed.push(destination);
    }

    /// Inserts one at the position from which it was removed.
    pub(super) fn insert(&mut self, position: usize, destination: Destination) {
        self.grow();
        let at = self.len().saturating_sub(position);
        self.reversed.insert(at, destination);
    }

    pub(super) fn remove(&mut self, position: usize) -> Option<Destination> {
        let at = self.at(position)?;
        let removed = self.reversed.remove(at);
        if self.reversed.capacity() > 2 * self.len() {
            self.reversed.shrink_to_fit();
        }
        Some(removed)
    }

    fn grow(&mut self) {
        if self.reversed.len() == self.reversed.capacity() {
            self.reversed.reserve_exact(1 + self.len() / 8);
        }
    }

    fn at(&self, position: usize) -> Option<usize> {
        self.len().checked_sub(position)?.checked_sub(1)
    }
}

impl IntoIterator for Destinations {
    type Item = Destination;
    type IntoIter = std::iter::Rev<std::vec::IntoIter<Destination>>;

    fn into_iter(self) -> Self::IntoIter {
        self.reversed.into_iter().rev()
    }
}
