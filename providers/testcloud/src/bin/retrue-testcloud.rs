//! The fake cloud as a process of its own.
//!
//! Prints its URL as one line when it is ready and serves until it is killed, or until its standard
//! input ends when `--die-with-stdin` is given.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use retrue_provider_testcloud::Server;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when this fails, too.
            let _ = writeln!(io::stderr(), "retrue-testcloud: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut port = 0;
    let mut die_with_stdin = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--die-with-stdin" => die_with_stdin = true,
            "--port" => {
                let number = arguments.next().and_then(|text| text.parse().ok());
                port = number.ok_or_else(|| io::Error::other("--port needs a number"))?;
            }
            other => return Err(io::Error::other(format!("unknown argument `{other}`"))),
        }
    }
    let server = Server::start_on(port)?;
    writeln!(io::stdout(), "{}", server.url())?;
    io::stdout().flush()?;
    if die_with_stdin {
        io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}
