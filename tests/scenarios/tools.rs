//! Verbs that need no state: init, completions, schema, graph.

use insta::assert_snapshot;

use crate::environment::Environment;

#[test]
fn init() {
    let place = Environment::new();
    assert_snapshot!(place.run(&["init", "site"]).ends(0).screen());
    assert!(place.read("site/retrue.toml").starts_with("#:schema ./retrue.schema.json\n"));
    assert!(place.path("site/retrue.schema.json").exists());
    place.run(&["-C", "site", "graph"]).ends(0);
}

#[test]
fn init_overwrites_nothing() {
    let place = Environment::with_stack("mine");
    assert_snapshot!(place.run(&["init"]).ends(1).screen());
    assert_eq!(place.read("retrue.toml"), "mine");
    let place = Environment::new();
    place.write("more.retrue.toml", "mine");
    place.run(&["init"]).ends(1);
    assert!(!place.path("retrue.toml").exists());
}

#[test]
fn init_in_json() {
    let place = Environment::new();
    let shown = place.run(&["init", "--json", "-C", "a", "b"]).ends(0);
    assert_eq!(shown.json()["created"], serde_json::json!(["a/b/retrue.schema.json", "a/b/retrue.toml"]));
    assert!(place.read("a/b/retrue.toml").contains("name = \"b\""));
}

#[test]
fn completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let shown = Environment::new().run(&["completions", shell]).ends(0);
        assert!(shown.stdout.contains("reconcile"), "{shell}");
        assert_eq!(shown.stderr, "");
    }
}

#[test]
fn schema() {
    let shown = Environment::new().run(&["schema"]).ends(0);
    assert!(shown.json().is_object());
}

const LAYERS: &str = r#"
[stack]
schema = 1
name = "layers"

[data.local_file.input]
path = "in.txt"

[resource.local_directory.out]
path = "out"

[resource.local_file.copy]
for_each = ["a", "b"]
path = "${local_directory.out.path}/${each.key}"
content = "${data.local_file.input.content}"
"#;

#[test]
fn graph() {
    let place = Environment::with_stack(LAYERS);
    assert_snapshot!(place.run(&["graph"]).ends(0).screen());
}

#[test]
fn graph_in_mermaid() {
    let place = Environment::with_stack(LAYERS);
    assert_snapshot!(place.run(&["graph", "--mermaid"]).ends(0).screen());
}

#[test]
fn graph_in_json() {
    let place = Environment::with_stack(LAYERS);
    assert_snapshot!(place.run(&["graph", "--json"]).ends(0).screen());
    place.run(&["graph", "--json", "--mermaid"]).ends(64);
}

#[test]
fn a_circle_is_shown_with_its_places() {
    let place = Environment::with_stack("[stack]\nschema = 1\n\n[local]\na = \"${local.b}\"\nb = \"${local.a}\"\n");
    assert_snapshot!(place.run(&["graph"]).ends(1).screen());
}

#[test]
fn a_reader_that_leaves_does_no_harm() {
    use std::io::Read as _;
    let place = Environment::new();
    let mut child = place.command(&["completions", "bash"]).spawn().unwrap();
    // The pipe is closed after a few bytes.
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_report_that_is_lost_is_told() {
    let place = Environment::new();
    let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&["completions", "bash"]).stdout(full.into_parts().0).output().unwrap();
    assert_snapshot!(place.shown(output).ends(1).screen());
}
