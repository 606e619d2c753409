//! The `retrue` program.

use std::process::ExitCode;

/// Large stacks are many small values: the system's allocator takes a fifth longer for a plan.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // First of all: this may be a process that watches over a command.
    retrue_provider_api::process::guard_main_if_asked();
    retrue::cli::main()
}
