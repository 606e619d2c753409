//! What may fail: data with something in its place, optional resources, and retries of a resource's own.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::{Value as Json, json};

use crate::environment::{Environment, stack};

fn provider(server: &Server) -> String {
    format!(
        "[provider.testcloud]\nurl = \"{}\"\n\
         resilience = {{ retry = {{ attempts = 2, first_wait = \"5ms\", jitter = \"none\" }} }}\n\n",
        server.url()
    )
}

fn fails(server: &Server, method: Method, what: &str, status: u16) {
    let trouble = Action::ErrorBefore { status, retry_after: None };
    server.cloud().add_fault(Fault { times: 0, ..Fault::at(method, what, trouble) });
}

fn of<'e>(events: &'e [Json], name: &str) -> Vec<&'e Json> {
    events.iter().filter(|event| event["event"] == name).collect()
}

#[test]
fn data_that_cannot_be_read_is_what_it_last_was() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "{}[resource.testcloud_bucket.b]\nname = \"b\"\n\n[data.testcloud_image.i]\nname = \"debian-12\"\n\
         fallback = [{{ last_known = true }}, {{ value = {{ id = \"none\" }} }}]\n\n\
         [output.image]\nvalue = \"${{data.testcloud_image.i.id}}\"\n",
        provider(&server)
    ));
    // Nothing was read before: the value that is written stands in its place.
    fails(&server, Method::Get, "images", 503);
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(plan["outputs"]["image"]["after"], "none", "{plan}");
    assert_eq!(plan["degraded"][0]["address"], "data.testcloud_image.i");
    server.cloud().clear_faults();
    place.run(&["apply", "--yes"]).ends(0);
    let known = place.run(&["output", "image", "--json"]).json();
    assert_ne!(known, "none");
    // Now it is known.
    fails(&server, Method::Get, "images", 503);
    place.write("retrue.toml", place.read("retrue.toml").replace("name = \"b\"", "name = \"c\""));
    let planned = place.run(&["plan", "-o", "plan"]).ends(0);
    insta::assert_snapshot!("a_plan_with_degraded_data", planned.screen().replace(&server.url(), "[URL]"));
    let applied = place.run(&["apply", "plan", "--yes", "--json"]).ends(0);
    let events = applied.json_lines();
    assert_eq!(of(&events, "degraded")[0]["address"], "data.testcloud_image.i", "{events:#?}");
    assert_eq!(place.run(&["output", "image", "--json"]).json(), known);
    // Where there is nothing to do, it is told all the same, before the last line.
    let events = place.run(&["apply", "--yes", "--json"]).ends(0).json_lines();
    let names: Vec<&Json> = events.iter().map(|event| &event["event"]).collect();
    assert_eq!(names, ["degraded", "run_finished"], "{events:#?}");
    assert_eq!(events[0]["address"], "data.testcloud_image.i");
    assert!(events[0]["message"].as_str().is_some_and(|reason| !reason.is_empty()), "{events:#?}");
    assert_eq!(events[0].get("run_id"), events[1].get("run_id"), "there was no run");
    assert!(place.run(&["apply", "--yes"]).ends(0).all().contains("Degraded:"));
    // What is wrong with what is asked is a mistake, and no outage.
    server.cloud().clear_faults();
    fails(&server, Method::Get, "images", 400);
    place.run(&["plan"]).ends(1).tells("RT0413", &["data.testcloud_image.i"]);
}

#[test]
fn data_that_is_read_while_applying_has_something_in_its_place_too() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "{}[resource.retrue_data.name]\ninput = \"debian-12\"\n\n[data.testcloud_image.i]\n\
         name = \"${{retrue_data.name.id == \\\"\\\" ? \\\"x\\\" : \\\"debian-12\\\"}}\"\n\
         fallback = [{{ last_known = true }}, {{ value = {{ id = \"none\" }} }}]\n\n\
         [output.image]\nvalue = \"${{data.testcloud_image.i.id}}\"\n",
        provider(&server)
    ));
    fails(&server, Method::Get, "images", 503);
    let events = place.run(&["apply", "--yes", "--json"]).ends(0).json_lines();
    assert_eq!(of(&events, "degraded").len(), 1, "{events:#?}");
    assert_eq!(place.run(&["output", "image", "--json"]).json(), "none");
    // What stood in its place is not what it was.
    server.cloud().clear_faults();
    place.run(&["apply", "--yes"]).ends(0);
    assert_ne!(place.run(&["output", "image", "--json"]).json(), "none");
}

