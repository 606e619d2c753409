//! Builds the tree, and finds out which mutants do not compile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

/// The program with the tests of the library; or the numbers of the mutants that do not compile.
pub fn build(tree: &Path) -> Result<PathBuf, BTreeSet<usize>> {
    let output = Command::new("cargo")
        .args(["test", "--locked", "--package", "retrue", "--lib", "--no-run", "--message-format", "json"])
        .current_dir(tree)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    let messages: Vec<Json> =
        String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if output.status.success() {
        let program = messages.iter().rev().find_map(|message| message["executable"].as_str());
        return Ok(program.expect("cargo names what it built").into());
    }
    let mut wrong = BTreeSet::new();
    for message in messages.iter().map(|message| &message["message"]).filter(|message| message["level"] == "error") {
        let primary = message["spans"].as_array().into_iter().flatten().filter(|span| span["is_primary"] == true);
        wrong.extend(primary.filter_map(|span| mutant_at(tree, span)));
    }
    if wrong.is_empty() {
        for message in &messages {
            eprint!("{}", message["message"]["rendered"].as_str().unwrap_or_default());
        }
        eprintln!("weave: it does not build, and no mutant is to blame");
        std::process::exit(2);
    }
    Err(wrong)
}

/// The mutant that stands at a span, or last before it.
fn mutant_at(tree: &Path, span: &Json) -> Option<usize> {
    let text = std::fs::read_to_string(tree.join(span["file_name"].as_str()?)).ok()?;
    let (start, end) = (span["byte_start"].as_u64()? as usize, span["byte_end"].as_u64()? as usize);
    let number = |after: &str| after.split_once(')')?.0.parse().ok();
    let call = "crate::mutant(";
    let inside = text.get(start..end)?.split(call).nth(1).and_then(number);
    inside.or_else(|| number(text.get(..end)?.rsplit_once(call)?.1))
}
