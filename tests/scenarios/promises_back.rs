//! The promise of compensation: it restores the world that was observed before the run, and says
//! beforehand what it cannot restore. Against files of this machine, and against a cloud whose ids
//! are its own.

use insta::assert_snapshot;
use retrue_provider_testcloud::Server;
use serde_json::json;

use crate::environment::{Environment, stack};

fn files(content: &str, names: &[&str]) -> String {
    let mut text = String::new();
    for name in names {
        text += &format!(
            "[resource.local_file.{name}]\npath = \"{name}.txt\"\ncontent = \"{content} {name}\"\nmode = \"0600\"\n\n"
        );
    }
    text
}

#[test]
fn promise_4_compensation_restores_what_was_observed_drift_and_all() {
    let place = Environment::with(&files("old", &["changed", "drifted", "gone"]));
    place.run(&["apply", "--yes"]).ends(0);
    // Somebody was here before the run.
    place.write("drifted.txt", "by hand");
    let before = place.tree();
    let stack_before = place.read("retrue.toml");
    place.write("retrue.toml", stack(&files("new", &["changed", "drifted", "more"])));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("drifted.txt"), "new drifted");
    assert!(!place.path("gone.txt").exists());

    place.run(&["compensate", "--yes"]).ends(0);
    place.write("retrue.toml", stack_before);
    place.tree().timeless().is(&before.timeless(), "after the compensation");
    // The record, too, is what it was: the drift from before the run shows again.
    let report = place.run(&["reconcile", "--json"]).ends(2).json_lines();
    let last = &report[report.len() - 1];
    assert_eq!((&last["in_true"], &last["drifted"], &last["missing"]), (&json!(2), &json!(1), &json!(0)), "{last}");
}

#[test]
fn promise_4_only_the_journal_is_needed() {
    for broken in ["", "no TOML [", "[stack]\nschema = 1\nname = \"other\"\n[provider.nobody]\ntype = \"nothing\"\n"] {
        let place = Environment::with(&files("old", &["a", "b"]));
        let before = place.tree();
        let text = place.read("retrue.toml");
        place.run(&["apply", "--yes"]).ends(0);
        match broken {
            "" => fs_err::remove_file(place.path("retrue.toml")).unwrap(),
            broken => place.write("retrue.toml", broken),
        }
        place.run(&["compensate", "--yes"]).ends(0);
        place.write("retrue.toml", text);
        place.tree().keep(|name| name != "retrue.toml").is(&before.clone().keep(|name| name != "retrue.toml"), broken);
        assert!(place.recorded().is_empty());
    }
}

