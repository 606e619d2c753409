//! How large things may grow.

use super::{root, sources};

/// Files above this are too large to be read in one sitting.
const MOST_LINES: usize = 800;
/// Files above this are about to be.
const MANY_LINES: usize = 600;
/// How many crates the lock may name. Each one is someone else's code in our program: raise it in
/// the commit that adds a crate, with the reason.
///
/// Terraform's providers speak gRPC over TLS with P-521 certificates, and come in archives over HTTPS: tonic, rustls,
/// aws-lc, rcgen, zip, and what they rest on.
///
/// What a registry gives is signed with OpenPGP: pgp, and the ciphers, curves and hashes that its standard names. The other
/// library for it is under the LGPL, and rests on a C library or on ciphers that it calls experimental.
///
/// Benchmarks are measured by criterion, which brings fourteen and is in no program.
///
/// Telemetry is OpenTelemetry's own library, over the HTTP client and the gRPC that are there, and that of Prometheus:
/// thirteen.
const MOST_CRATES: usize = 565;

#[test]
fn files_are_short_enough_to_read() {
    let mut large = Vec::new();
    for directory in ["src", "providers", "tests"] {
        for (name, text) in sources(directory) {
            let lines = text.lines().count();
            if lines > MANY_LINES {
                println!("{name}: {lines} lines");
            }
            if lines > MOST_LINES {
                large.push(format!("{name}: {lines} lines, and at most {MOST_LINES} are allowed"));
            }
        }
    }
    assert!(large.is_empty(), "{}", large.join("\n"));
}

#[test]
fn crates_are_few() {
    let lock = fs_err::read_to_string(root().join("Cargo.lock")).unwrap();
    let crates = lock.matches("[[package]]").count();
    assert!(crates <= MOST_CRATES, "Cargo.lock names {crates} crates, and {MOST_CRATES} are allowed");
}

#[test]
fn the_program_itself_is_small() {
    let main = fs_err::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 30, "src/main.rs parses, runs and exits; everything else is the library's");
}
