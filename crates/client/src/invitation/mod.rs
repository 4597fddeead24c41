//! Invitations: a host admits a guest to a space, or a device to its identity.
//!
//! [`host`], [`guest`] and [`pake`] are pure state machines; [`hosting`] and [`joining`] move
//! messages, time and admissions between them and the outside. [`registry`] has what this device
//! hosts, [`record`] keeps it over a restart, [`delegated`] finds what other admins have made.
//! [`flow`] is what a guest's user sees, [`arriving`] what follows an admission.

mod arriving;
mod code;
mod delegated;
mod device;
mod flow;
mod guest;
mod handle;
mod host;
mod hosted;
mod hosting;
mod joining;
mod making;
mod open;
mod options;
mod pake;
mod record;
mod registry;
mod seek;
mod settling;
mod status;
mod terms;
#[cfg(test)]
mod tests;
mod text;
mod ticket;

use std::time::Duration;

pub use code::{InvitationCode, InvitationKey};
#[allow(unused_imports, reason = "who keeps the identity builds on it")]
pub(crate) use device::{DeviceAdmission, DeviceAuthority, NewDevice};
pub use flow::InvitationFlow;
pub use handle::InvitationHost;
pub(crate) use open::Listed;
pub use open::{InvitationReport, InvitationWatch};
pub use options::InvitationOptions;
pub(crate) use registry::{EchoPorts, Invitations};
pub use status::{InvitationError, InvitationState, InvitationStatus};
pub use text::{HostAddress, Invitation, InvitationProof, ParseInvitationError};

/// What binds an exchange to its TLS session.
pub(crate) const BINDING_LABEL: &[u8] = b"dxos invitation";
/// How long one message may take.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(20);
