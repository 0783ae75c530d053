//! The tables of all network namespaces. A namespace has a table from its first change until the
//! namespace ends; without one it reads as an empty table.

use std::{borrow::Cow, collections::BTreeMap};

use super::{DataPath, Error, Namespace, Owner, Table};

/// All tables of the daemon.
#[derive(Clone, Debug, Default)]
pub struct Ipvs {
    tables: BTreeMap<Namespace, Table>,
}

impl Ipvs {
    /// A set without tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// The namespace's table, if it has one.
    pub fn table(&self, ns: Namespace) -> Option<&Table> {
        self.tables.get(&ns)
    }

    /// The namespace's table, for reading: an empty one if it has none.
    pub fn reading(&self, ns: Namespace) -> Cow<'_, Table> {
        self.table(ns)
            .map_or_else(|| Cow::Owned(Table::new(ns)), Cow::Borrowed)
    }

    /// The namespace's table, for a change. It is created if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyTables`] if the owner of the namespace may have no more.
    pub fn changing(
        &mut self,
        ns: Namespace,
        owner: Owner,
        path: &mut dyn DataPath,
    ) -> Result<&mut Table, Error> {
        path.begin_namespace(ns, owner)
            .map_err(|reason| Error::TooManyTables { reason })?;
        Ok(self.table_mut(ns))
    }

    /// The namespace's table, which is created if there is none, without a check of the owner's
    /// share.
    pub fn table_mut(&mut self, ns: Namespace) -> &mut Table {
        self.tables.entry(ns).or_insert_with(|| Table::new(ns))
    }

    /// Removes the table of a namespace that has ended (`ip_vs_service_nets_cleanup`). Its services
    /// are withdrawn. The data path may then free everything that it keeps for the namespace.
    pub fn forget(&mut self, ns: Namespace, path: &mut dyn DataPath) {
        if let Some(mut table) = self.tables.remove(&ns) {
            table.flush(path);
        }
        path.forget_namespace(ns);
    }

    /// Updates the rates of all services. Must be called every two seconds.
    pub fn estimate(&self, path: &mut dyn DataPath) {
        path.estimate(&mut self.tables.values().flat_map(Table::services));
    }

    /// The namespaces that have a table, by cookie.
    pub fn namespaces(&self) -> impl ExactSizeIterator<Item = Namespace> {
        self.tables.keys().copied()
    }
}
