//! The `retrue` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: this may be a process that watches over a command.
    retrue_provider_api::process::guard_main_if_asked();
    retrue::cli::main()
}
