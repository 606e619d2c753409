use std::path::Path;

use super::*;
use crate::config::load_texts;
use crate::config::tests::shown;

const STACK: &str = r#"stack.schema = 1
[variable.text]
default = "d"
[variable.number]
type = "number"
default = "5"
[variable.list]
type = "list(string)"
default = ["a"]
[variable.secret]
type = "string"
sensitive = true
from = "env:SECRET"
default = "none"
[variable.some]
type = "string"
nullable = false
default = "some"
validation = [
  { condition = '${var.some != "bad"}', message = "not ${var.some}" },
  { condition = '${var.some != var.text}', message = "some differs from text" },
]
"#;

/// `NAME=VALUE (ORIGIN)` of all that is not a default, or what is wrong.
fn resolved(text: &str, inputs: &Inputs) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("token"), "t0\n").unwrap();
    let stack = load_texts(directory.path(), [("retrue.toml", text)])
        .unwrap_or_else(|failed| panic!("{:?}", failed.diagnostics));
    let mut sources = stack.sources.clone();
    match resolve_variables(&stack, inputs, &mut sources) {
        Err(wrong) => shown(&sources, &wrong),
        Ok(found) => found
            .values
            .iter()
            .filter(|(name, _)| found.origins[*name] != Origin::Default)
            .map(|(name, value)| {
                let marks = if value.marks().sensitive { " sensitive" } else { "" };
                let plain = crate::expression::render(&value.clone().unmark_deep().0);
                format!("{name}={plain}{marks} from {}\n", found.origins[name])
            })
            .chain(found.warnings.iter().map(|warning| format!("warning: {}\n", warning.message)))
            .collect(),
    }
}

fn vars(pairs: &[(&str, &str)]) -> Inputs {
    let vars = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Inputs { vars, ..Inputs::default() }
}

fn environment(pairs: &[(&str, &str)]) -> Inputs {
    Inputs { environment: pairs.iter().map(|(name, text)| (name.into(), text.into())).collect(), ..Inputs::default() }
}

#[test]
fn texts_are_parsed_by_the_type() {
    assert_eq!(resolved(STACK, &Inputs::default()), "");
    assert_eq!(
        resolved(STACK, &vars(&[("text", "[1]"), ("number", "7")])),
        "number=7 from `--var`\ntext=\"[1]\" from `--var`\n"
    );
    assert_eq!(resolved(STACK, &vars(&[("text", "x"), ("text", "y")])), "text=\"y\" from `--var`\n");
    assert!(resolved(STACK, &vars(&[("list", "[\"x\", 1]")])).contains("\"x\""));
    assert_eq!(
        resolved(STACK, &environment(&[("SECRET", "s3"), ("RETRUE_VAR_text", "e"), ("RETRUE_VAR_other", "e")])),
        "secret=\"s3\" sensitive from `env:SECRET`\ntext=\"e\" from the environment variable `RETRUE_VAR_text`\n\
         warning: there is no variable `other`, which the environment variable `RETRUE_VAR_other` gives a value\n"
    );
}

#[test]
fn later_wins_and_a_source_is_read_only_when_needed() {
    let text = "stack.schema = 1\n[variable.v]\nfrom = \"command:echo from; exit 1\"\n";
    assert_eq!(resolved(text, &vars(&[("v", "given")])), "v=\"given\" from `--var`\n");
    assert!(resolved(text, &Inputs::default()).contains("it ended with 1"));
    let text = "stack.schema = 1\n[variable.v]\nfrom = \"command:printf '%s\\\\n' a b\"\n[variable.f]\nfrom = \"file:token\"\n[variable.none]\nfrom = \"file:none\"\ndefault = 1\n";
    assert_eq!(
        resolved(text, &environment(&[("PATH", "/usr/bin:/bin")])),
        "f=\"t0\" from `file:token`\nv=<<EOT\na\nb\nEOT from `command:printf '%s\\n' a b`\n"
    );
}

#[test]
fn files_of_values() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs_err::write(&path, text).unwrap();
        path
    };
    let good = file("good.toml", "text = 'f'\nlist = ['x', 'y']\nsome = '${null}'\n");
    let told = resolved(STACK, &Inputs { var_files: vec![good.clone()], ..vars(&[("text", "option")]) });
    assert!(
        told.contains("text=\"option\" from `--var`") && told.contains("some=\"some\"") && told.contains("\"y\""),
        "{told}"
    );
    let bad = file("bad.toml", "txet = 1\nnumber = 'x'\nlist = '${var.text}'\nsome = [1\n");
    let told =
        resolved(STACK, &Inputs { var_files: vec![bad, directory.path().join("missing.toml")], ..Inputs::default() });
    let told = told.replace(&directory.path().display().to_string(), "DIR");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(told) });
}

#[test]
fn what_is_wrong_with_values() {
    let required = "stack.schema = 1\n[variable.region]\n[variable.key]\nfrom = \"env:KEY\"\n[variable.strict]\nnullable = false\n[variable.l]\ntype = 'list(number)'\ndefault = ['x']\n";
    let told = [
        resolved(STACK, &vars(&[("txt", "1"), ("number", "many"), ("list", "[1"), ("list", "[var.text]")])),
        resolved(STACK, &vars(&[("some", "bad")])),
        resolved(STACK, &vars(&[("some", "d")])),
        resolved(required, &vars(&[])),
        resolved(required, &vars(&[("region", "x"), ("key", "y"), ("strict", "z"), ("l", "[1]")])),
    ]
    .join("====\n");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(told) });
}

#[test]
fn an_unknown_directory_breaks_nothing() {
    let stack =
        load_texts(Path::new("/nowhere"), [("retrue.toml", "stack.schema = 1\n[variable.f]\nfrom = 'file:x'\n")])
            .unwrap();
    assert!(resolve_variables(&stack, &Inputs::default(), &mut Sources::default()).is_err());
}