#[test]
fn what_is_last_known_rests_sealed_and_goes_with_its_block() {
    let mut place = Environment::new();
    place.set("SECRET", "hunter22hunter");
    let with = |fallback: &str| {
        stack(&format!(
            "[variable.s]\ntype = \"string\"\nsensitive = true\nfrom = \"env:SECRET\"\n\n\
             [data.local_command.c]\ncommand = [\"printf\", \"%s\", \"${{var.s}}\"]\n{fallback}\n\n\
             [resource.local_file.a]\npath = \"a\"\ncontent = \"a\"\n"
        ))
    };
    place.write("retrue.toml", with("fallback = [{ last_known = true }]"));
    place.run(&["apply", "--yes"]).ends(0);
    place.holds_nowhere("hunter22hunter");
    let kept =
        |place: &Environment| place.run(&["state", "export"]).ends(0).stdout.contains("data/data.local_command.c");
    assert!(kept(&place));
    place.write("retrue.toml", with("").replace("content = \"a\"", "content = \"b\""));
    place.run(&["apply", "--yes"]).ends(0);
    assert!(!kept(&place));
}

#[test]
fn what_is_wrong_with_a_fallback_is_told() {
    let server = Server::start().unwrap();
    let data = |fallback: &str| {
        stack(&format!("{}[data.testcloud_image.i]\nname = \"debian-12\"\nfallback = {fallback}\n", provider(&server)))
    };
    let place = Environment::new();
    for (fallback, code, word) in [
        ("[{ last_knwon = true }]", "RT0110", "`last_known`"),
        ("[{ last_known = true, value = {} }]", "RT0122", "exclude each other"),
        ("[{ last_known = false }]", "RT0112", "says nothing"),
        ("[{}]", "RT0113", "`value`"),
        ("[{ value = { idd = \"x\" } }]", "RT0151", "`id`"),
        ("[{ value = { id = [\"x\"] } }]", "RT0153", "`id` takes string"),
    ] {
        place.write("retrue.toml", data(fallback));
        place.run(&["plan"]).ends(1).tells(code, &[word]);
    }
}

#[test]
fn what_is_optional_may_fail_and_what_depends_on_it_is_skipped() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "{}[resource.testcloud_bucket.cache]\nname = \"cache\"\nlifecycle = {{ optional = true }}\n\n\
         [resource.local_file.cache]\npath = \"cache.txt\"\ncontent = \"${{testcloud_bucket.cache.locator}}\"\n\
         lifecycle = {{ optional = true }}\n\n[resource.local_file.main]\npath = \"main.txt\"\ncontent = \"x\"\n\n\
         [output.cache]\nvalue = \"${{testcloud_bucket.cache.locator}}\"\n\n[output.main]\nvalue = \"${{local_file.main.path}}\"\n",
        provider(&server)
    ));
    fails(&server, Method::Post, "buckets", 403);
    let shown = place.run(&["apply", "--yes", "--parallelism", "1"]).ends(0);
    insta::assert_snapshot!("an_optional_one_fails", shown.screen());
    assert_eq!(place.recorded(), ["local_file.main"]);
    assert_eq!(place.run(&["output", "main", "--json"]).ends(0).json(), "main.txt");
    assert_eq!(place.run(&["runs", "list", "--json"]).json()[0]["state"], "succeeded");
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(plan["changes"][0]["optional"], json!(true), "{plan}");
    let events = place.run(&["apply", "--yes", "--json"]).ends(0).json_lines();
    let degraded: Vec<&Json> = of(&events, "degraded").into_iter().map(|event| &event["address"]).collect();
    assert_eq!(degraded, ["testcloud_bucket.cache", "local_file.cache", "output.cache"]);
    // Once it can be made, it is.
    server.cloud().clear_faults();
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.recorded(), ["local_file.cache", "local_file.main", "testcloud_bucket.cache"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // It cannot be read: it stays as it is, and so does what depends on it.
    fails(&server, Method::Get, "buckets", 503);
    let events = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(events["degraded"].as_array().unwrap().len(), 2, "{events}");
    assert!(events["changes"].as_array().unwrap().is_empty(), "{events}");
    // A delete that fails leaves something behind, which is nothing to be passed over.
    server.cloud().clear_faults();
    fails(&server, Method::Delete, "buckets", 403);
    place.run(&["destroy", "--yes"]).ends(1).tells("RT0501", &["testcloud_bucket.cache"]);
}

