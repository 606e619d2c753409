//! The stable codes of what can be wrong when a Terraform directory is taken over or handed back: RT1001 to
//! RT1099.

/// There is no state of Terraform.
pub const NO_STATE: &str = "RT1001";
/// A state of Terraform cannot be read.
pub const BAD_STATE: &str = "RT1002";
/// A state of Terraform has a version that is not read.
pub const STATE_VERSION: &str = "RT1003";
/// A text is not Terraform's language.
pub const SYNTAX: &str = "RT1004";
/// Something has no counterpart in a stack.
pub const NOT_CONVERTED: &str = "RT1005";
/// Something was converted and does not mean quite the same, or was left out without harm.
pub const DIFFERENT: &str = "RT1006";
/// The stack or its store is there already.
pub const ALREADY_THERE: &str = "RT1007";
/// An object of the state cannot be taken over.
pub const OBJECT: &str = "RT1008";
/// An object cannot be handed to Terraform.
pub const NOT_HANDED_OVER: &str = "RT1009";
/// The stack that was made is not a sound one.
pub const UNSOUND: &str = "RT1010";
/// The stack could not be written.
pub const CANNOT_WRITE: &str = "RT1011";
/// Secrets are written in the clear.
pub const SECRETS: &str = "RT1012";
