//! Whole directories, with what becomes of them.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/migrate").join(name)
}

/// All that becomes of a directory, as one text.
fn shown(name: &str, in_place: bool) -> String {
    let beside = (!in_place).then(|| "infra".to_owned());
    let directory = fixture(name);
    let place = format!("{}/", directory.display());
    let mut text = String::new();
    let (findings, sources) = match convert(&directory, name, beside) {
        Ok(converted) => {
            for (name, content) in &converted.files {
                let _ = write!(text, "=== {name}\n{content}");
            }
            if let Some(values) = &converted.values {
                let _ = write!(text, "=== {VALUES_FILE}\n{values}");
            }
            for Flattened { module, prefix, file } in &converted.flattened {
                let _ = writeln!(text, "=== {module} is {prefix}_ in {file}");
            }
            for object in &converted.recorded.objects {
                let _ = writeln!(text, "=== {} by `{}`{}", object.address, object.provider, depends(object));
            }
            for (source, version) in &converted.locked {
                let _ = writeln!(text, "=== {source} {version}");
            }
            (converted.findings, converted.sources)
        }
        Err(unreadable) => (unreadable.diagnostics, unreadable.sources),
    };
    for finding in findings {
        let place_of = finding.labels.first().and_then(|label| sources.place(label.span));
        let at = place_of.map(|at| format!("{}:{}:{}", at.file.replace(&place, ""), at.line, at.column));
        let message = finding.message.replace(&place, "");
        let _ = writeln!(text, "{} {}: {message}", finding.code, at.unwrap_or_default());
        let _ = writeln!(text, "    {}", finding.hint.unwrap_or_default());
    }
    text
}

fn depends(object: &state::Object) -> String {
    object.dependencies.iter().map(|block| format!(" after {block}")).collect()
}

/// Whether what becomes of a directory is a stack, with what is wrong with it.
fn unsound(name: &str) -> Vec<String> {
    let converted = convert(&fixture(name), name, None).unwrap();
    let texts = converted.files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    match crate::config::load_texts(&fixture(name), texts) {
        Ok(_) => Vec::new(),
        Err(failed) => {
            failed.diagnostics.into_iter().map(|wrong| format!("{} {}", wrong.code, wrong.message)).collect()
        }
    }
}

#[test]
fn expressions_are_copied() {
    insta::assert_snapshot!(shown("expressions", true));
    assert_eq!(unsound("expressions"), Vec::<String>::new());
}

#[test]
fn blocks_become_tables_and_expressions() {
    insta::assert_snapshot!(shown("blocks", true));
    assert_eq!(unsound("blocks"), Vec::<String>::new());
}

#[test]
fn providers_get_names() {
    insta::assert_snapshot!(shown("providers", true));
    assert_eq!(unsound("providers"), Vec::<String>::new());
}

#[test]
fn json_is_read_as_well() {
    insta::assert_snapshot!(shown("json", true));
    assert_eq!(unsound("json"), Vec::<String>::new());
}

#[test]
fn what_has_no_counterpart_is_listed_by_place() {
    insta::assert_snapshot!(shown("refused", true));
}

#[test]
fn moves_that_mean_nothing_are_left_out() {
    insta::assert_snapshot!(shown("moves", true));
    assert_eq!(unsound("moves"), Vec::<String>::new());
}

#[test]
fn modules_are_written_into_the_stack() {
    insta::assert_snapshot!(shown("modules", true));
    assert_eq!(unsound("modules"), Vec::<String>::new());
}

#[test]
fn what_few_directories_have_is_converted() {
    insta::assert_snapshot!(shown("whole", true));
    assert_eq!(unsound("whole"), Vec::<String>::new());
}

#[test]
fn modules_that_cannot_be_are_listed_by_place() {
    insta::assert_snapshot!(shown("refused_modules", true));
}

#[test]
fn what_reads_beside_is_told_when_the_stack_is_elsewhere() {
    let text = shown("expressions", false);
    for place in ["main.tf:87:18", "main.tf:88:17"] {
        assert!(text.contains(&format!("{} {place}: this may name a file beside it", codes::DIFFERENT)), "{text}");
    }
    // What is read is where it was.
    assert!(text.contains("file = '${fileexists(\"infra/main.tf\")}'"), "{text}");
    assert!(!text.contains("main.tf:89:17"), "{text}");
}

/// What is wrong with files, all at once.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs_err::write(directory.path().join(name), text).unwrap();
    }
    let unreadable = convert(directory.path(), "x", None).map(|converted| converted.files).unwrap_err();
    let told = unreadable.diagnostics.iter().map(|problem| {
        assert!(problem.hint.is_some(), "{problem:?}");
        let place = problem.labels.first().and_then(|label| unreadable.sources.place(label.span));
        let file = place.as_ref().and_then(|place| place.file.rsplit('/').next().map(str::to_owned));
        let at = place.map_or(String::new(), |at| format!(" {}:{}:{}", file.unwrap_or_default(), at.line, at.column));
        format!("{}{at}", problem.code)
    });
    told.collect()
}

const STATE: (&str, &str) = ("terraform.tfstate", "{\"version\": 4}");

#[test]
fn all_that_cannot_be_read_is_told_at_once() {
    assert_eq!(told(&[("main.tf", "")]), [codes::NO_STATE]);
    assert_eq!(told(&[("terraform.tfstate", "{\"version\": 3}")]), [codes::STATE_VERSION]);
    let files = [
        ("terraform.tfstate", "{\"version\": 4"),
        ("a.tf", "resource \"x\" \"y\" {\n  a = \n}"),
        ("b.tf.json", "{\"a\": 1,\n}"),
        ("c.tf.json", "{\"resource\": {\"a\": {\"b\": 1}}}"),
        ("d.tf.json", "{\"locals\": {\"a\": \"${\"}}"),
    ];
    let expect = ["RT1002", "RT1004 a.tf:2:7", "RT1004 b.tf.json:2:1", "RT1004 c.tf.json:1:26"];
    assert_eq!(told(&files), expect);
    assert_eq!(told(&[STATE, ("x.tf", "a \u{0}")]).len(), 1);
}
