//! Changes a configuration in a record such that the next daemon finds either the old or the new
//! one, at whatever point this daemon ends.
//!
//! The new configuration is first written to the map `EDIT`, which one system call updates as a
//! whole. If the daemon does not clear it afterwards, the next one repeats the edit.

use aya::maps::{Array, MapData, MapError};
use sockvs_ebpf_common::{
    DestinationConfig, EDIT_DESTINATION, EDIT_NONE, EDIT_SERVICE, Edit, ServiceConfig,
};

use sockvs_ipvs::{DestinationId, ServiceId};

use crate::stores::{DestinationStore, ServiceStore};

/// The map `EDIT`.
pub(crate) struct Edits(Array<MapData, Edit>);

impl Edits {
    pub(crate) fn new(map: Array<MapData, Edit>) -> Self {
        Self(map)
    }

    /// Changes a service's configuration.
    pub(crate) fn edit_service(
        &mut self,
        services: &ServiceStore,
        id: ServiceId,
        config: ServiceConfig,
    ) {
        let Some(record) = services.get(id).filter(|it| it.config() != config) else {
            return;
        };
        let edit = Edit {
            what: EDIT_SERVICE,
            index: id.0,
            service: config,
            ..Edit::default()
        };
        self.carry_out(edit, || record.set_config(config));
    }

    /// Changes a destination's configuration.
    pub(crate) fn edit_destination(
        &mut self,
        destinations: &DestinationStore,
        id: DestinationId,
        config: DestinationConfig,
    ) {
        let Some(record) = destinations.get(id) else {
            return;
        };
        let edit = Edit {
            what: EDIT_DESTINATION,
            index: id.0,
            destination: config,
            ..Edit::default()
        };
        self.carry_out(edit, || record.set_config(config));
    }

    /// Repeats the edit that an earlier daemon did not complete, if there is one.
    pub(crate) fn finish(
        &mut self,
        services: &ServiceStore,
        destinations: &DestinationStore,
    ) -> Result<(), MapError> {
        let edit = self.0.get(&0, 0)?;
        match edit.what {
            EDIT_SERVICE => {
                if let Some(record) = services.get(ServiceId(edit.index)) {
                    record.set_config(edit.service);
                }
            }
            EDIT_DESTINATION => {
                if let Some(record) = destinations.get(DestinationId(edit.index)) {
                    record.set_config(edit.destination);
                }
            }
            _ => {}
        }
        self.note(Edit::default());
        Ok(())
    }

    fn carry_out(&mut self, edit: Edit, write: impl FnOnce()) {
        self.note(edit);
        write();
        self.note(Edit {
            what: EDIT_NONE,
            ..edit
        });
    }

    /// Notes that an edit begins, or that it is complete.
    fn note(&mut self, edit: Edit) {
        if let Err(error) = self.0.set(0, edit, 0) {
            tracing::warn!(%error, "an edit cannot be written down beforehand");
        }
    }
}
