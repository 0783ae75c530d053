//! The tables of all network namespaces. A namespace has one from when it is first asked to change
//! something until it is forgotten; until then it reads as an empty one.

use std::collections::BTreeMap;

use super::{DataPath, Namespace, Table};

/// All tables of the daemon.
#[derive(Clone, Debug, Default)]
pub struct Ipvs {
    tables: BTreeMap<Namespace, Table>,
}

impl Ipvs {
    /// No tables yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The namespace's table, if it has one.
    pub fn table(&self, ns: Namespace) -> Option<&Table> {
        self.tables.get(&ns)
    }

    /// The namespace's table, made now if it has none.
    pub fn table_mut(&mut self, ns: Namespace) -> &mut Table {
        self.tables.entry(ns).or_insert_with(|| Table::new(ns))
    }

    /// Ends the namespace's table, when the namespace is gone (`ip_vs_service_nets_cleanup`). Its
    /// services are withdrawn. The data path may then drop all that it keeps for the namespace.
    pub fn forget(&mut self, ns: Namespace, path: &mut dyn DataPath) {
        if let Some(mut table) = self.tables.remove(&ns) {
            table.flush(path);
        }
        path.forget_namespace(ns);
    }

    /// Estimates the rates of all services anew. To be called every two seconds.
    pub fn estimate(&self, path: &mut dyn DataPath) {
        path.estimate(&mut self.tables.values().flat_map(Table::services));
    }

    /// The namespaces that have a table, by cookie.
    pub fn namespaces(&self) -> impl ExactSizeIterator<Item = Namespace> {
        self.tables.keys().copied()
    }
}
