//! Where the configuration of a provider comes from, and what is kept of it.

use retrue_provider_testcloud::Server;

use crate::environment::Environment;

const BUCKET: &str = "[resource.testcloud_bucket.b]\nname = \"b\"\n";

fn stack(rest: &str) -> Environment {
    Environment::with_stack(&format!("[stack]\nschema = 1\nname = \"cloud\"\n{rest}{BUCKET}"))
}

#[test]
fn a_provider_may_rest_on_what_is_applied() {
    let server = Server::start().unwrap();
    let environment = stack(&format!(
        "[resource.retrue_data.srv]\ninput = \"{}\"\n[local]\nurl = \"${{retrue_data.srv.output}}\"\n\
         [provider.testcloud]\nurl = \"${{local.url}}\"\n",
        server.url()
    ));
    environment.run(&["validate"]).ends(0);
    environment.run(&["apply", "--yes"]).ends(0);
    environment.run(&["plan", "--detailed-exitcode"]).ends(0);
    environment.run(&["reconcile"]).ends(0);
    let stack = environment.read("retrue.toml");
    environment.write("retrue.toml", stack.replace("127.0.0.1", "localhost"));
    let warned = environment.run(&["plan"]).ends(0);
    assert!(warned.stderr.contains("is configured from `retrue_data.srv` as it is recorded"), "{}", warned.screen());
    environment.write("retrue.toml", stack);
    environment.run(&["destroy", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}

/// Everything below the state.
fn state(environment: &Environment) -> String {
    let mut text = String::new();
    for entry in walkdir::WalkDir::new(environment.path(".retrue")).into_iter().flatten() {
        if entry.file_type().is_file() {
            text.push_str(&String::from_utf8_lossy(&fs_err::read(entry.path()).unwrap()));
        }
    }
    text
}

fn sourced(server: &Server) -> Environment {
    stack(&format!(
        "[variable.token]\ntype = \"string\"\nsensitive = true\nfrom = \"env:TOKEN\"\n\
         [variable.settle]\ntype = \"number\"\nfrom = \"env:SETTLE\"\ndefault = 0\n\
         [provider.testcloud]\nurl = \"{}\"\ntoken = \"${{var.token}}\"\nsettles_within = \"${{var.settle}}\"\n",
        server.url()
    ))
}

#[test]
fn a_source_is_kept_only_where_the_value_came_from_it() {
    let server = Server::start().unwrap();
    let environment = sourced(&server);
    environment.run(&["apply", "--yes", "--var", "token=given"]).ends(0);
    assert!(!state(&environment).contains("env:TOKEN"));
    // The value was kept, sealed: unwinding needs neither the option nor the variable.
    environment.run(&["compensate", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}

#[test]
fn what_is_read_again_has_its_type() {
    let server = Server::start().unwrap();
    let mut environment = sourced(&server);
    environment.set("TOKEN", "t");
    environment.set("SETTLE", "1");
    environment.run(&["apply", "--yes"]).ends(0);
    assert!(state(&environment).contains("env:TOKEN"));
    environment.run(&["compensate", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}

#[test]
fn a_command_that_gives_a_value_runs_under_a_guard() {
    let environment = Environment::with_stack(
        "[stack]\nschema = 1\n[variable.v]\nfrom = \"command:cat /proc/$PPID/comm; echo ${RETRUE_KEY:-none}\"\n\
         [variable.bad]\ndefault = 1\nfrom = \"command:[ -e ok ] || { echo why >&2; exit 3; }\"\n",
    );
    let shown = environment.run(&["eval", "--json", "var.v"]).ends(1);
    assert!(
        shown.stderr.contains("error[RT0164]") && shown.stderr.contains("it ended with 3: why"),
        "{}",
        shown.screen()
    );
    environment.write("ok", "");
    let shown = environment.run(&["eval", "--json", "var.v"]).ends(0);
    assert_eq!(shown.json(), "step-guard\nnone");
}

#[test]
fn a_provider_is_needed_until_what_it_made_is_gone() {
    let server = Server::start().unwrap();
    let block = format!("[provider.mine]\ntype = \"testcloud\"\nurl = \"{}\"\n", server.url());
    let head = "[stack]\nschema = 1\nname = \"cloud\"\n";
    let environment = Environment::with_stack(&format!("{head}{block}{BUCKET}provider = \"mine\"\n"));
    environment.run(&["apply", "--yes"]).ends(0);
    environment.write("retrue.toml", head);
    let shown = environment.run(&["apply", "--yes"]).ends(1);
    assert!(shown.stderr.contains("`[provider.mine]` is needed until that is gone"), "{}", shown.screen());
    environment.write("retrue.toml", format!("{head}{block}"));
    environment.run(&["apply", "--yes"]).ends(0);
    environment.write("retrue.toml", head);
    environment.run(&["apply", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}
