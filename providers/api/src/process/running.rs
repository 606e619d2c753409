//! Programs that go on running while we talk to them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::Receiver;

use super::{Command, Ended, GUARD_GRACE, ProcessError, Started, check, end, guard, not_begun, parts};
use crate::provider::ChildProcess;

/// A program that was started behind a guard, and ends with us at the latest.
///
/// When the value is dropped, the program and all that it started are killed. It is not recorded
/// anywhere: whoever lets it have effects for a step tells
/// [`Children`](crate::Children) of [`Running::child`] before.
#[derive(Debug)]
pub struct Running {
    guard: tokio::process::Child,
    child: ChildProcess,
    control: tokio::net::UnixStream,
    command: Command,
    /// What was read of the guard's report.
    report: [u8; guard::REPORT],
    received: usize,
}

/// What a program writes, to be read for as long as it runs: one that is not read may stand still.
#[derive(Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: Receiver,
    /// Its standard error.
    pub stderr: Receiver,
}

impl Running {
    /// Starts a program. `deadline` and `stdout_limit` of the command mean nothing here.
    ///
    /// # Errors
    ///
    /// When the guard cannot be started. That the program itself cannot be run is told by
    /// [`Running::ended`].
    pub async fn start(command: Command) -> Result<(Self, Output), ProcessError> {
        if !guard::installed() {
            return Err(ProcessError::NoGuard);
        }
        check(&command)?;
        let Started { guard, child, mut control, stdout, stderr } =
            Started::of(&command).map_err(ProcessError::Guard)?;
        let receiver = |pipe| Receiver::from_owned_fd(pipe).map_err(ProcessError::Guard);
        let output = Output { stdout: receiver(stdout)?, stderr: receiver(stderr)? };
        control.write_all(&guard::request(parts(&command))).await.map_err(ProcessError::Guard)?;
        let report = [0; guard::REPORT];
        Ok((Running { guard, child, control, command, report, received: 0 }, output))
    }

    /// The guard's id and start time, by which recovery finds what is left.
    pub fn child(&self) -> &ChildProcess {
        &self.child
    }

    /// Waits for its end. May be dropped and called again.
    ///
    /// # Errors
    ///
    /// When it could not be run.
    pub async fn ended(&mut self) -> Result<Ended, ProcessError> {
        while self.received < guard::REPORT {
            let room = self.report.get_mut(self.received..).unwrap_or_default();
            match self.control.read(room).await {
                Ok(count) if count > 0 => self.received += count,
                _ => {
                    self.finish().await;
                    return Ok(Ended::Lost);
                }
            }
        }
        let _ = tokio::time::timeout(GUARD_GRACE, self.guard.wait()).await;
        match guard::Report::from_bytes(self.report) {
            Some(guard::Report::Exited(status)) => Ok(Ended::Exited(status)),
            Some(guard::Report::Signalled(signal)) => Ok(Ended::Signalled(signal)),
            Some(report) => Err(not_begun(&self.command, report)),
            None => Ok(Ended::Lost),
        }
    }

    /// Kills it and all that it started, and waits until they are gone.
    pub async fn kill(mut self) {
        // A guard that does not listen is gone, and then somebody must do its work.
        let _ = self.control.write_all(&[guard::KILL]).await;
        self.finish().await;
    }

    /// Waits for its end, and kills it when that takes longer than `patience`.
    pub async fn end_within(mut self, patience: Duration) -> Ended {
        match tokio::time::timeout(patience, self.ended()).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => Ended::Lost,
            Err(_) => {
                self.kill().await;
                Ended::TimedOut
            }
        }
    }

    async fn finish(&mut self) {
        let _ = tokio::time::timeout(GUARD_GRACE, self.guard.wait()).await;
        let child = self.child.clone();
        let _ = tokio::task::spawn_blocking(move || end(&child)).await;
    }
}
