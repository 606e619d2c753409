//! One running provider, from its start to its end.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message;
use retrue_provider_api::ChildProcess;
use retrue_provider_api::process::{Command, Ended, Running};
use tempfile::TempDir;
use tokio::io::BufReader;
use tokio::sync::{oneshot, watch};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::certificate::Own;
use super::dial::{chain, dial};
use super::output::{Pieces, Tail, drain, follow, next_line};
use super::{StartError, handshake};
use crate::config::{Address, Attached, Launch, Program};
use crate::wire::{Empty, Method, OutputChunk, Protocol};

/// The largest answer that is read.
const MOST_BYTES: usize = 512 * 1024 * 1024;
/// How long a provider that was asked to end may take.
const END_WITHIN: Duration = Duration::from_secs(2);
/// How long its end is waited for when the connection broke.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// A provider that answers.
pub(crate) struct Connection {
    protocol: Protocol,
    channel: Channel,
    child: Option<ChildProcess>,
    tail: Arc<Tail>,
    ended: watch::Receiver<Option<String>>,
    /// Asks the keeper to end it; dropped, it asks for a friendly end.
    ending: Mutex<Option<oneshot::Sender<Ending>>>,
    broken: AtomicBool,
    encrypted: bool,
}

/// How a provider is to end.
enum Ending {
    Friendly,
    Killed,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum CallError {
    /// The connection broke, or the provider ended: what was asked may have been done.
    Broken { what: String, said: String },
    /// It did not answer in this time, and was killed.
    TimedOut(Duration),
    /// The provider does not have the method.
    Unimplemented,
    /// It answered with an error of the protocol, or with something that cannot be read.
    Refused(String),
}

impl Connection {
    /// Starts a provider, or connects to one that runs.
    pub(crate) async fn start(launch: &Launch) -> Result<Self, StartError> {
        match &launch.program {
            Program::File(path) => Self::spawn(launch, path).await,
            Program::Attached(attached) => Self::attach(attached).await,
        }
    }

    async fn attach(attached: &Attached) -> Result<Self, StartError> {
        let wrong = |what: String| StartError::Connect { what, said: String::new() };
        let protocol = Protocol::of(attached.protocol)
            .ok_or_else(|| wrong(format!("version {} of the plugin protocol is not known", attached.protocol)))?;
        let channel = dial(attached.address.clone(), None).await.map_err(wrong)?;
        Ok(Connection {
            protocol,
            channel,
            child: None,
            tail: Arc::default(),
            ended: watch::channel(None).1,
            ending: Mutex::new(None),
            broken: AtomicBool::new(false),
            encrypted: false,
        })
    }

