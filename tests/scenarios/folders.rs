//! A provider that speaks HTTPS with its service, and has no data sources and no tags: applied, and taken back.

use serde_json::Value as Json;

use crate::environment::Environment;
use crate::environment::peers::there;
use crate::folders::{Folders, HOME, KEY};

/// What the service holds: the path of names of each folder, sorted.
fn paths(service: &Folders) -> Vec<String> {
    let all = service.all();
    let path = |folder: &Json| {
        let (mut names, mut at) = (Vec::new(), Some(folder));
        while let Some(folder) = at {
            names.insert(0, folder["name"].as_str().unwrap());
            at = all.iter().find(|other| other["id"] == folder["parent_id"]);
        }
        names.join("/")
    };
    let mut paths: Vec<String> = all.iter().map(path).collect();
    paths.sort();
    paths
}

fn place(program: &std::path::Path, service: &Folders) -> (Environment, impl Fn(&str) -> String) {
    let mut place = Environment::new();
    place.set("SSL_CERT_FILE", service.certificate().to_str().unwrap());
    let head = format!(
        "[stack]\nschema = 1\nname = \"folders\"\n\n[provider.workato]\npath = \"{}\"\napi_key = \"{KEY}\"\nbase_url = \"{}\"\n",
        program.display(),
        service.address()
    );
    (place, move |resources| format!("{head}\n{resources}"))
}

#[test]
fn folders_are_taken_back() {
    let test = "folders_are_taken_back";
    let Some(program) = there(test, "bin/terraform-provider-workato_v0.16.0") else { return };
    let service = Folders::start();
    let (place, stack) = place(&program, &service);
    let folder = |name: &str, called: &str, parent: &str| {
        format!("[resource.workato_folder.{name}]\nname = \"{called}\"\nfolder_id = \"{parent}\"\n")
    };
    let home = HOME.to_string();
    let (outer, inner) = (folder("outer", "outer", &home), folder("inner", "inner", "${workato_folder.outer.id}"));
    place.write("retrue.toml", stack(&format!("{outer}{inner}")));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(paths(&service), ["outer", "outer/inner"]);
    let writes = service.writes();
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(service.writes(), writes, "there was nothing to do");

    // One is renamed, one deleted, one made; then all of it is taken back.
    let renamed = folder("outer", "renamed", &home);
    let third = folder("third", "third", "${workato_folder.outer.id}");
    place.write("retrue.toml", stack(&format!("{renamed}{third}")));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(paths(&service), ["renamed", "renamed/third"]);
    let shown = place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(paths(&service), ["outer", "outer/inner"], "{}", shown.screen());
    place.write("retrue.toml", stack(&format!("{outer}{inner}")));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    assert!(!shown.screen().contains(KEY));

    place.run(&["destroy", "--yes"]).ends(0);
    assert_eq!(paths(&service), Vec::<String>::new());
}