#[test]
fn an_optional_one_does_not_unwind_a_run_and_in_doubt_it_needs_a_person() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "{}[resource.testcloud_instance.i]\nimage = \"x\"\nsize = \"small\"\nlifecycle = {{ optional = true }}\n\n\
         [resource.local_file.main]\npath = \"main.txt\"\ncontent = \"x\"\n",
        provider(&server)
    ));
    fails(&server, Method::Post, "instances", 403);
    place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(0);
    assert_eq!(place.recorded(), ["local_file.main"]);
    // It was made, and nobody can tell: that is never passed over.
    server.cloud().clear_faults();
    server.cloud().add_fault(Fault::at(Method::Post, "instances", Action::LoseAnswer));
    let trouble = Action::ErrorBefore { status: 503, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Get, "instances", trouble).nth(2).always());
    place.run(&["apply", "--yes"]).ends(4);
}

#[test]
fn a_plan_made_with_a_fallback_is_refused_where_the_data_is_another() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "{}[data.testcloud_image.i]\nname = \"debian-12\"\nfallback = [{{ value = {{ id = \"none\" }} }}]\n\n\
         [output.image]\nvalue = \"${{data.testcloud_image.i.id}}\"\n",
        provider(&server)
    ));
    fails(&server, Method::Get, "images", 503);
    place.run(&["plan", "-o", "plan"]).ends(0);
    server.cloud().clear_faults();
    place.run(&["apply", "plan", "--yes"]).ends(1).tells("RT0417", &["data.testcloud_image.i"]);
}

#[test]
fn what_must_not_fail_rests_on_nothing_optional() {
    let place = Environment::with(
        "[resource.local_file.a]\npath = \"a\"\ncontent = \"a\"\nlifecycle = { optional = true }\n\n[local]\n\
         a = \"${local_file.a.path}\"\n\n[resource.local_file.b]\npath = \"b\"\ncontent = \"${local.a}\"\n",
    );
    place.run(&["validate"]).ends(1).tells("RT0142", &["`local_file.b` depends on `local_file.a`"]);
}

#[test]
fn a_resource_is_tried_again_as_often_as_it_says() {
    let server = Server::start().unwrap();
    let tries = |lifecycle: &str| {
        server.cloud().clear_faults();
        fails(&server, Method::Post, "buckets", 503);
        let place = Environment::with(&format!(
            "{}[resource.testcloud_bucket.b]\nname = \"b\"\n{lifecycle}",
            provider(&server).replace("resilience = {", "resilience = { breaker = { failures = 0 },")
        ));
        place.run(&["plan", "-o", "plan"]).ends(0);
        let events = place.run(&["apply", "plan", "--yes", "--json"]).ends(1).json_lines();
        of(&events, "step_retrying").len() + 1
    };
    assert_eq!(tries(""), 2);
    assert_eq!(tries("lifecycle = { retry = { attempts = 5 } }"), 5);
    assert_eq!(tries("lifecycle = { retry = { attempts = 1 } }"), 1);
}