    async fn spawn(launch: &Launch, path: &Path) -> Result<Self, StartError> {
        // Sockets lie in a directory of their own that only this user can enter, and go with it.
        let directory = tempfile::Builder::new().prefix("retrue-").tempdir().map_err(StartError::Directory)?;
        let own = Own::new().map_err(|error| StartError::Certificate(error.to_string()))?;
        let (mut running, output) = Running::start(command(launch, path, directory.path(), &own)).await?;
        let child = running.child().clone();
        let tail = Arc::new(Tail::default());
        let mut stdout = BufReader::new(output.stdout);
        let stderr = BufReader::new(output.stderr);
        let following = tokio::spawn(follow(launch.name.clone(), stderr, Arc::clone(&tail)));

        let line = tokio::time::timeout(launch.handshake_within, next_line(&mut stdout)).await;
        let wrong = async |what: String, running: Running| {
            running.kill().await;
            // All that it had to say has been read when its end of the pipe is closed.
            let _ = tokio::time::timeout(END_WITHIN, following).await;
            StartError::Handshake { what, said: tail.said() }
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => {
                let what = match tokio::time::timeout(END_WITHIN, running.ended()).await {
                    Ok(Ok(ended)) => format!("it ended before it said where it listens ({})", words(ended)),
                    Ok(Err(error)) => return Err(error.into()),
                    Err(_) => "it closed its output before it said where it listens".to_owned(),
                };
                return Err(wrong(what, running).await);
            }
            Err(_) => {
                let what = format!("it did not say within {} s where it listens", launch.handshake_within.as_secs());
                return Err(wrong(what, running).await);
            }
        };
        let shake = match handshake::parse(&line) {
            Ok(shake) => shake,
            Err(what) => return Err(wrong(what, running).await),
        };
        tokio::spawn(drain(launch.name.clone(), stdout));
        let private = matches!(&shake.address, Address::Unix(path) if path.starts_with(directory.path()));
        let tls = match shake.certificate.map(|theirs| own.client(theirs, private)).transpose() {
            Ok(tls) => tls,
            Err(error) => return Err(wrong(format!("its certificate cannot be used: {error}"), running).await),
        };
        let encrypted = tls.is_some();
        tracing::debug!(provider = launch.name, encrypted, protocol = shake.protocol.number(), "started");
        let channel = match dial(shake.address, tls).await {
            Ok(channel) => channel,
            Err(what) => {
                running.kill().await;
                return Err(StartError::Connect { what, said: tail.said() });
            }
        };
        let (ended_sender, ended) = watch::channel(None);
        let (ending_sender, ending) = oneshot::channel();
        tokio::spawn(keep(running, directory, channel.clone(), ending, ended_sender));
        tokio::spawn(forward(launch.name.clone(), channel.clone(), Arc::clone(&tail)));
        Ok(Connection {
            protocol: shake.protocol,
            channel,
            child: Some(child),
            tail,
            ended,
            ending: Mutex::new(Some(ending_sender)),
            broken: AtomicBool::new(false),
            encrypted,
        })
    }

    /// Whether both sides showed certificates.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The process, to be recorded before it has effects. `None` when somebody else runs it.
    pub(crate) fn child(&self) -> Option<&ChildProcess> {
        self.child.as_ref()
    }

    /// Whether it can no longer be asked.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed) || self.ended.borrow().is_some()
    }

    /// Asks, and waits for the answer. Nothing is asked twice.
    pub(crate) async fn call<Q, A>(&self, method: Method, request: Q) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        match unary(self.channel.clone(), method.path(self.protocol), request).await {
            Ok(answer) => Ok(answer),
            Err(status) => Err(self.explain(&status).await),
        }
    }

    /// Tells what a status means, and when the provider is gone, how it ended and what it said last.
    async fn explain(&self, status: &Status) -> CallError {
        use std::error::Error as _;
        if status.code() == Code::Unimplemented {
            return CallError::Unimplemented;
        }
        // A status that the other side sent has nothing beneath it.
        if status.source().is_none() && self.ended.borrow().is_none() {
            return CallError::Refused(format!("{:?}: {}", status.code(), status.message()));
        }
        self.broken.store(true, Ordering::Relaxed);
        let mut ended = self.ended.clone();
        let seen = tokio::time::timeout(SEEN_WITHIN, ended.wait_for(Option::is_some)).await;
        let what = match seen {
            Ok(Ok(how)) => format!("the provider ended ({})", how.as_deref().unwrap_or_default()),
            _ => format!("the connection to the provider broke: {}", chain(status)),
        };
        CallError::Broken { what, said: self.tail.said() }
    }

    /// Ends it at once, with everything that it is doing.
    pub(crate) fn kill(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.end(Ending::Killed);
    }

    /// Asks it to end, and waits until it did.
    pub(crate) async fn shut_down(&self) {
        self.end(Ending::Friendly);
        if self.child.is_some() {
            let mut ended = self.ended.clone();
            let _ = tokio::time::timeout(END_WITHIN * 4, ended.wait_for(Option::is_some)).await;
        }
    }

    fn end(&self, how: Ending) {
        if let Some(ending) = self.ending.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A keeper that does not listen has seen its end already.
            let _ = ending.send(how);
        }
    }
}

