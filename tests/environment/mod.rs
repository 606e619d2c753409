//! Where a test runs the program: a directory and a home of its own, an empty environment, no
//! terminal, no colours. The output is the same every time.

pub(crate) mod front;
pub(crate) mod peers;
pub(crate) mod proxy;
#[cfg(feature = "otlp")]
pub(crate) mod receiver;
pub(crate) mod small;
pub(crate) mod tally;
pub(crate) mod terraform;
pub(crate) mod tree;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use regex::Regex;
use tempfile::TempDir;

use tree::Tree;

/// How long anything that is waited for may take, on however slow a machine, before the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again until `found` finds something. Fails the test when it never does.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(thing) = found() {
            return thing;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One place of work.
pub(crate) struct Environment {
    root: TempDir,
    variables: Vec<(String, String)>,
}

/// What a run of the program showed.
pub(crate) struct Shown {
    /// The exit status; 128 and more after a signal.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    root: PathBuf,
}

/// A stack of these blocks.
pub(crate) fn stack(blocks: &str) -> String {
    format!("[stack]\nschema = 1\nname = \"try\"\n{blocks}")
}

impl Environment {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let root = TempDir::with_prefix("retrue-test-").unwrap();
        fs_err::create_dir(root.path().join("home")).unwrap();
        fs_err::create_dir(root.path().join("work")).unwrap();
        Environment { root, variables: Vec::new() }
    }

    /// One with a stack.
    pub(crate) fn with_stack(stack: &str) -> Self {
        let environment = Self::new();
        environment.write("retrue.toml", stack);
        environment
    }

    /// One with a stack that begins as all do.
    pub(crate) fn with(blocks: &str) -> Self {
        Self::with_stack(&stack(blocks))
    }

    /// The same place once more, with all that is in it: owners, modes and times included.
    pub(crate) fn copy(&self) -> Self {
        let environment =
            Self { root: TempDir::with_prefix("retrue-test-").unwrap(), variables: self.variables.clone() };
        let from = format!("{}/.", self.root.path().display());
        let status = Command::new("cp").args(["-a", &from]).arg(environment.root.path()).status().unwrap();
        assert!(status.success());
        environment
    }

    /// The same stack and home in a place of their own, without whatever else lies beside them.
    pub(crate) fn copy_without_images(&self) -> Self {
        let environment =
            Self { root: TempDir::with_prefix("retrue-test-").unwrap(), variables: self.variables.clone() };
        let parts = ["home", "work"].map(|part| self.root.path().join(part));
        let status = Command::new("cp").arg("-a").args(parts).arg(environment.root.path()).status().unwrap();
        assert!(status.success());
        environment
    }

    /// The directory that the program runs in.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// A path below it.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.work().join(name)
    }

    /// Writes a file below it, with its directories.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    /// Reads a file below it.
    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path(name)).unwrap()
    }

    /// All that is in the directory, but for what the program keeps for itself.
    pub(crate) fn tree(&self) -> Tree {
        Tree::of(&self.work())
    }

    /// The directory with all of it: work and home.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The ids of all runs, the newest first.
    #[track_caller]
    pub(crate) fn runs(&self) -> Vec<String> {
        let runs = self.run(&["runs", "list", "--json"]).ends(0).json();
        runs.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect()
    }

    /// The newest run's journal: for each event its word, and its address where it has one.
    #[track_caller]
    pub(crate) fn journal(&self) -> Vec<(String, String)> {
        let events = self.run(&["runs", "events", &self.runs()[0], "--json"]).ends(0).json_lines();
        let word = |event: &serde_json::Value| match event {
            serde_json::Value::Object(fields) => fields.keys().next().unwrap().clone(),
            other => other.as_str().unwrap().to_owned(),
        };
        let line = |event: &serde_json::Value| {
            (word(&event["event"]), event["address"].as_str().unwrap_or_default().to_owned())
        };
        events.iter().map(line).collect()
    }

    /// The addresses of all that is recorded.
    #[track_caller]
    pub(crate) fn recorded(&self) -> Vec<String> {
        let state = self.run(&["state", "list", "--json"]).ends(0).json();
        state.as_array().unwrap().iter().map(|entry| entry["address"].as_str().unwrap().to_owned()).collect()
    }

    /// All that was started in this place and lives: its id and name. What ended, and was not asked how, is dead.
    pub(crate) fn family(&self) -> Vec<(i32, String)> {
        let root = self.root().as_os_str().as_encoded_bytes();
        let names = fs_err::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter_map(|name| {
                let id: i32 = name.parse().ok()?;
                let surroundings = fs_err::read(format!("/proc/{id}/environ")).ok()?;
                let ours = surroundings.windows(root.len()).any(|window| window == root);
                let called = fs_err::read_to_string(format!("/proc/{id}/comm")).ok()?;
                ours.then(|| (id, called.trim().to_owned()))
            })
            .collect()
    }

    /// Makes sure that no file holds a text: not the store, not a plan, nothing that was left anywhere.
    #[track_caller]
    pub(crate) fn holds_nowhere(&self, text: &str) {
        let mut open = vec![self.root().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs_err::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if let Ok(bytes) = fs_err::read(&path) {
                    let held = bytes.windows(text.len()).position(|window| window == text.as_bytes());
                    let around = |at: usize| bytes[at.saturating_sub(300)..(at + 60).min(bytes.len())].to_vec();
                    let around = held.map(|at| String::from_utf8_lossy(&around(at)).into_owned());
                    assert!(held.is_none(), "{} holds it: {}", path.display(), around.unwrap_or_default());
                }
            }
        }
    }

    /// Sets a variable of the environment.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The program, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retrue"));
        command
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.root.path().join("home"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("NO_COLOR", "1")
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Shown {
        self.shown(self.command(arguments).output().unwrap())
    }

    /// What a finished process showed.
    pub(crate) fn shown(&self, output: Output) -> Shown {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        Shown {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            root: self.root.path().to_owned(),
        }
    }
}

