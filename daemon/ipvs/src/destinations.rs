//! The destinations of a service, in the order of the kernel's list.

use super::Destination;

/// Destinations, of which the one that was added last is the first.
///
/// A table may have very many of these, most of them short: there is no room to spare in them, but
/// for an eighth, so that a long one does not move with each that is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Destinations {
    /// The last one of the list is the first here.
    reversed: Vec<Destination>,
}

impl Destinations {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.reversed.len()
    }

    pub(super) fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = &Destination> + DoubleEndedIterator + Clone {
        self.reversed.iter().rev()
    }

    /// Those from the `index`th on.
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

    /// Puts one in front of the others.
    pub(super) fn push_front(&mut self, destination: Destination) {
        self.grow();
        self.reversed.push(destination);
    }

    /// Puts one where it was removed.
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