fn command(launch: &Launch, path: &Path, directory: &Path, own: &Own) -> Command {
    let mut command = Command::new(path, &launch.directory);
    command.arguments = launch.arguments.clone();
    command.environment = launch.environment.clone();
    let directory = directory.as_os_str();
    for (name, value) in [
        (handshake::COOKIE.0, handshake::COOKIE.1.as_ref()),
        (handshake::VERSIONS.0, handshake::VERSIONS.1.as_ref()),
        ("PLUGIN_MIN_PORT", "10000".as_ref()),
        ("PLUGIN_MAX_PORT", "25000".as_ref()),
        ("PLUGIN_CLIENT_CERT", own.pem.as_ref()),
        ("PLUGIN_UNIX_SOCKET_DIR", directory),
        ("TMPDIR", directory),
    ] {
        command.environment.push((name.into(), value.to_owned()));
    }
    command
}

/// Waits for the end of a provider, and brings it about when asked to, or when nobody needs it any more.
async fn keep(
    mut running: Running,
    directory: TempDir,
    channel: Channel,
    ending: oneshot::Receiver<Ending>,
    ended: watch::Sender<Option<String>>,
) {
    let how = tokio::select! {
        how = running.ended() => match how {
            Ok(how) => words(how),
            Err(error) => error.to_string(),
        },
        asked = ending => match asked {
            Ok(Ending::Killed) => {
                running.kill().await;
                "it was killed".to_owned()
            }
            Ok(Ending::Friendly) | Err(_) => {
                // It may die while it answers: whatever comes back is as good as an answer.
                let shutdown = unary::<Empty, Empty>(channel, "/plugin.GRPCController/Shutdown", Empty {});
                let _ = tokio::time::timeout(END_WITHIN, shutdown).await;
                words(running.end_within(END_WITHIN).await)
            }
        },
    };
    ended.send_replace(Some(how));
    // What a provider left in it is removed with it.
    let _ = tokio::task::spawn_blocking(move || directory.close()).await;
}

/// Reads what newer plugins write over the connection instead of their outputs; unread, they stand still.
async fn forward(name: String, channel: Channel, tail: Arc<Tail>) {
    let mut client = tonic::client::Grpc::new(channel);
    if client.ready().await.is_err() {
        return;
    }
    let path = PathAndQuery::from_static("/plugin.GRPCStdio/StreamStdio");
    let codec = ProstCodec::<Empty, OutputChunk>::default();
    // Those that do not have it say so, and write as usual.
    let Ok(answer) = client.server_streaming(Request::new(Empty {}), path, codec).await else { return };
    let mut stream = answer.into_inner();
    let tell = |line: String| {
        tracing::debug!(provider = name, "{line}");
        tail.push(&line);
    };
    // A piece may end in the middle of a line, and of a secret in it.
    let mut pieces = Pieces::default();
    while let Ok(Some(chunk)) = stream.message().await {
        pieces.lines(&chunk.data).into_iter().for_each(tell);
    }
    pieces.rest().into_iter().for_each(tell);
}

async fn unary<Q, A>(channel: Channel, path: &'static str, request: Q) -> Result<A, Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let mut client =
        tonic::client::Grpc::new(channel).max_decoding_message_size(MOST_BYTES).max_encoding_message_size(MOST_BYTES);
    client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
    let codec = ProstCodec::<Q, A>::default();
    let answer = client.unary(Request::new(request), PathAndQuery::from_static(path), codec).await?;
    Ok(answer.into_inner())
}

fn words(ended: Ended) -> String {
    match ended {
        Ended::Exited(status) => format!("exit status {status}"),
        Ended::Signalled(signal) => format!("signal {signal}"),
        Ended::TimedOut => "killed, as it did not end by itself".into(),
        Ended::Cancelled | Ended::Lost => "killed".into(),
    }
}