#[test]
fn promise_4_a_destroy_is_taken_back() {
    let place = Environment::with(
        "[resource.local_directory.d]\npath = \"d\"\nmode = \"0700\"\n\n[resource.local_file.f]\npath = \"${local_directory.d.path}/f\"\ncontent = \"x\"\n\n[resource.local_symlink.l]\npath = \"l\"\ntarget = \"${local_file.f.path}\"\n\n[output.o]\nvalue = \"${local_file.f.sha256}\"\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    let before = place.tree();
    let outputs = place.run(&["output", "--json"]).ends(0).stdout;
    place.run(&["destroy", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["retrue.toml"]);
    place.run(&["compensate", "--yes"]).ends(0);
    place.tree().is(&before, "after the compensation");
    assert_eq!(place.run(&["output", "--json"]).ends(0).stdout, outputs);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn promise_4_a_run_on_which_a_later_one_builds_is_refused_alone() {
    let place = Environment::with(&files("old", &["a"]));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&files("new", &["a"])));
    place.run(&["apply", "--yes"]).ends(0);
    let runs = place.runs();
    place.run(&["compensate", &runs[1], "--yes"]).ends(1).tells("RT0605", &[&runs[0]]);
    assert_eq!(place.read("a.txt"), "new a");
    place.run(&["compensate", "--through", &runs[1], "--yes"]).ends(0);
    assert!(!place.path("a.txt").exists());
}

/// A stack in a cloud: an instance in a network, and a database with data.
fn cloud(server: &Server, network: &str, size: &str, engine: &str) -> String {
    stack(&format!(
        r#"
[provider.testcloud]
url = "{}"

[resource.testcloud_database.main]
name = "main"
engine = "{engine}"

[resource.testcloud_network.main]
name = "main"
cidr = "{network}"

[resource.testcloud_instance.web]
image = "debian-13"
size = "{size}"
network_id = "${{testcloud_network.main.id}}"

[resource.testcloud_instance.web.lifecycle]
replace_triggered_by = ["testcloud_network.main"]
"#,
        server.url()
    ))
}

/// What the cloud holds: for each object its collection and attributes, without its ids.
fn truth(server: &Server) -> Vec<String> {
    let mut truth: Vec<String> = server
        .cloud()
        .truth()
        .iter()
        .map(|object| {
            let name = object.attributes.get("name").or(object.attributes.get("image"));
            format!(
                "{} {name:?} {:?} {:?}",
                object.collection,
                object.attributes.get("cidr"),
                object.attributes.get("size")
            )
        })
        .collect();
    truth.sort();
    truth
}

#[test]
fn promise_4_what_referred_to_something_made_again_follows_it() {
    let server = Server::start().unwrap();
    let place = Environment::with_stack(&cloud(&server, "10.0.0.0/16", "small", "mysql"));
    place.run(&["apply", "--yes"]).ends(0);
    let before = truth(&server);
    // Another range replaces the network, and with it the instance in it.
    place.write("retrue.toml", cloud(&server, "10.1.0.0/16", "small", "mysql"));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    let network =
        plan["changes"].as_array().unwrap().iter().find(|change| change["address"] == "testcloud_network.main");
    assert_eq!(network.unwrap()["reversible"], "lossy", "a new id is named before it is agreed to: {plan}");
    place.run(&["apply", "--yes"]).ends(0);
    assert_ne!(truth(&server), before);
    let shown = place.run(&["compensate", "--yes"]);
    assert!([0, 4].contains(&shown.code), "{}", shown.screen());
    if shown.code == 4 {
        place
            .run(&["compensate", "--yes", "--past", "testcloud_network.main", "--past", "testcloud_instance.web"])
            .ends(0);
    }
    assert_eq!(truth(&server), before);
    // The instance is in the network that is there now.
    let truth = server.cloud().truth();
    let of = |collection: &str| truth.iter().find(|object| object.collection == collection).unwrap();
    assert_eq!(of("instances").attributes["network_id"], json!(of("networks").id));
    place.write("retrue.toml", cloud(&server, "10.0.0.0/16", "small", "mysql"));
    assert_eq!(place.run(&["plan", "--json"]).ends(0).json()["changes"], json!([]));
}

#[test]
fn promise_5_behind_a_point_of_no_return_compensation_halts() {
    let server = Server::start().unwrap();
    let blocks = |engine: &str, fails: bool| {
        let gate = if fails {
            "[resource.local_command.gate]\ncreate = \"exit 9\"\ndelete = \"true\"\ndepends_on = [\"testcloud_database.main\"]\n"
        } else {
            ""
        };
        stack(&format!(
            "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_database.main]\nname = \"main\"\nengine = \"{engine}\"\n\n[resource.testcloud_bucket.beside]\nname = \"{engine}\"\n\n{gate}",
            server.url()
        ))
    };
    let place = Environment::with_stack(&blocks("mysql", false));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", blocks("postgres", true));
    let shown = place.run(&["plan"]).ends(0);
    assert!(shown.stdout.contains("rows are gone"), "{}", shown.screen());
    let shown =
        place.run(&["apply", "--yes", "--on-failure", "compensate", "--parallelism", "1"]).ends(4).tells("RT0608", &[]);
    assert_snapshot!("halts_behind_a_pivot", shown.screen());
    // By hand, what does not rest on it goes back; the rest only with leave.
    let shown = place.run(&["compensate", "--yes"]).ends(4);
    assert!(shown.stderr.contains("--past testcloud_database.main"), "{}", shown.screen());
    let engine = || {
        let truth = server.cloud().truth();
        truth.iter().find(|object| object.collection == "databases").unwrap().attributes["engine"].clone()
    };
    assert_eq!(engine(), json!("postgres"));
    place.run(&["compensate", "--yes", "--past", "testcloud_database.main"]).ends(0);
    assert_eq!(engine(), json!("mysql"));
    let buckets: Vec<_> = truth(&server).into_iter().filter(|object| object.starts_with("buckets")).collect();
    assert!(buckets.len() == 1 && buckets[0].contains("mysql"), "{buckets:?}");
}

#[test]
fn promise_5_what_cannot_be_undone_comes_last_of_all() {
    let server = Server::start().unwrap();
    let provider = format!("[provider.testcloud]\nurl = \"{}\"\n\n", server.url());
    // By name and by dependencies the database would be the first.
    let old = "[resource.testcloud_database.a]\nname = \"a\"\nengine = \"mysql\"\n\n[resource.testcloud_bucket.b]\nname = \"b\"\n\n[resource.local_file.c]\npath = \"c\"\ncontent = \"x\"\n";
    let place = Environment::with(&format!("{provider}{old}"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&format!("{provider}[resource.local_file.d]\npath = \"d\"\ncontent = \"x\"\n")));
    place.run(&["apply", "--yes"]).ends(0);
    let journal = place.journal();
    let at = |word: &str, address: &str| {
        let found = journal.iter().position(|(event, of)| event == word && of == address);
        found.unwrap_or_else(|| panic!("no {word} of {address}: {journal:?}"))
    };
    for reversible in ["local_file.c", "testcloud_bucket.b"] {
        assert!(at("step_applied", "local_file.d") < at("step_begin", reversible), "{journal:?}");
        assert!(at("step_applied", reversible) < at("step_begin", "testcloud_database.a"), "{journal:?}");
    }
}

#[test]
fn promise_5_deletes_make_room_where_the_stack_asks_for_it() {
    let server = Server::start().unwrap();
    server.cloud().settings().quota.insert("buckets".to_owned(), 1);
    let blocks = |name: &str, more: &str| {
        format!(
            "[stack]\nschema = 1\nname = \"try\"\n{more}\n[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_bucket.{name}]\nname = \"{name}\"\n",
            server.url()
        )
    };
    let place = Environment::with_stack(&blocks("one", ""));
    place.run(&["apply", "--yes"]).ends(0);
    // The cloud has room for one: creating first fails.
    place.write("retrue.toml", blocks("two", ""));
    place.run(&["apply", "--yes"]).ends(1).tells("RT0501", &["testcloud_bucket.two"]);
    place.write("retrue.toml", blocks("two", "deletes = \"graph\"\n"));
    place.run(&["apply", "--yes", "--parallelism", "1"]).ends(0);
    assert_eq!(place.recorded(), ["testcloud_bucket.two"]);
}

#[test]
fn promise_4_what_was_taken_back_needs_no_further_plan_although_an_id_is_new() {
    let server = Server::start().unwrap();
    let blocks = |cidr: &str| {
        stack(&format!(
            "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_network.n]\nname = \"n\"\ncidr = \"{cidr}\"\n\n[resource.testcloud_instance.i]\nimage = \"debian-13\"\nsize = \"small\"\nnetwork_id = \"${{testcloud_network.n.id}}\"\n\n[resource.testcloud_instance.i.lifecycle]\nreplace_triggered_by = [\"testcloud_network.n\"]\n",
            server.url()
        ))
    };
    let place = Environment::with_stack(&blocks("10.0.0.0/16"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", blocks("10.1.0.0/16"));
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--yes", "--past", "testcloud_network.n", "--past", "testcloud_instance.i"]).ends(0);
    place.write("retrue.toml", blocks("10.0.0.0/16"));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn promise_4_what_no_undone_step_touched_and_still_names_an_old_id_is_told() {
    let server = Server::start().unwrap();
    let blocks = |cidr: &str| {
        stack(&format!(
            "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_network.n]\nname = \"n\"\ncidr = \"{cidr}\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"${{testcloud_network.n.id}}\"\n",
            server.url()
        ))
    };
    let place = Environment::with_stack(&blocks("10.0.0.0/16"));
    place.run(&["apply", "--yes"]).ends(0);
    let old = place.read("f");
    // The old one is gone when the new one cannot be made: the file was never reached.
    server.cloud().settings().quota.insert("networks".to_owned(), 0);
    place.write("retrue.toml", blocks("10.1.0.0/16"));
    place.run(&["apply", "--yes"]).ends(1);
    server.cloud().settings().quota.clear();
    let shown = place.run(&["compensate", "--yes", "--past", "testcloud_network.n"]).ends(4);
    assert_snapshot!("still_names_an_old_id", shown.screen());
    assert_eq!(place.read("f"), old);
    place.write("retrue.toml", blocks("10.0.0.0/16"));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("f"), server.cloud().truth()[0].id.to_string());
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn promise_4_an_output_follows_an_id_that_is_new_and_the_plan_says_so() {
    let server = Server::start().unwrap();
    let provider = format!("[provider.testcloud]\nurl = \"{}\"\n", server.url());
    let network = "\n[resource.testcloud_network.n]\nname = \"n\"\ncidr = \"10.0.0.0/16\"\n";
    let output = "\n[output.id]\nvalue = \"${testcloud_network.n.id}\"\n\n[output.text]\nvalue = \"is ${testcloud_network.n.id}\"\n";
    let place = Environment::with(&format!("{provider}{network}{output}"));
    place.run(&["apply", "--yes"]).ends(0);
    let recorded = |name: &str| place.run(&["output", name, "--json"]).ends(0).json();
    let old = recorded("id");
    place.write("retrue.toml", stack(&provider));
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    let new = server.cloud().truth()[0].id.clone();
    assert_ne!(old, json!(new));
    // What is a plain reference follows at once, as what refers to it does.
    assert_eq!(recorded("id"), json!(new));
    place.write("retrue.toml", stack(&format!("{provider}{network}{output}")));
    // What is made of one was taken back to what it was; that it follows is a change of its own, and is shown.
    let shown = place.run(&["plan", "--detailed-exitcode"]).ends(2);
    let follows = format!("\"is {}\" -> \"is {new}\"", old.as_str().unwrap());
    assert!(
        shown.stdout.contains("only records and outputs change") && shown.stdout.contains(&follows),
        "{}",
        shown.screen()
    );
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(recorded("text"), json!(format!("is {new}")));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn promise_4_what_cannot_be_kept_takes_nothing_else_with_it() {
    let place = Environment::with("[resource.local_directory.r]\npath = \"r\"\nrecursive = true\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("r/keep", "keep");
    place.write("r/sub/deep", "deep");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    for name in ["r/pipe", "r/sub/pipe"] {
        rustix::fs::mknodat(rustix::fs::CWD, place.path(name), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }
    let shown = place.run(&["plan", "--destroy"]).ends(0);
    assert!(shown.stdout.contains("is a named pipe"), "{}", shown.screen());
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(!place.path("r").exists());
    place.run(&["compensate", "--yes"]);
    assert_eq!((place.read("r/keep"), place.read("r/sub/deep")), ("keep".to_owned(), "deep".to_owned()));
    assert!(!place.path("r/pipe").exists());
}

#[test]
fn that_an_older_run_is_unwound_than_the_last_is_said() {
    let file = "[resource.local_file.a]\npath = \"a\"\ncontent = \"x\"\n";
    let place = Environment::with(file);
    place.run(&["apply", "--yes"]).ends(0);
    place.write(
        "retrue.toml",
        stack(&format!("{file}[resource.local_command.c]\ncreate = [\"false\"]\ndelete = [\"true\"]\n")),
    );
    place.run(&["apply", "--yes"]).ends(1);
    let shown = place.run(&["compensate", "--yes"]).ends(0);
    let said = "(apply), left nothing to unwind: this one came before it";
    assert!(shown.stderr.contains(said), "{}", shown.screen());
    place.write("retrue.toml", stack(file));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&file.replace("\"x\"", "\"y\"")));
    place.run(&["apply", "--yes"]).ends(0);
    let last = place.run(&["compensate", "--yes"]).ends(0);
    assert!(!last.stderr.contains("came before it"), "{}", last.screen());
    let before = place.run(&["compensate", "--yes"]).ends(0);
    assert!(before.stderr.contains("was unwound already: this one came before it"), "{}", before.screen());
}
