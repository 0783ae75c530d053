//! Limits the connections of each user.
//!
//! A connection counts until its thread has closed everything that was received on it. So what a
//! user makes the relay wait for is limited, too, and only uses up that user's share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The most connections of one user; of all users except root; and of root.
pub(super) const MOST_OF_ONE: usize = 32;
pub(super) const MOST_OF_OTHERS: usize = 256;
pub(super) const MOST_OF_ROOT: usize = 768;

/// The connections that are in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission(Arc<Mutex<HashMap<libc::uid_t, usize>>>);

/// The permit for one connection.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Admission,
    uid: libc::uid_t,
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("this user has {0} connections already")]
    OfOne(usize),
    #[error("users other than root have {0} connections already")]
    OfOthers(usize),
}

impl Admission {
    /// Permits one more connection.
    pub(super) fn admit(&self, uid: libc::uid_t) -> Result<Permit, Full> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(&uid).copied().unwrap_or(0);
        let most = if uid == 0 { MOST_OF_ROOT } else { MOST_OF_ONE };
        if own >= most {
            return Err(Full::OfOne(own));
        }
        let others = open.iter().filter(|(uid, _)| **uid != 0);
        let others: usize = others.map(|(_, count)| count).sum();
        if uid != 0 && others >= MOST_OF_OTHERS {
            return Err(Full::OfOthers(others));
        }
        open.insert(uid, own + 1);
        let admission = self.clone();
        Ok(Permit { admission, uid })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self
            .admission
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_gets_its_share_and_again_after_a_connection_has_ended() {
        let admission = Admission::default();
        let mut permits: Vec<_> = (0..MOST_OF_ONE)
            .map(|_| admission.admit(7).unwrap())
            .collect();
        assert_eq!(admission.admit(7).unwrap_err(), Full::OfOne(MOST_OF_ONE));
        assert!(admission.admit(8).is_ok(), "another user has its own share");
        permits.pop();
        assert!(admission.admit(7).is_ok());
    }

    #[test]
    fn many_users_together_leave_root_its_share() {
        let admission = Admission::default();
        let users = 1..=libc::uid_t::try_from(MOST_OF_OTHERS).unwrap();
        let _permits: Vec<_> = users.map(|uid| admission.admit(uid).unwrap()).collect();
        let full = Full::OfOthers(MOST_OF_OTHERS);
        assert_eq!(admission.admit(70_000).unwrap_err(), full);
        let _root: Vec<_> = (0..MOST_OF_ROOT)
            .map(|_| admission.admit(0).unwrap())
            .collect();
        assert_eq!(admission.admit(0).unwrap_err(), Full::OfOne(MOST_OF_ROOT));
    }

    #[test]
    fn users_without_connections_are_removed() {
        let admission = Admission::default();
        (1..1000).for_each(|uid| drop(admission.admit(uid).unwrap()));
        assert!(admission.0.lock().unwrap().is_empty());
    }
}