impl Shown {
    /// Fails the test, with all that was shown, unless it ended so.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.screen());
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.screen()))
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{}", self.screen()));
        self.stdout.lines().map(read).collect()
    }

    /// Both streams.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Fails the test unless this code stands somewhere in what it tells, whatever its colours.
    #[track_caller]
    pub(crate) fn tells_plainly(self, code: &str) -> Self {
        assert!(self.all().contains(code), "no {code}:\n{}", self.screen());
        self
    }

    /// Fails the test unless it tells the error with this code, and all these words.
    #[track_caller]
    pub(crate) fn tells(self, code: &str, words: &[&str]) -> Self {
        let all = self.all();
        assert!(all.contains(&format!("error[{code}]")), "no {code}:\n{}", self.screen());
        for word in words {
            assert!(all.contains(word), "{word:?} is not told:\n{}", self.screen());
        }
        self
    }

    /// All that was shown, with what differs from run to run replaced by words.
    pub(crate) fn screen(&self) -> String {
        let mut screen = String::new();
        let _ = writeln!(screen, "exit: {}", self.code);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                let _ = writeln!(screen, "--- {name}\n{}", steady(text, &self.root));
            }
        }
        screen
    }
}

/// Replaces what differs from run to run.
fn steady(text: &str, root: &Path) -> String {
    let mut text = text.replace(&root.display().to_string(), "[ROOT]");
    for (pattern, word) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[UUID]"),
        (r"\b[0-9a-f]{64}\b", "[HASH]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
        (r"(?m)[·█▒?]{10,}  at .*$", "[LINE]"),
        (r"Time line: \d+\.\d+ s", "Time line: [DURATION]"),
        (r#""duration_ms":\d+"#, r#""duration_ms":"[MS]""#),
        (r"\bduration_ms=\d+", "duration_ms=[MS]"),
        (r"\bstep=(\S+)/[0-9a-f]{12}\b", "step=$1/[PLAN]"),
        (r"\b\d+(\.\d+)?(ms|s)\b", "[DURATION]"),
        (r"\b(pid|process) \d+", "$1 [PID]"),
        (r"\b(uid \d+|[\w.-]+)@[\w.-]+", "[WHO]"),
        (r"\bby [\w. -]+ on [\w.-]+,", "by [WHO] on [HOST],"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    text.trim_end().to_owned()
}
