//! The codes of errors that arise at the command line itself.

/// The command line is wrong.
pub const USAGE: &str = "RT0801";
/// Standard output could not be written.
pub const OUTPUT_LOST: &str = "RT0802";
/// An answer is needed, and nobody can be asked.
pub const NOBODY_TO_ASK: &str = "RT0803";
/// The answer was no.
pub const DECLINED: &str = "RT0804";
/// A file of a new stack is there already.
pub const ALREADY_THERE: &str = "RT0805";
/// A file could not be written.
pub const CANNOT_WRITE: &str = "RT0806";
/// No output has the name.
pub const NO_SUCH_OUTPUT: &str = "RT0807";
/// Nothing is recorded at the address.
pub const NOTHING_RECORDED: &str = "RT0808";
/// No type has the name.
pub const NO_SUCH_TYPE: &str = "RT0809";
/// The program cannot start working.
pub const CANNOT_START: &str = "RT0810";
/// A file could not be read.
pub const CANNOT_READ: &str = "RT0811";
/// A value is known only after an apply.
pub const NOT_KNOWN: &str = "RT0812";
/// A value holds a secret.
pub const SECRET: &str = "RT0813";
/// Nothing differs from the record.
pub const NO_DRIFT: &str = "RT0814";
/// There is no such code.
pub const NO_SUCH_CODE: &str = "RT0815";
/// The file with metrics could not be written.
pub const METRICS_NOT_WRITTEN: &str = "RT0816";
/// Traces or metrics could not be sent.
pub const NOT_SENT: &str = "RT0817";
