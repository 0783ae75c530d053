//! Changing a configuration that is in a record, so that it is the old one or the new one, whenever
//! the daemon ends.
//!
//! What is about to be written is written down first, in the map `EDIT`, which one system call
//! changes as a whole. If the daemon does not get to say that it is done, the next one writes it
//! again.

use aya::maps::{Array, MapData, MapError};
use sockvs_ebpf_common::{
    DestinationConfig, EDIT_DESTINATION, EDIT_NONE, EDIT_SERVICE, Edit, ServiceConfig,
};

use super::path::MapPath;
use sockvs_ipvs::{DestinationId, ServiceId};

/// The map `EDIT`.
pub(super) struct Edits(Array<MapData, Edit>);

impl Edits {
    pub(super) fn new(map: Array<MapData, Edit>) -> Self {
        Self(map)
    }

    /// Writes down what is about to be done, or that it is.
    fn note(&mut self, edit: Edit) {
        if let Err(error) = self.0.set(0, edit, 0) {
            tracing::warn!(%error, "an edit cannot be written down beforehand");
        }
    }
}

impl MapPath {
    /// Changes a service's configuration.
    pub(super) fn edit_service(&mut self, id: ServiceId, config: ServiceConfig) {
        if self.service(id).is_none_or(|it| it.config() == config) {
            return;
        }
        self.edit(Edit {
            what: EDIT_SERVICE,
            index: id.0,
            service: config,
            ..Edit::default()
        });
    }

    /// Changes a destination's configuration.
    pub(super) fn edit_destination(&mut self, id: DestinationId, config: DestinationConfig) {
        self.edit(Edit {
            what: EDIT_DESTINATION,
            index: id.0,
            destination: config,
            ..Edit::default()
        });
    }

    /// Carries out the edit that an earlier daemon did not get to the end of, if there is one.
    pub(super) fn finish_edit(&mut self) -> Result<(), MapError> {
        let edit = self.edits.0.get(&0, 0)?;
        self.carry_out(&edit);
        self.edits.note(Edit::default());
        Ok(())
    }

    fn edit(&mut self, edit: Edit) {
        self.edits.note(edit);
        self.carry_out(&edit);
        self.edits.note(Edit {
            what: EDIT_NONE,
            ..edit
        });
    }

    fn carry_out(&self, edit: &Edit) {
        match edit.what {
            EDIT_SERVICE => {
                if let Some(record) = self.service(ServiceId(edit.index)) {
                    record.set_config(edit.service);
                }
            }
            EDIT_DESTINATION => {
                if let Some(record) = self.destination(DestinationId(edit.index)) {
                    record.set_config(edit.destination);
                }
            }
            _ => {}
        }
    }
}
