//! What is to be started, and how.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::tables::Tables;

/// How long a provider may take from its start to its handshake.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(60);

/// How long a provider may take for an answer that needs nothing outside of it.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// One provider program, and how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The name in messages: `aws`.
    pub name: String,
    /// Its full address, `HOST/NAMESPACE/TYPE`, which other providers see when state moves between types.
    pub address: String,
    /// Where it is.
    pub program: Program,
    /// Arguments of the program.
    pub arguments: Vec<OsString>,
    /// Variables that are added to our environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The directory that it runs in: that of the stack.
    pub directory: PathBuf,
    /// What the user knows of its types and errors beyond what it says.
    pub tables: Arc<Tables>,
    /// Where what it says of itself is kept from run to run; `None` where its content is not known.
    pub kept: Option<Kept>,
    /// How long it may take to say where it listens.
    pub handshake_within: Duration,
    /// How long it may take for its schema, a check or an upgrade of state, which need nothing outside; and a fifth
    /// of how long it may take for its configuration. What takes longer is killed.
    pub answer_within: Duration,
}

/// Where what a provider says of itself is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// A directory that only this user can write to.
    pub directory: PathBuf,
    /// The hash of the provider's program, and of all that came with it.
    pub hash: String,
}

/// Where a provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A file that is run.
    File(PathBuf),
    /// A provider that somebody else runs, such as a debugger. It is neither started nor ended.
    Attached(Attached),
}

/// A provider that runs already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// 5 or 6.
    pub protocol: u64,
    /// Where it listens.
    pub address: Address,
}

/// Where a provider listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// `HOST:PORT`.
    Tcp(String),
}

impl Launch {
    /// A program file, started in the current directory without further arguments.
    pub fn file(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self::of(name.into(), Program::File(program.into()))
    }

    /// A provider that runs already.
    pub fn attached(name: impl Into<String>, attached: Attached) -> Self {
        Self::of(name.into(), Program::Attached(attached))
    }

    fn of(name: String, program: Program) -> Self {
        Launch {
            address: name.clone(),
            name,
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: PathBuf::from("."),
            tables: Arc::default(),
            kept: None,
            handshake_within: HANDSHAKE_WITHIN,
            answer_within: ANSWER_WITHIN,
        }
    }

    /// Whether its process is ours.
    pub(crate) fn is_started(&self) -> bool {
        matches!(self.program, Program::File(_))
    }

    /// The same, run in this directory.
    #[must_use]
    pub fn within(self, directory: impl Into<PathBuf>) -> Self {
        Launch { directory: directory.into(), ..self }
    }

    /// The same, with what the user knows of its types and errors.
    #[must_use]
    pub fn knowing(self, tables: Tables) -> Self {
        Launch { tables: Arc::new(tables), ..self }
    }

    /// The same, keeping what it says of itself.
    #[must_use]
    pub fn keeping(self, kept: Kept) -> Self {
        Launch { kept: Some(kept), ..self }
    }

    /// The same, with a variable added to its environment.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}
