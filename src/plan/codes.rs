//! The stable codes of what can be wrong with a plan: RT0401 to RT0499.

/// A resource could not be read.
pub const UNREADABLE: &str = "RT0401";
/// Several things exist that a resource could be.
pub const MANY_EXIST: &str = "RT0402";
/// What exists carries the marker of another stack.
pub const FOREIGN_MARKER: &str = "RT0403";
/// What exists may not be adopted.
pub const EXISTS: &str = "RT0404";
/// What exists differs in what cannot be changed in place.
pub const ADOPT_REPLACES: &str = "RT0405";
/// `prevent_destroy` forbids a step.
pub const PREVENT_DESTROY: &str = "RT0406";
/// Old and new share an identity, and the new one was to come first.
pub const SHARED_IDENTITY: &str = "RT0407";
/// Two resources have one identity.
pub const SAME_IDENTITY: &str = "RT0408";
/// An identity is recorded under another address.
pub const IDENTITY_ELSEWHERE: &str = "RT0409";
/// `for_each` or `count` is not known while planning.
pub const REPETITION_UNKNOWN: &str = "RT0410";
/// A precondition or postcondition does not hold.
pub const CONDITION: &str = "RT0412";
/// A provider refused or failed to plan.
pub const PROVIDER: &str = "RT0413";
/// A provider planned what it may not plan.
pub const PROVIDER_INCONSISTENT: &str = "RT0414";
/// A plan file is damaged, or was edited.
pub const FILE_DAMAGED: &str = "RT0415";
/// A plan file was written by a newer version.
pub const FILE_VERSION: &str = "RT0416";
/// A plan's base has moved.
pub const BASE_MOVED: &str = "RT0417";
/// A `--target` or `--replace` names nothing.
pub const TARGET: &str = "RT0418";
/// A type has no provider.
pub const NO_PROVIDER: &str = "RT0419";
/// The steps wait for each other.
pub const STEP_CYCLE: &str = "RT0420";
/// The configuration of a provider is not known while planning.
pub const PROVIDER_UNKNOWN: &str = "RT0421";
/// A reference names an instance that does not exist.
pub const NO_SUCH_INSTANCE: &str = "RT0422";
/// Something is in doubt that the plan rests on.
pub const IN_DOUBT: &str = "RT0423";
/// An output holds something sensitive and does not say so.
pub const SENSITIVE_OUTPUT: &str = "RT0424";
/// The program of a provider is not installed, or cannot be had.
pub const NOT_INSTALLED: &str = "RT0425";
/// An import cannot be carried out.
pub const IMPORT: &str = "RT0426";
/// Tables about a provider that cannot be understood.
pub const PROVIDER_TABLES: &str = "RT0427";
/// A provider is reached in another way, and nothing of what is recorded is there.
pub const LED_ELSEWHERE: &str = "RT0428";
/// A replacement needs the place of what is not ours to delete.
pub const REPLACES_ADOPTED: &str = "RT0429";
/// What is recorded is another provider's.
pub const OTHER_PROVIDER: &str = "RT0430";
