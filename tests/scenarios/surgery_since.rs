//! What a person does to the record between a run and its unwinding, or between a plan and its apply: nothing that
//! is somebody else's is touched, and nothing is forgotten.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};

use crate::environment::{Environment, stack};

const FILES: &str = "[resource.local_file.a]\npath = \"a\"\ncontent = \"a\"\n\n[resource.local_file.b]\npath = \"b\"\ncontent = \"b\"\n";

fn cloud() -> (Server, String) {
    let server = Server::start().unwrap();
    let provider = format!("[provider.testcloud]\nurl = \"{}\"\n\n", server.url());
    (server, provider)
}

fn ids(server: &Server) -> Vec<String> {
    server.cloud().truth().iter().map(|object| object.id.clone()).collect()
}

#[test]
fn what_was_recorded_by_hand_in_place_of_what_a_run_made_is_not_unwound() {
    let (server, provider) = cloud();
    let token = format!("{provider}[resource.testcloud_token.a]\nscope = \"s\"\n");
    let elsewhere = Environment::with(&token);
    elsewhere.run(&["apply", "--yes"]).ends(0);
    elsewhere.run(&["state", "rm", "testcloud_token.a"]).ends(0);
    let precious = ids(&server)[0].clone();
    let place = Environment::with(&token);
    place.run(&["apply", "--yes"]).ends(0);
    let ours = ids(&server).into_iter().find(|id| *id != precious).unwrap();
    place.run(&["state", "rm", "testcloud_token.a"]).ends(0);
    place.run(&["import", "testcloud_token.a", &precious]).ends(0);
    place.run(&["compensate", "--yes"]).ends(4).tells("RT0612", &["testcloud_token.a", "by hand"]);
    assert_eq!(ids(&server).len(), 2);
    // With its own record back, it is unwound.
    place.run(&["state", "rm", "testcloud_token.a"]).ends(0);
    place.run(&["import", "testcloud_token.a", &ours]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(ids(&server), [precious]);
}

#[test]
fn what_was_moved_by_hand_to_where_a_run_made_or_changed_something_stays() {
    let (_, second) = FILES.split_once("\n\n").unwrap();
    for update in [false, true] {
        let place = Environment::with(if update { FILES } else { second });
        place.run(&["apply", "--yes"]).ends(0);
        place.write("retrue.toml", stack(&FILES.replace("content = \"a\"", "content = \"new\"")));
        place.run(&["apply", "--yes"]).ends(0);
        place.run(&["state", "mv", "local_file.a", "local_file.c"]).ends(0);
        place.run(&["state", "mv", "local_file.b", "local_file.a"]).ends(0);
        let before = place.tree();
        let recorded = place.recorded();
        let shown = place.run(&["compensate", "--yes"]).ends(4).tells("RT0612", &["local_file.a", "by hand"]);
        place.tree().is(&before, &shown.screen());
        assert_eq!(place.recorded(), recorded);
        // Moved back, it is as it was.
        place.run(&["state", "mv", "local_file.a", "local_file.b"]).ends(0);
        place.run(&["state", "mv", "local_file.c", "local_file.a"]).ends(0);
        place.run(&["compensate", "--yes"]).ends(0);
        assert_eq!((place.path("a").exists(), place.read("b")), (update, "b".to_owned()));
    }
}

#[test]
fn what_was_adopted_and_moved_away_by_hand_is_told_as_that() {
    let place = Environment::with("[resource.local_file.a]\npath = \"a\"\ncontent = \"new\"\n");
    place.write("a", "old");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["state", "mv", "local_file.a", "local_file.c"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(4).tells("RT0612", &["local_file.a", "moved or dropped by hand"]);
    assert_eq!(place.read("a"), "new");
    place.run(&["state", "mv", "local_file.c", "local_file.a"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.read("a"), "old");
}

/// What happens between a plan and its apply.
type Deed = fn(&Environment);

#[test]
fn a_kept_plan_is_refused_when_what_it_touches_left_the_record_or_moved_in_it() {
    let deeds: [(&str, Deed); 6] = [
        ("an apply deleted it", |place| {
            place.run(&["apply", "--yes", "--destroy", "--target", "local_file.b"]).ends(0);
        }),
        ("it was given up", |place| {
            place.run(&["state", "rm", "local_file.b"]).ends(0);
        }),
        ("it was moved", |place| {
            place.run(&["state", "mv", "local_file.b", "local_file.c"]).ends(0);
        }),
        ("another one stands in its place", |place| {
            for (from, to) in [("b", "x"), ("a", "b"), ("x", "a")] {
                place.run(&["state", "mv", &format!("local_file.{from}"), &format!("local_file.{to}")]).ends(0);
            }
        }),
        ("it was unwound, and somebody made the same", |place| {
            place.run(&["compensate", "--yes"]).ends(0);
            place.write("a", "a");
            place.write("b", "b");
        }),
        ("it was given up and imported again", |place| {
            place.run(&["state", "rm", "local_file.b"]).ends(0);
            place.run(&["import", "local_file.b", "b"]).ends(0);
        }),
    ];
    for (what, deed) in deeds {
        for destroy in [true, false] {
            let place = Environment::with(FILES);
            place.run(&["apply", "--yes"]).ends(0);
            let with = FILES.replace("\"b\"\n", "\"new\"\n").replace("path = \"new\"", "path = \"b\"");
            if destroy {
                place.run(&["plan", "--destroy", "-o", "p"]).ends(0);
            } else {
                place.write("retrue.toml", stack(&with.replace("content = \"a\"", "content = \"new\"")));
                place.run(&["plan", "-o", "p"]).ends(0);
            }
            deed(&place);
            let before = place.tree();
            let recorded = place.recorded();
            let shown = place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &["local_file."]);
            place.tree().is(&before, &format!("{what}, {destroy}: {}", shown.screen()));
            assert_eq!(place.recorded(), recorded, "{what}, {destroy}");
        }
    }
}

#[test]
fn promise_6_an_answer_names_nothing_that_has_an_owner() {
    let (server, provider) = cloud();
    let place = Environment::with(&format!("{provider}[resource.testcloud_token.t]\ncount = 2\nscope = \"s\"\n"));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer).nth(2));
    place.run(&["apply", "--yes", "--parallelism", "1"]).ends(4);
    let recorded = place.run(&["state", "list", "--json"]).ends(0).json();
    let owned = recorded[0]["id"].as_str().unwrap().to_owned();
    let made = ids(&server).into_iter().find(|id| *id != owned).unwrap();
    place.run(&["resolve", "testcloud_token.t[1]", "--id", &owned]).ends(1).tells("RT0409", &["testcloud_token.t[0]"]);
    place.run(&["resolve", "testcloud_token.t[1]", "--id", &made]).ends(0);
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(ids(&server).is_empty());
}

