//! The `retrue` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    retrue::cli::main()
}
