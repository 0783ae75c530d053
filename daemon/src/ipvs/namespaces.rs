//! The tables of all network namespaces. A namespace has one from when it is first asked to change
//! something until it is forgotten; until then it reads as an empty one.

use std::collections::BTreeMap;

use super::{DataPath, Ids, Namespace, Table};

/// All tables of the daemon. Their ids come from one source.
#[derive(Clone, Debug, Default)]
pub struct Ipvs {
    tables: BTreeMap<Namespace, Table>,
    ids: Ids,
}

impl Ipvs {
    /// No tables yet; ids from 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// No tables yet; ids from this source.
    pub fn with_ids(ids: Ids) -> Self {
        Self {
            tables: BTreeMap::new(),
            ids,
        }
    }

    /// The namespace's table, if it has one.
    pub fn table(&self, ns: Namespace) -> Option<&Table> {
        self.tables.get(&ns)
    }

    /// The namespace's table, made now if it has none.
    pub fn table_mut(&mut self, ns: Namespace) -> &mut Table {
        self.tables
            .entry(ns)
            .or_insert_with(|| Table::with_ids(ns, self.ids.clone()))
    }

    /// Ends the namespace's table, when the namespace is gone (`ip_vs_service_nets_cleanup`). Its
    /// services are withdrawn. The data path may then drop all that it keeps for the namespace.
    pub fn forget(&mut self, ns: Namespace, path: &mut dyn DataPath) {
        if let Some(mut table) = self.tables.remove(&ns) {
            table.flush(path);
        }
        path.forget_namespace(ns);
    }

    /// The namespaces that have a table, by cookie.
    pub fn namespaces(&self) -> impl ExactSizeIterator<Item = Namespace> {
        self.tables.keys().copied()
    }
}