#[test]
fn promise_6_the_command_imports_nothing_of_another_stack() {
    let (server, provider) = cloud();
    let instance = |name: &str, size: &str| {
        format!("{provider}[resource.testcloud_instance.{name}]\nimage = \"a\"\nsize = \"{size}\"\n")
    };
    let owner = Environment::with(&instance("z", "small"));
    owner.run(&["apply", "--yes"]).ends(0);
    let id = ids(&server)[0].clone();
    let place = Environment::with(&instance("y", "large"));
    place.run(&["import", "testcloud_instance.y", &id]).ends(1).tells("RT0403", &["testcloud_instance.y"]);
    assert!(place.recorded().is_empty());
    owner.run(&["state", "rm", "testcloud_instance.z"]).ends(0);
}

#[test]
fn promise_6_what_one_provider_made_is_not_looked_for_with_another() {
    let (one, other) = (Server::start().unwrap(), Server::start().unwrap());
    let providers = format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[provider.two]\ntype = \"testcloud\"\nurl = \"{}\"\n\n",
        one.url(),
        other.url()
    );
    let bucket =
        |name: &str, more: &str| format!("{providers}[resource.testcloud_bucket.{name}]\nname = \"shared\"\n{more}");
    let owner = Environment::with(&bucket("b", "provider = \"two\"\n"));
    owner.run(&["apply", "--yes"]).ends(0);
    let theirs = other.cloud().truth().iter().map(|object| object.marker().map(str::to_owned)).collect::<Vec<_>>();
    let place = Environment::with(&bucket("b", ""));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&bucket("b", "provider = \"two\"\nversioning = true\n")));
    for verb in [&["plan"][..], &["apply", "--yes"], &["apply", "--yes", "--replace", "testcloud_bucket.b"]] {
        let shown = place.run(verb).ends(1).tells("RT0430", &["testcloud_bucket.b", "`testcloud`", "`two`"]);
        assert!(shown.stderr.contains("--> retrue.toml:"), "{}", shown.screen());
    }
    let now = other.cloud().truth().iter().map(|object| object.marker().map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(now, theirs);
    // By another name, the old one ends where it is, and the new one is made where it shall be.
    owner.run(&["destroy", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&bucket("c", "provider = \"two\"\n")));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((one.cloud().truth().len(), other.cloud().truth().len()), (0, 1));
    place.run(&["destroy", "--yes"]).ends(0);
}

#[test]
fn an_output_follows_what_is_made_anew_alone() {
    let (_server, provider) = cloud();
    let place = Environment::with(&format!(
        "{provider}[resource.testcloud_token.t]\nscope = \"s\"\n\n[resource.testcloud_token.u]\nscope = \"u\"\n\n\
         [output.id]\nvalue = \"${{testcloud_token.t.id}}\"\n[output.both]\nvalue = [\"${{testcloud_token.t.id}}\", \"${{testcloud_token.u.id}}\"]\n"
    ));
    let output = |name: &str| place.run(&["output", name]).ends(0).stdout;
    let only = ["--target", "testcloud_token.t"];
    place.run(&[&["apply", "--yes"][..], &only].concat()).ends(0);
    let first = output("id");
    place.run(&["apply", "--yes"]).ends(0);
    let both = output("both");
    place.run(&[&["apply", "--yes", "--replace", "testcloud_token.t"][..], &only].concat()).ends(0);
    let recorded = place.run(&["state", "list", "--json"]).ends(0).json();
    assert_ne!(output("id"), first);
    assert_eq!(output("id").trim(), recorded[0]["id"].as_str().unwrap());
    // What is made of others, too, follows where they are known.
    assert_ne!(output("both"), both);
    assert!(output("both").contains(output("id").trim()), "{}", output("both"));
    assert_eq!(place.run(&["plan", "--detailed-exitcode"]).code, 0);
}
