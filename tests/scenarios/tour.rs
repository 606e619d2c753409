//! The tour in the README is what the program really says.

use std::process::Stdio;

use regex::Regex;

use crate::environment::Environment;
use crate::house::{current, root};

const BEGIN: &str = "<!-- tour -->\n";
const END: &str = "<!-- end -->";

/// A line that a person types, and how what is said in answer begins to be of interest.
struct Typed {
    line: &'static str,
    /// What comes before the first line that begins so is left out; empty for nothing.
    from: &'static str,
}

const TOUR: &[Typed] = &[
    Typed { line: "retrue apply --yes", from: "" },
    Typed { line: "retrue apply --yes", from: "" },
    Typed { line: "echo 'Changed by hand' > etc/motd", from: "" },
    Typed { line: "retrue reconcile", from: "" },
    Typed { line: "retrue reconcile --fix --yes", from: "✓" },
    Typed { line: "retrue apply --yes --var host=hub", from: "~" },
    Typed { line: "retrue compensate --yes", from: "" },
    Typed { line: "cat etc/motd", from: "" },
];

/// What a line says, both streams in the order in which they were written.
fn said(environment: &Environment, line: &str) -> String {
    let path = environment.path("../said");
    let file = fs_err::File::create(&path).unwrap().into_file();
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = match words.split_first() {
        Some((&"retrue", arguments)) => environment.command(arguments),
        _ => {
            let mut shell = std::process::Command::new("/bin/sh");
            shell.args(["-c", line]).current_dir(environment.work());
            shell
        }
    };
    let status = command.stdout(Stdio::from(file.try_clone().unwrap())).stderr(file).status().unwrap();
    let text = fs_err::read_to_string(path).unwrap();
    assert!(status.success() || line == "retrue reconcile", "{line}: {status}\n{text}");
    text
}

/// What is shown of it: the part of interest, without what differs from run to run.
fn shown(text: &str, from: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.starts_with(from)).unwrap_or(0);
    let mut shown = if first == 0 { String::new() } else { "…\n".to_owned() };
    let moment = Regex::new(r", started \S+ by .*$").unwrap();
    let run = Regex::new(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let hash = Regex::new(r"\b([0-9a-f]{12})[0-9a-f]{52}\b").unwrap();
    for line in lines.iter().skip(first) {
        let line = moment.replace(line, "");
        let line = run.replace_all(&line, "019a2b3c-…");
        let line = hash.replace_all(&line, "$1…");
        shown.push_str(line.trim_end());
        shown.push('\n');
    }
    shown.trim_end().to_owned() + "\n"
}

#[test]
fn the_tour_is_current() {
    let readme = fs_err::read_to_string(root().join("README.md")).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let (_, stack) = before.rsplit_once("```toml\n").unwrap();
    let (stack, _) = stack.split_once("```").unwrap();
    let environment = Environment::with_stack(stack);
    let mut tour = String::from("\n```text\n");
    for (number, typed) in TOUR.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        tour.push_str(&format!("{gap}$ {}\n", typed.line));
        let said = said(&environment, typed.line);
        if !said.is_empty() {
            tour.push_str(&shown(&said, typed.from));
        }
    }
    tour.push_str("```\n\n");
    let wrong = current("README.md", &format!("{before}{BEGIN}{tour}{END}{after}"));
    assert_eq!(wrong, None);
}
