//! Servers that stand for AWS and for a service of folders, and a client of them that speaks as somebody else would.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::environment::peers::{Aws, cache};
use crate::folders::{Folders, KEY};

/// The servers and their client. All end with the value.
pub(crate) struct Server {
    pub(crate) aws: Aws,
    pub(crate) folders: Folders,
    client: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts them; `None`, and loudly, when there is no server.
    pub(crate) fn start(test: &str) -> Option<Server> {
        let aws = Aws::start(test)?;
        let folders = Folders::start();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/beside/server.py");
        let mut client = Command::new(cache().join("tools/bin/python"))
            .arg(script)
            .arg(format!("http://127.0.0.1:{}", aws.port()))
            .arg(folders.address())
            .arg(folders.certificate())
            .arg(KEY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let questions = client.stdin.take().unwrap();
        let answers = BufReader::new(client.stdout.take().unwrap());
        Some(Server { aws, folders, client, questions, answers })
    }

    fn ask(&mut self, question: &Json) -> Json {
        writeln!(self.questions, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Json =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} to {question}"));
        assert!(answer["error"].is_null(), "{question}: {}", answer["error"]);
        answer["answer"].clone()
    }

    /// Makes the servers as new.
    pub(crate) fn reset(&self) {
        self.aws.reset();
        self.folders.reset();
    }

    /// All that the one for AWS holds.
    pub(crate) fn look(&mut self) -> Json {
        self.ask(&json!({"look": true}))
    }

    /// Somebody does something, in Python.
    pub(crate) fn run(&mut self, what: &str, ids: &BTreeMap<String, String>) {
        self.ask(&json!({"run": what, "ids": ids}));
    }

    /// The value of an expression of Python, as text.
    pub(crate) fn text(&mut self, what: &str, ids: &BTreeMap<String, String>) -> String {
        self.ask(&json!({"value": what, "ids": ids})).as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
