//! Why a call is refused. The caller sees only the error number; the text is for the log.

/// An error. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OptionError {
    /// `EPERM`
    #[error("the caller lacks CAP_NET_ADMIN in its network namespace")]
    NotAllowed,
    /// `EINVAL`: an unknown option. The kernel returns it for a wrong length, too.
    #[error("there is no such option")]
    NoSuchOption,
    /// `EINVAL`
    #[error("an argument of {0} bytes is not what the option takes")]
    Length(i32),
    /// `EFAULT`
    #[error("the argument cannot be read")]
    Unreadable,
    /// `EINVAL`: a scheduler's name that fills its field.
    #[error("the scheduler's name is too long")]
    SchedulerName,
    /// `EFAULT`, as in the kernel: neither TCP nor UDP nor SCTP.
    #[error("protocol {0} is neither TCP nor UDP nor SCTP")]
    Protocol(u16),
    /// `EINVAL`: an interface's name that is empty or fills its field.
    #[error("the sync daemon's interface has no name, or one that is too long")]
    InterfaceName,
    /// An error of the IPVS rules.
    #[error(transparent)]
    Rule(#[from] sockvs_ipvs::Error),
}

impl OptionError {
    /// The error number, positive.
    pub(super) fn errno(&self) -> i32 {
        match self {
            Self::NotAllowed => libc::EPERM,
            Self::NoSuchOption | Self::Length(_) | Self::SchedulerName | Self::InterfaceName => {
                libc::EINVAL
            }
            Self::Unreadable | Self::Protocol(_) => libc::EFAULT,
            Self::Rule(error) => error.errno(),
        }
    }
}
